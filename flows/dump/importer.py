"""``weir import``: price files become a dump that ``weir replay`` takes."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from msgspec import UNSET, Struct, UnsetType

from flows.dump.bars import Bars, check, combine, detect_intervals, place_in_time
from flows.dump.first_bars import FIRST_BARS, instrument_from
from flows.dump.intervals import NS, interval_seconds
from flows.dump.manifest import Instrument, Manifest
from flows.dump.price_files import PriceTable, Stamp, read_price_file
from flows.dump.records import Records
from flows.dump.writer import Compression, DumpWriter, Form
from flows.errors import InvalidInput
from operators.frames import Int64
from schemas.partitioning import Partitioner, partition_rule

_LOG = logging.getLogger(__name__)
_CHUNK = 1 << 16
_ENCODE = msgspec.json.Encoder().encode
_ENDINGS = (".csv", ".csv.gz", ".csv.zst", ".parquet")

#: Called with (bars written, bars in all).
Progress = Callable[[int, int], None]


class _BarLine(Struct, tag_field="type", tag="bar", gc=False):
    v: int
    symbol: str
    interval: str
    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: float | UnsetType
    seq: int


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import made.

    Attributes:
        folder: the dump.
        bars: number of bars; symbols: their names; partitions: of the market topic.
        intervals: bar intervals found, sorted by length.
        first: event time (close, ns) of the first bar; last: of the last one.
        sealed_at: event time of the closing ClockTicks.
        notices: what a user should see: which end was taken as stamped, symbols without volume, bad rows kept.
    """

    folder: Path
    bars: int
    symbols: list[str]
    partitions: int
    intervals: list[str]
    first: int
    last: int
    sealed_at: int
    notices: list[str]


def clock_tick(ts: int) -> bytes:
    """The wire value of a ClockTick at ``ts`` (ns)."""
    return b'{"type":"clock_tick","v":1,"ts":%d}' % ts


def import_bars(
    file: Path | Sequence[Path],
    out: Path,
    interval: str | None = None,
    stamp: Stamp | None = None,
    partitions: int = 4,
    *,
    partitioner: Partitioner = "murmur2",
    partition_map: Mapping[str, int] | None = None,
    keep_bad: bool = False,
    form: Form = "parquet",
    compression: Compression = "zstd",
    source: str = "",
    progress: Progress | None = None,
) -> ImportReport:
    """Makes a dump of OHLCV files.

    Args:
        file: .csv, .csv.gz, .csv.zst or .parquet files, or a folder of such.
        out: folder for the dump; must not exist, or be empty.
        interval: bar interval ("1h"); None: the most frequent step between each symbol's first bars.
        stamp: which end of the bar the files' times name. None: as the format says (Binance and CCXT stamp the
            opening); where it does not say, the opening is assumed with a notice: of the two mistakes it is the one
            that delays bars instead of showing them too early.
        partitions: partitions of the market topic; partitioner, partition_map: where symbols go.
        keep_bad: keep rows that are no bars, so that the flow dead-letters them.
        form, compression: of the partition files.
        source: note for the manifest on where the data is from.
        progress: called as bars are written.

    Raises ImportRefused listing file, row and reason of what is no bar, InvalidInput for unusable arguments.
    """
    files = _price_files(file)
    tables = [read_price_file(path) for path in files]
    notices = _stamp_notices(tables, stamp)
    if stamp is not None:
        for table in tables:
            table.stamp = stamp
    note = source or f"imported from {', '.join(path.name for path in files[:5])}{' ...' if len(files) > 5 else ''}"
    return import_tables(
        tables, out, interval=interval, partitions=partitions, partitioner=partitioner, partition_map=partition_map,
        keep_bad=keep_bad, form=form, compression=compression, source=note, notices=notices, progress=progress,
    )  # fmt: skip


