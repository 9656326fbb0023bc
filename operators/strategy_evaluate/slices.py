"""Parts of a block of bars: some cycles, some symbols."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from operators.bars import BarBlock
from operators.frames import Int32


def cycles_of(bars: BarBlock, first: int, last: int) -> BarBlock:
    """Rows first..last-1 as views."""
    if first == 0 and last == len(bars):
        return bars
    rows = slice(first, last)
    return BarBlock(
        bars.interval,
        bars.cycles[rows],
        bars.open[rows],
        bars.high[rows],
        bars.low[rows],
        bars.close[rows],
        bars.volume[rows],
        bars.fresh[rows],
        bars.bid[rows],
        bars.ask[rows],
        bars.bid_size[rows],
        bars.ask_size[rows],
    )


def symbols_of(bars: BarBlock, columns: Int32) -> BarBlock:
    """The given columns as contiguous copies."""
    return BarBlock(
        bars.interval,
        bars.cycles,
        np.take(bars.open, columns, axis=1),
        np.take(bars.high, columns, axis=1),
        np.take(bars.low, columns, axis=1),
        np.take(bars.close, columns, axis=1),
        np.take(bars.volume, columns, axis=1),
        np.take(bars.fresh, columns, axis=1),
        np.take(bars.bid, columns, axis=1),
        np.take(bars.ask, columns, axis=1),
        np.take(bars.bid_size, columns, axis=1),
        np.take(bars.ask_size, columns, axis=1),
    )


def silent_block(interval: int, symbols: int) -> BarBlock:
    """One cycle in which no symbol has a bar: compiles kernels and changes nothing."""
    nothing = np.full((1, symbols), np.nan)
    columns = [nothing.copy() for _ in range(9)]
    o, h, lo, c, v, bid, ask, bid_size, ask_size = columns
    fresh = np.zeros((1, symbols), np.bool_)
    return BarBlock(interval, np.zeros(1, np.int64), o, h, lo, c, v, fresh, bid, ask, bid_size, ask_size)


def read_only(bars: BarBlock) -> BarBlock:
    """The same block as contiguous arrays that cannot be written to.

    No strategy may change what another sees, and kernels meet one memory layout only, for which they are compiled.
    """
    return BarBlock(bars.interval, *(_locked(getattr(bars, name)) for name in _COLUMNS))


_COLUMNS = ("cycles", "open", "high", "low", "close", "volume", "fresh", "bid", "ask", "bid_size", "ask_size")


def _locked(array: NDArray[Any]) -> NDArray[Any]:
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
