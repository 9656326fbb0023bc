"""Folds the accepted rows of closed cycles into [cycle, symbol] columns (spec 2, "Cycles")."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from operators.frames import (
    BAR,
    CLOSE,
    CYCLE,
    HIGH,
    INTERVAL,
    KIND,
    LOW,
    OFFSET,
    OPEN,
    QUOTE,
    SEQ,
    SYMBOL,
    TS,
    VOLUME,
    Bool,
    Float64,
    Int64,
)


class Folded(NamedTuple):
    """Closed cycles as columns. C cycles with data, K intervals, S symbols of the key group.

    Attributes:
        cycles: [C]; first_offset, last_offset: [C] the messages that each cycle was made from.
        bars: [K, 5, C, S] open, high, low, close, volume of each interval's bar, NaN where there is none.
        quotes: [4, C, S] last bid, ask, bid size, ask size of the cycle, NaN where there is none.
        open, close, volume: [C, S] the symbol's price in the cycle: the shortest bar's, else the last quote's mid, else
            the volume-weighted price of the cycle's trades; NaN without any.
        fresh: [C, S] True where there is a price of this cycle.
    """

    cycles: Int64
    first_offset: Int64
    last_offset: Int64
    bars: Float64
    quotes: Float64
    open: Float64
    close: Float64
    volume: Float64
    fresh: Bool


def fold(integers: Int64, floats: Float64, intervals: int, symbols: int) -> Folded:
    """Folds rows whose cycles are closed. Any order of rows of one event time gives the same result."""
    in_order, count = _survey(integers)
    if not in_order:
        order = np.lexsort((integers[TS], integers[CYCLE]))
        integers, floats = np.take(integers, order, axis=1), np.take(floats, order, axis=1)
        _, count = _survey(integers)
    offsets = np.empty((2, count), np.int64)
    prices = np.empty((3, count, symbols))
    folded = Folded(
        cycles=np.empty(count, np.int64),
        first_offset=offsets[0],
        last_offset=offsets[1],
        bars=np.empty((intervals, 5, count, symbols)),
        quotes=np.empty((4, count, symbols)),
        open=prices[0],
        close=prices[1],
        volume=prices[2],
        fresh=np.empty((count, symbols), np.bool_),
    )
    _fold_rows(integers, floats, folded)
    return folded


@njit(cache=True)
def _survey(integers: Int64) -> tuple[bool, int]:
    """Whether rows stand in the order of cycle and event time, and how many changes of cycle there are, plus one."""
    rows = integers.shape[1]
    in_order = True
    count = 1 if rows else 0
    for row in range(1, rows):
        if integers[CYCLE, row] != integers[CYCLE, row - 1]:
            count += 1
        if integers[CYCLE, row] < integers[CYCLE, row - 1] or integers[TS, row] < integers[TS, row - 1]:
            in_order = False
    return in_order, count


@njit(cache=True)
def _superseded(integers: Int64, intervals: int, symbols: int) -> Bool:
    """[n] bars and quotes that another one of the same event time corrects: the later sequence number wins."""
    winner = np.full((intervals + 1, symbols), -1, np.int64)
    superseded = np.zeros(integers.shape[1], np.bool_)
    for row in range(integers.shape[1]):
        kind = integers[KIND, row]
        if kind != BAR and kind != QUOTE:
            continue
        line = integers[INTERVAL, row] if kind == BAR else intervals
        symbol = integers[SYMBOL, row]
        last = winner[line, symbol]
        same = last >= 0 and integers[TS, last] == integers[TS, row] and integers[CYCLE, last] == integers[CYCLE, row]
        if same and integers[SEQ, row] < integers[SEQ, last]:
            superseded[row] = True
            continue
        if same:
            superseded[last] = True
        winner[line, symbol] = row
    return superseded


@njit(cache=True)
def _fold_rows(integers: Int64, floats: Float64, out: Folded) -> None:
    # Taken out of their tuple once: an array that is taken out is counted each time.
    cycles, first_offset, last_offset, bars, quotes = (
        out.cycles,
        out.first_offset,
        out.last_offset,
        out.bars,
        out.quotes,
    )
    opened, close, volume = out.open, out.close, out.volume
    for values in (opened, close, volume):
        values[:] = np.nan
    bars[:] = np.nan
    quotes[:] = np.nan
    rows = integers.shape[1]
    intervals, symbols = bars.shape[0], bars.shape[3]
    superseded = _superseded(integers, intervals, symbols)
    traded = np.zeros(symbols)
    c = -1
    for row in range(rows):
        symbol, kind, offset = integers[SYMBOL, row], integers[KIND, row], integers[OFFSET, row]
        if row == 0 or integers[CYCLE, row] != integers[CYCLE, row - 1]:
            c += 1
            cycles[c] = integers[CYCLE, row]
            first_offset[c] = last_offset[c] = offset
            traded[:] = 0.0
        first_offset[c] = min(first_offset[c], offset)
        last_offset[c] = max(last_offset[c], offset)
        if superseded[row]:
            continue
        if kind == BAR:
            _merge_bar(bars, integers[INTERVAL, row], c, symbol, floats, row)
        elif kind == QUOTE:
            quotes[0, c, symbol] = floats[LOW, row]
            quotes[1, c, symbol] = floats[HIGH, row]
            quotes[2, c, symbol] = floats[OPEN, row]
            quotes[3, c, symbol] = floats[CLOSE, row]
        else:
            _merge_trade(opened, close, volume, traded, c, symbol, floats[CLOSE, row], floats[VOLUME, row])
    _prices(bars, quotes, opened, close, volume, out.fresh)


@njit(cache=True, inline="always")
def _merge_bar(bars: Float64, interval: int, c: int, symbol: int, floats: Float64, row: int) -> None:
    if np.isnan(bars[interval, CLOSE, c, symbol]):
        for column in range(5):
            bars[interval, column, c, symbol] = floats[column, row]
    else:
        bars[interval, HIGH, c, symbol] = max(bars[interval, HIGH, c, symbol], floats[HIGH, row])
        bars[interval, LOW, c, symbol] = min(bars[interval, LOW, c, symbol], floats[LOW, row])
        bars[interval, CLOSE, c, symbol] = floats[CLOSE, row]
        if not np.isnan(floats[VOLUME, row]):
            if np.isnan(bars[interval, VOLUME, c, symbol]):
                bars[interval, VOLUME, c, symbol] = floats[VOLUME, row]
            else:
                bars[interval, VOLUME, c, symbol] += floats[VOLUME, row]


@njit(cache=True, inline="always")
def _merge_trade(
    opened: Float64, close: Float64, volume: Float64, traded: Float64, c: int, symbol: int, price: float, size: float
) -> None:
    if np.isnan(close[c, symbol]):
        opened[c, symbol] = price
        close[c, symbol] = price
        volume[c, symbol] = 0.0
        traded[symbol] = 0.0
    traded[symbol] += price * size
    volume[c, symbol] += size
    average = traded[symbol] / volume[c, symbol] if volume[c, symbol] > 0.0 else np.nan
    if np.isfinite(average):
        close[c, symbol] = average


@njit(cache=True)
def _prices(bars: Float64, quotes: Float64, opened: Float64, close: Float64, volume: Float64, fresh: Bool) -> None:
    intervals, _, cycles, symbols = bars.shape
    for c in range(cycles):
        for symbol in range(symbols):
            found = False
            for interval in range(intervals):
                if not np.isnan(bars[interval, CLOSE, c, symbol]):
                    opened[c, symbol] = bars[interval, OPEN, c, symbol]
                    close[c, symbol] = bars[interval, CLOSE, c, symbol]
                    volume[c, symbol] = bars[interval, VOLUME, c, symbol]
                    found = True
                    break
            if not found and not np.isnan(quotes[0, c, symbol]):
                middle = 0.5 * quotes[0, c, symbol] + 0.5 * quotes[1, c, symbol]
                if np.isnan(close[c, symbol]):
                    opened[c, symbol] = middle
                close[c, symbol] = middle
                found = True
            fresh[c, symbol] = found or not np.isnan(close[c, symbol])


@njit(cache=True)
def mark_fresh(close: Float64, fresh: Bool) -> int:
    """Fills ``fresh`` [C, S] with where there is a close, and counts the cycles that have any."""
    cycles = 0
    for c in range(close.shape[0]):
        found = False
        for symbol in range(close.shape[1]):
            fresh[c, symbol] = not np.isnan(close[c, symbol])
            found |= fresh[c, symbol]
        cycles += found
    return cycles
