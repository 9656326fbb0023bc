"""What asset weights and the selector make of standing targets (spec 1 "Sizing chain", 5).

Pod weight = strength x schedule share x asset weight x selector multiplier. Standing targets are kept at 1/n and a
multiplier of one; the rest is worked out when they are netted, so that a weight or multiplier that moves takes every
standing target with it. A notional is a weight already: only the multiplier touches it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from operators.compiled import compiled
from operators.frames import Bool, Float64, Int32, Int64


class AssetFactors(NamedTuple):
    """State over S symbols and K schedules, changed in place.

    Attributes:
        on: whether any of this is in use.
        tilt: [S] asset weight x n. selected: [S] the selector's multiplier.
        notional: [S, K] True where the standing target is an absolute notional.
        scaled: [K] scratch.
    """

    on: bool
    tilt: Float64
    selected: Float64
    notional: Bool
    scaled: Float64


class MoveRows(NamedTuple):
    """Factors that move within a block, by row, in order; ``factor`` [n] is filled with what is left of each intent."""

    row: Int64
    symbol: Int32
    tilt: Float64
    selected: Float64
    factor: Float64


def new_factors(symbols: int, schedules: int, on: bool) -> AssetFactors:
    """Every asset at 1/n and a multiplier of one."""
    return AssetFactors(
        on, np.ones(symbols), np.ones(symbols), np.zeros((symbols, schedules), np.bool_), np.zeros(schedules)
    )


def no_moves() -> MoveRows:
    """Nothing moves."""
    return MoveRows(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0), np.empty(0), np.empty(0))


@compiled
def take_moves(factors: AssetFactors, moves: MoveRows, row: int, at: int, touched: Bool) -> int:
    """Applies the moves of a row and marks their symbols; returns the first move after it."""
    while at < len(moves.row) and moves.row[at] == row:
        symbol = moves.symbol[at]
        factors.tilt[symbol] = moves.tilt[at]
        factors.selected[symbol] = moves.selected[at]
        touched[symbol] = True
        at += 1
    return at


@compiled
def scale_targets(factors: AssetFactors, targets: Float64, symbol: int, selected: float) -> None:
    """``factors.scaled`` [K]: a symbol's standing targets after asset weight and the multiplier ``selected``."""
    for k in range(len(targets)):
        tilt = 1.0 if factors.notional[symbol, k] else factors.tilt[symbol]
        factors.scaled[k] = np.round(targets[k] * tilt * selected, 9)


@compiled
def factor_of(factors: AssetFactors, symbol: int, schedule: int) -> float:
    """What is left of a schedule's target of a symbol."""
    tilt = 1.0 if factors.notional[symbol, schedule] else factors.tilt[symbol]
    return float(tilt * factors.selected[symbol])
