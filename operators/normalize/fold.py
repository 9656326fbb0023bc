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
    cycle, ts = integers[CYCLE], integers[TS]
    if len(cycle) > 1 and ((np.diff(ts) < 0).any() or (np.diff(cycle) < 0).any()):
        order = np.lexsort((ts, cycle))
        integers, floats = np.ascontiguousarray(integers[:, order]), np.ascontiguousarray(floats[:, order])
        cycle = integers[CYCLE]
    new = np.empty(len(cycle), np.bool_)
    if len(cycle):
        new[0] = True
        np.not_equal(cycle[1:], cycle[:-1], out=new[1:])
    row_cycle = np.cumsum(new) - 1
    cycles = cycle[new].copy()
    count = len(cycles)
    folded = Folded(
        cycles=cycles,
        first_offset=np.full(count, 2**62, np.int64),
        last_offset=np.full(count, -1, np.int64),
        bars=np.full((intervals, 5, count, symbols), np.nan),
        quotes=np.full((4, count, symbols), np.nan),
        open=np.full((count, symbols), np.nan),
        close=np.full((count, symbols), np.nan),
        volume=np.full((count, symbols), np.nan),
        fresh=np.zeros((count, symbols), np.bool_),
    )
    _fold_rows(integers, floats, row_cycle, folded)
    return folded


@njit(cache=True)
def _fold_rows(integers: Int64, floats: Float64, row_cycle: Int64, out: Folded) -> None:
    rows = integers.shape[1]
    intervals, symbols = out.bars.shape[0], out.bars.shape[3]
    winner = np.full((intervals + 1, symbols), -1, np.int64)
    superseded = np.zeros(rows, np.bool_)
    for row in range(rows):
        line = integers[INTERVAL, row] if integers[KIND, row] == BAR else intervals
        if integers[KIND, row] != BAR and integers[KIND, row] != QUOTE:
            continue
        symbol = integers[SYMBOL, row]
        last = winner[line, symbol]
        # The same event with a later sequence number corrects the earlier one.
        if last >= 0 and row_cycle[last] == row_cycle[row] and integers[TS, last] == integers[TS, row]:
            if integers[SEQ, row] >= integers[SEQ, last]:
                superseded[last] = True
                winner[line, symbol] = row
            else:
                superseded[row] = True
        else:
            winner[line, symbol] = row
    traded = np.zeros(symbols)
    for row in range(rows):
        c, symbol, kind = row_cycle[row], integers[SYMBOL, row], integers[KIND, row]
        if row == 0 or row_cycle[row - 1] != c:
            traded[:] = 0.0
        out.first_offset[c] = min(out.first_offset[c], integers[OFFSET, row])
        out.last_offset[c] = max(out.last_offset[c], integers[OFFSET, row])
        if superseded[row]:
            continue
        if kind == BAR:
            _merge_bar(out.bars[integers[INTERVAL, row]], c, symbol, floats, row)
        elif kind == QUOTE:
            out.quotes[0, c, symbol] = floats[LOW, row]
            out.quotes[1, c, symbol] = floats[HIGH, row]
            out.quotes[2, c, symbol] = floats[OPEN, row]
            out.quotes[3, c, symbol] = floats[CLOSE, row]
        else:
            _merge_trade(out, traded, c, symbol, floats, row)
    _prices(out)


@njit(cache=True)
def _merge_bar(bars: Float64, c: int, symbol: int, floats: Float64, row: int) -> None:
    if np.isnan(bars[CLOSE, c, symbol]):
        for column in range(5):
            bars[column, c, symbol] = floats[column, row]
        return
    bars[HIGH, c, symbol] = max(bars[HIGH, c, symbol], floats[HIGH, row])
    bars[LOW, c, symbol] = min(bars[LOW, c, symbol], floats[LOW, row])
    bars[CLOSE, c, symbol] = floats[CLOSE, row]
    if not np.isnan(floats[VOLUME, row]):
        if np.isnan(bars[VOLUME, c, symbol]):
            bars[VOLUME, c, symbol] = floats[VOLUME, row]
        else:
            bars[VOLUME, c, symbol] += floats[VOLUME, row]


@njit(cache=True)
def _merge_trade(out: Folded, traded: Float64, c: int, symbol: int, floats: Float64, row: int) -> None:
    price, size = floats[CLOSE, row], floats[VOLUME, row]
    if np.isnan(out.close[c, symbol]):
        out.open[c, symbol] = price
        out.close[c, symbol] = price
        out.volume[c, symbol] = 0.0
        traded[symbol] = 0.0
    traded[symbol] += price * size
    out.volume[c, symbol] += size
    average = traded[symbol] / out.volume[c, symbol] if out.volume[c, symbol] > 0.0 else np.nan
    if np.isfinite(average):
        out.close[c, symbol] = average


@njit(cache=True)
def _prices(out: Folded) -> None:
    intervals, _, cycles, symbols = out.bars.shape
    for c in range(cycles):
        for symbol in range(symbols):
            found = False
            for interval in range(intervals):
                if not np.isnan(out.bars[interval, CLOSE, c, symbol]):
                    out.open[c, symbol] = out.bars[interval, OPEN, c, symbol]
                    out.close[c, symbol] = out.bars[interval, CLOSE, c, symbol]
                    out.volume[c, symbol] = out.bars[interval, VOLUME, c, symbol]
                    found = True
                    break
            if not found and not np.isnan(out.quotes[0, c, symbol]):
                middle = 0.5 * out.quotes[0, c, symbol] + 0.5 * out.quotes[1, c, symbol]
                if np.isnan(out.close[c, symbol]):
                    out.open[c, symbol] = middle
                out.close[c, symbol] = middle
                found = True
            out.fresh[c, symbol] = found or not np.isnan(out.close[c, symbol])
