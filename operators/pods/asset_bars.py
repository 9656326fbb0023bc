"""Bars of a pod's assets: when one closes, and the returns that they leave (spec 5).

A cycle may be shorter than an asset's interval, and a message is not a bar. An asset's bar of interval I closes in the
cycle that ends at a multiple of I; where nothing came in that cycle, it closes at the last price before, once a price
of the next bar shows that it is over. So every bar is seen once, however often its price moved.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from operators.frames import Bool, Float64, Int64


class AssetBars(NamedTuple):
    """State over a pod's S symbols, changed in place; [W, S] is a ring of returns.

    Attributes:
        slot: [S] number of the bar that is open, -1 before the first price; judged [S] True once it was closed.
        last: [S] last price of the open bar; close: [S] close of the last closed bar; NaN before the first.
        returns: [W, S] simple returns from close to close; ended: [W, S] when their bars ended.
        seen: [S] how many returns there were.
        closing: [S] scratch: assets whose bar closes now.
    """

    slot: Int64
    judged: Bool
    last: Float64
    close: Float64
    returns: Float64
    ended: Int64
    seen: Int64
    closing: Bool


def new_asset_bars(symbols: int, window: int) -> AssetBars:
    """No bar yet; room for the last ``window`` returns of each symbol."""
    return AssetBars(
        slot=np.full(symbols, -1, np.int64),
        judged=np.zeros(symbols, np.bool_),
        last=np.full(symbols, np.nan),
        close=np.full(symbols, np.nan),
        returns=np.zeros((window, symbols)),
        ended=np.zeros((window, symbols), np.int64),
        seen=np.zeros(symbols, np.int64),
        closing=np.zeros(symbols, np.bool_),
    )


@njit(cache=True)
def _close(bars: AssetBars, symbol: int, price: float, ended: int) -> None:
    before = bars.close[symbol]
    if before > 0.0:
        place = bars.seen[symbol] % len(bars.returns)
        bars.returns[place, symbol] = price / before - 1.0
        bars.ended[place, symbol] = ended
        bars.seen[symbol] += 1
    bars.close[symbol] = price
    bars.judged[symbol] = True
    bars.closing[symbol] = True


@njit(cache=True)
def close_overdue(bars: AssetBars, traded: Bool, interval: Int64, cycle: int, fresh: Bool) -> bool:
    """Closes bars that ended before this cycle without a price at their border; True when there was one."""
    found = False
    bars.closing[:] = False
    for s in range(len(fresh)):
        if traded[s] and fresh[s] and (cycle - 1) // interval[s] != bars.slot[s]:
            if bars.slot[s] >= 0 and not bars.judged[s]:
                _close(bars, s, bars.last[s], (bars.slot[s] + 1) * interval[s])
                found = True
            bars.slot[s] = (cycle - 1) // interval[s]
            bars.judged[s] = False
    return found


@njit(cache=True)
def close_due(bars: AssetBars, traded: Bool, interval: Int64, cycle: int, closed: Float64, fresh: Bool) -> bool:
    """Takes this cycle's prices and closes the bars that end with it; True when there was one."""
    found = False
    bars.closing[:] = False
    for s in range(len(fresh)):
        if traded[s] and fresh[s]:
            bars.last[s] = closed[s]
            if cycle % interval[s] == 0:
                _close(bars, s, closed[s], cycle)
                found = True
    return found


@njit(cache=True)
def last_returns(bars: AssetBars, symbol: int, most: int) -> Float64:
    """The symbol's last returns, at most ``most``, oldest first."""
    window = len(bars.returns)
    count = min(bars.seen[symbol], most, window)
    found = np.empty(count)
    for n in range(count):
        found[n] = bars.returns[(bars.seen[symbol] - count + n) % window, symbol]
    return found
