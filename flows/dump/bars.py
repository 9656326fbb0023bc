"""Bars of many symbols as columns: put together from price files, judged, and placed in event time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from flows.dump.first_bars import FIRST_BARS
from flows.dump.intervals import NS, interval_name, interval_seconds
from flows.dump.price_files import PriceTable, Stamp
from flows.dump.times import NO_TIME
from flows.errors import ImportRefused
from operators.frames import Bool, Float64, Int64

_LISTED = 20
#: A longer gap within a symbol is a mistyped year: it must not close the years between.
_LONGEST_GAP_NS = 5 * 366 * 86_400 * NS


@dataclass(slots=True)
class Bars:
    """Rows of all files, sorted by symbol, within a symbol in source order.

    Attributes:
        symbols: names, sorted.
        bounds: [S + 1] rows of symbol s are ``bounds[s]`` to ``bounds[s + 1]``.
        ts: [n] stamped time in ns, after :func:`place_in_time` the bar's close.
        prices: [n, 4] open, high, low, close.
        volume: [n]; NaN where absent; has_volume: [S] whether a symbol's data has any.
        file: [n] index into ``files``; row: [n] row number in it.
        files: names for messages.
    """

    symbols: list[str]
    bounds: list[int]
    ts: Int64
    prices: Float64
    volume: Float64
    has_volume: Bool
    file: Int64
    row: Int64
    files: list[str]

    def __len__(self) -> int:
        return len(self.ts)

    def spans(self) -> list[tuple[str, slice]]:
        """Each symbol with its rows."""
        return [
            (symbol, slice(start, stop))
            for symbol, (start, stop) in zip(self.symbols, pairwise(self.bounds), strict=True)
        ]


def combine(tables: list[PriceTable], default_stamp: Stamp) -> tuple[Bars, npt.NDArray[np.bool_]]:
    """All tables as one, and for each row whether its time is the bar's opening.

    A table that runs from new to old is turned round. Tables are taken in order of their first times, so that the files
    of one symbol may be named as they like.
    """
    ordered = sorted(tables, key=lambda table: (int(table.times.min()), str(table.path)))
    names = [name for table in ordered for name in table.symbols]
    unique, codes = np.unique(np.array(names, dtype=object), return_inverse=True)
    turned = [_oldest_first(table) for table in ordered]
    starts = np.cumsum([0, *[len(table.times) for table in ordered]])
    source = np.concatenate([start + order for start, order in zip(starts, turned, strict=False)])
    source = source[np.argsort(codes[source], kind="stable")]
    missing = [np.full(len(table.times), np.nan) for table in ordered]
    volume = np.concatenate([t.volume if t.volume is not None else m for t, m in zip(ordered, missing, strict=True)])
    bounds = np.searchsorted(codes[source], np.arange(len(unique) + 1)).tolist()
    bars = Bars(
        [str(name) for name in unique],
        bounds,
        np.concatenate([table.times for table in ordered])[source],
        np.concatenate([table.prices for table in ordered])[source],
        volume[source],
        np.zeros(len(unique), np.bool_),
        np.repeat(np.arange(len(ordered)), np.diff(starts))[source],
        np.concatenate([table.first_row + np.arange(len(table.times)) for table in ordered])[source],
        [str(table.path) for table in ordered],
    )
    bars.has_volume = np.array([not np.isnan(bars.volume[rows]).all() for _, rows in bars.spans()], np.bool_)
    opens = np.array([(table.stamp or default_stamp) == "open" for table in ordered], np.bool_)
    return bars, opens[bars.file]


def _oldest_first(table: PriceTable) -> Int64:
    """Row order in which time does not run backwards where the file as a whole runs from new to old."""
    steps = np.diff(table.times)
    rows = np.arange(len(table.times))
    return rows[::-1] if len(steps) and (steps <= 0).all() and (steps < 0).any() else rows


def detect_intervals(bars: Bars, given: str | None) -> dict[str, str]:
    """Bar interval of each symbol: as given, or the most frequent step between its first bars.

    Raises ImportRefused for symbols of a single bar when no other symbol tells the interval, and when bars come more
    often than the stated interval allows.
    """
    found = {symbol: _most_frequent_step(bars.ts[rows][:FIRST_BARS]) for symbol, rows in bars.spans()}
    if given is not None:
        length = interval_seconds(given)
        for symbol, step in found.items():
            if step is not None and step < length:
                raise ImportRefused(
                    f"{symbol}: bars come every {interval_name(step)}, so their interval is not {given} as stated"
                )
        return dict.fromkeys(bars.symbols, given)
    known = sorted({step for step in found.values() if step is not None})
    unknown = [symbol for symbol, step in found.items() if step is None]
    if unknown and len(known) != 1:
        raise ImportRefused(f"the bar interval of {', '.join(unknown[:5])} cannot be told; state it (--interval 1h)")
    return {symbol: interval_name(known[0] if step is None else step) for symbol, step in found.items()}


def _most_frequent_step(times: Int64) -> int | None:
    """In whole seconds; of equally frequent steps the smaller; None when there is none."""
    times = times[times != NO_TIME]
    steps = np.diff(times)
    steps = steps[(steps > 0) & (steps % NS == 0)] // NS
    if not len(steps):
        return None
    values, counts = np.unique(steps, return_counts=True)
    return int(values[np.argmax(counts)])


def place_in_time(bars: Bars, intervals: dict[str, str], opens: Bool) -> None:
    """Makes ``ts`` the event time, which is the bar's close (spec 1)."""
    for symbol, rows in bars.spans():
        length = interval_seconds(intervals[symbol]) * NS
        known = bars.ts[rows] != NO_TIME
        bars.ts[rows] += np.where(opens[rows] & known, length, 0)