def import_tables(
    tables: list[PriceTable],
    out: Path,
    *,
    interval: str | None = None,
    partitions: int = 4,
    partitioner: Partitioner = "murmur2",
    partition_map: Mapping[str, int] | None = None,
    keep_bad: bool = False,
    form: Form = "parquet",
    compression: Compression = "zstd",
    source: str,
    notices: Sequence[str] = (),
    progress: Progress | None = None,
) -> ImportReport:
    """As :func:`import_bars`, of tables that are read already."""
    try:
        place = partition_rule(partitioner, partitions, partition_map)
    except ValueError as error:
        raise InvalidInput(str(error)) from error
    bars, opens = combine(tables, default_stamp="open")
    intervals = detect_intervals(bars, interval)
    place_in_time(bars, intervals, opens)
    bad_rows, bad = check(bars, keep_bad=keep_bad)
    said = [*notices, *bad_rows]
    without = [symbol for symbol, has in zip(bars.symbols, bars.has_volume, strict=True) if not has]
    if without:
        said.append(f"no volume for {', '.join(without)}: participation limits are off for these symbols")
    for notice in said:
        _LOG.warning("%s", notice)
    manifest, cycle = _manifest(bars, intervals, partitioner, "; ".join([source, *notices]))
    # Bad rows that are kept do not say how far time has come.
    last = int(bars.ts[~bad].max() if not bad.all() else bars.ts.max())
    sealed_at = -(-last // cycle) * cycle
    _check_empty(out)
    unfinished = out.with_name(out.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    writer = DumpWriter(unfinished, manifest, form=form, compression=compression)
    _write(bars, intervals, _placed(bars, place), partitions, sealed_at, writer, progress)
    writer.close(_instruments(bars, intervals))
    if out.exists():
        out.rmdir()
    unfinished.rename(out)
    lengths = sorted(set(intervals.values()), key=interval_seconds)
    return ImportReport(out, len(bars), bars.symbols, partitions, lengths, int(bars.ts.min()), last, sealed_at, said)


def _manifest(bars: Bars, intervals: dict[str, str], partitioner: Partitioner, source: str) -> tuple[Manifest, int]:
    """The manifest, and the cycle in ns that all intervals are multiples of."""
    cycle = math.gcd(*(interval_seconds(name) for name in intervals.values()))
    interval = intervals[bars.symbols[0]] if len(set(intervals.values())) == 1 else None
    return Manifest(
        cycle_seconds=cycle, interval=interval, partitioner=partitioner, source=source, sealed=True
    ), cycle * NS


def _price_files(file: Path | Sequence[Path]) -> list[Path]:
    given = [file] if isinstance(file, Path) else list(file)
    files: list[Path] = []
    for path in given:
        if not path.exists():
            raise InvalidInput(f"{path} does not exist")
        files += sorted(p for p in path.iterdir() if p.name.lower().endswith(_ENDINGS)) if path.is_dir() else [path]
    if not files:
        raise InvalidInput(f"{', '.join(map(str, given))}: no file ends in {', '.join(_ENDINGS)}")
    return files


def _check_empty(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InvalidInput(f"{out} is not empty; a dump is written to a new folder")


def _stamp_notices(tables: list[PriceTable], stamp: Stamp | None) -> list[str]:
    if stamp is not None:
        return [f"times are taken as the {stamp} of a bar, as stated"]
    notices = {
        f"times are taken as the {table.stamp} of a bar: {table.stamp_reason}"
        if table.stamp is not None
        else f"times are taken as the open of a bar: {table.stamp_reason}, and this errs on the late side;"
        " if they name the close, state it (--stamp close)"
        for table in tables
    }
    return sorted(notices)


def _placed(bars: Bars, place: Callable[[str], int]) -> list[int]:
    """Partition of each symbol."""
    try:
        return [place(symbol) for symbol in bars.symbols]
    except KeyError as error:
        raise InvalidInput(f"partition map: symbol {error.args[0]} is not in it") from error


def _instruments(bars: Bars, intervals: dict[str, str]) -> list[Instrument]:
    made: list[Instrument] = []
    for has_volume, (symbol, rows) in zip(bars.has_volume, bars.spans(), strict=True):
        first = slice(rows.start, min(rows.stop, rows.start + FIRST_BARS))
        volume = bars.volume[first] if has_volume else None
        made.append(instrument_from(symbol, intervals[symbol], int(bars.ts[rows].min()), bars.prices[first], volume))
    return made


def _order(bars: Bars) -> tuple[Int64, Int64]:
    """(log order key, seq) of each row.

    Rows stand in the log by time; a kept row whose time runs backwards stands where the source had it, which is at the
    largest time before it. Duplicates share a seq.
    """
    key, seq = bars.ts.copy(), np.zeros(len(bars), np.int64)
    for _, rows in bars.spans():
        key[rows] = np.maximum.accumulate(bars.ts[rows])
        seq[rows] = np.cumsum(np.diff(bars.ts[rows], prepend=bars.ts[rows.start]) != 0)
    return key, seq


def _write(
    bars: Bars,
    intervals: dict[str, str],
    places: list[int],
    partitions: int,
    sealed_at: int,
    writer: DumpWriter,
    progress: Progress | None,
) -> None:
    key, seq = _order(bars)
    symbol = np.repeat(np.arange(len(bars.symbols)), np.diff(bars.bounds))
    place = np.array(places, np.int64)[symbol]
    written = 0
    for partition in range(partitions):
        rows = np.flatnonzero(place == partition)
        rows = rows[np.lexsort((rows, symbol[rows], key[rows]))]
        for at in range(0, len(rows), _CHUNK):
            chunk = rows[at : at + _CHUNK]
            writer.append("market", partition, _bar_records(bars, intervals, symbol, seq, chunk, at))
            written += len(chunk)
            if progress is not None:
                progress(written, len(bars))
        tick = Records.of([len(rows)], [sealed_at], [clock_tick(sealed_at)])
        writer.append("market", partition, tick)


def _bar_records(
    bars: Bars, intervals: dict[str, str], symbol: Int64, seq: Int64, rows: Int64, first_offset: int
) -> Records:
    names = [bars.symbols[code] for code in symbol[rows].tolist()]
    prices = bars.prices[rows].tolist()
    has_volume = bars.has_volume[symbol[rows]].tolist()
    volumes = [v if has else UNSET for v, has in zip(bars.volume[rows].tolist(), has_volume, strict=True)]
    payloads: list[bytes | None] = [
        _ENCODE(_BarLine(1, name, intervals[name], ts, o, h, low, c, volume, number))
        for name, ts, (o, h, low, c), volume, number in zip(
            names, bars.ts[rows].tolist(), prices, volumes, seq[rows].tolist(), strict=True
        )
    ]
    offsets = np.arange(first_offset, first_offset + len(rows))
    return Records(offsets, bars.ts[rows], payloads, [name.encode() for name in names])