def check(bars: Bars, *, keep_bad: bool) -> tuple[list[str], Bool]:
    """Refuses rows that are no bars, or lists them when they are to be kept for normalize to dead-letter.

    Returns that list, and for each row whether it is bad.

    Raises ImportRefused listing file, row and reason; rows without a readable time are refused in any case, as they
    have no place in a log.
    """
    reasons = _reasons(bars)
    timeless = bars.ts == NO_TIME
    flawed = np.array([bool(reason) for reason in reasons], np.bool_)
    bad = np.flatnonzero(flawed)
    if not len(bad):
        return [], flawed
    listing = [
        f"{bars.files[bars.file[i]]} row {bars.row[i]}: {bars_symbol(bars, i)}: {reasons[i]}" for i in bad[:_LISTED]
    ]
    more = [f"and {len(bad) - _LISTED} more"] if len(bad) > _LISTED else []
    if keep_bad and not timeless.any():
        return [f"{len(bad)} bad rows kept; the flow will dead-letter them", *listing, *more], flawed
    fix = "rows without a time cannot be kept: remove them" if timeless.any() else "mend them, or pass --keep-bad"
    raise ImportRefused("\n".join([f"{len(bad)} rows are no bars ({fix})", *listing, *more]))


def bars_symbol(bars: Bars, row: int) -> str:
    """Symbol of a row."""
    return bars.symbols[int(np.searchsorted(bars.bounds, row, side="right")) - 1]


def _reasons(bars: Bars) -> npt.NDArray[np.object_]:
    """[n] why a row is no bar; empty text where it is one. The first reason that applies is named."""
    reasons = np.full(len(bars), "", dtype=object)
    with np.errstate(invalid="ignore"):
        for symbol, has_volume, (_, rows) in zip(bars.symbols, bars.has_volume, bars.spans(), strict=True):
            steps = np.diff(bars.ts[rows], prepend=NO_TIME)
            flaws = [
                ("no readable time", bars.ts[rows] == NO_TIME),
                ("no symbol", np.full(len(steps), not symbol)),
                ("price missing or not finite", ~np.isfinite(bars.prices[rows]).all(axis=1)),
                ("price not positive", (bars.prices[rows] <= 0).any(axis=1)),
                ("high below low", bars.prices[rows, 1] < bars.prices[rows, 2]),
                ("volume missing or not finite", ~np.isfinite(bars.volume[rows]) & bool(has_volume)),
                ("volume negative", bars.volume[rows] < 0),
                ("duplicate of the bar before", steps == 0),
                ("time runs backwards", steps < 0),
                ("more than five years after the bar before", (steps > _LONGEST_GAP_NS) & (np.arange(len(steps)) > 0)),
            ]
            for reason, where in reversed(flaws):
                reasons[rows][where] = reason
    return reasons
