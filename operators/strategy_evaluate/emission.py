"""From a strategy's answer to intents: where it may act, whether its answer is usable, and what it changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from operators.bars import BarBlock
from operators.frames import Bool, Float64, Int64
from operators.normalize.features.kernel import kernel
from operators.strategy_evaluate.strategy import Targets


@dataclass(slots=True, frozen=True)
class Changes:
    """Targets that differ from the standing ones: row and column in the block, value, confidence, in this order."""

    row: Int64
    column: Int64
    value: Float64
    confidence: Float64


class Standing:
    """The last target of each symbol that a schedule stated; flat before the first."""

    def __init__(self, symbols: int) -> None:
        self.value = np.zeros(symbols, np.float64)
        self.confidence = np.zeros(symbols, np.float64)

    def apply(self, targets: Targets, ready: Bool) -> Changes:
        """Takes usable targets over and returns those that change something. Flat is flat at any confidence."""
        room = int(np.count_nonzero(targets.emit))
        row, column = np.empty(room, np.int64), np.empty(room, np.int64)
        value, confidence = np.empty(room, np.float64), np.empty(room, np.float64)
        given = (targets.emit, targets.value, targets.confidence, ready)
        n = _changes(*given, self.value, self.confidence, row, column, value, confidence)
        return Changes(row[:n], column[:n], value[:n], confidence[:n])

    def flatten(self, row: int) -> Changes:
        """Makes every standing target flat, as of the block's ``row``."""
        column = np.flatnonzero(self.value).astype(np.int64)
        self.value[:] = 0.0
        n = len(column)
        return Changes(np.full(n, row, np.int64), column, np.zeros(n), np.ones(n))


def ready_mask(bars: BarBlock, features: tuple[Float64, ...], seen: Int64, warmup_bars: int) -> Bool:
    """[C, S] where a strategy may act: a fresh bar beyond the warm-up, every feature finite. Counts in ``seen``."""
    ready = np.empty(bars.fresh.shape, np.bool_)
    _warm(bars.fresh, bars.close, seen, warmup_bars, ready)
    for values in features:
        _and_finite(ready, values)
    ready.flags.writeable = False
    return ready


def unusable(targets: Targets, ready: Bool) -> Int64:
    """[n, 2] row and column of each answer that is not finite or whose confidence lies outside 0..1.

    Raises TypeError when the answer's arrays do not have the block's shape and types.
    """
    for name, array, dtype in (
        ("emit", targets.emit, np.bool_),
        ("value", targets.value, np.float64),
        ("confidence", targets.confidence, np.float64),
    ):
        if not isinstance(array, np.ndarray) or array.shape != ready.shape or array.dtype != dtype:
            raise TypeError(f"Targets.{name} must be an array [cycles, symbols] of {np.dtype(dtype).name}")
    if not _any_unusable(targets.emit, targets.value, targets.confidence, ready):
        return np.empty((0, 2), np.int64)
    good = np.isfinite(targets.value) & (targets.confidence >= 0.0) & (targets.confidence <= 1.0)
    return np.argwhere(targets.emit & ready & ~good)


@kernel
def _warm(fresh: Bool, close: Float64, seen: Int64, warmup_bars: int, ready: Bool) -> None:
    for c in range(fresh.shape[0]):
        for s in range(fresh.shape[1]):
            here = fresh[c, s] and close[c, s] == close[c, s]
            if here:
                seen[s] += 1
            ready[c, s] = here and seen[s] > warmup_bars


@kernel
def _and_finite(ready: Bool, values: Float64) -> None:
    for c in range(ready.shape[0]):
        for s in range(ready.shape[1]):
            if not np.isfinite(values[c, s]):
                ready[c, s] = False


@kernel
def _any_unusable(emit: Bool, value: Float64, confidence: Float64, ready: Bool) -> bool:
    for c in range(emit.shape[0]):
        for s in range(emit.shape[1]):
            if emit[c, s] and ready[c, s]:
                inside = 0.0 <= confidence[c, s] <= 1.0
                if not inside or not np.isfinite(value[c, s]):
                    return True
    return False


@kernel
def _changes(
    emit: Bool,
    value: Float64,
    confidence: Float64,
    ready: Bool,
    standing_value: Float64,
    standing_confidence: Float64,
    out_row: Int64,
    out_column: Int64,
    out_value: Float64,
    out_confidence: Float64,
) -> int:
    n = 0
    for c in range(emit.shape[0]):
        for s in range(emit.shape[1]):
            if not (emit[c, s] and ready[c, s]):
                continue
            v = value[c, s] + 0.0  # no negative zero
            k = confidence[c, s] + 0.0
            same = v == standing_value[s] and (v == 0.0 or k == standing_confidence[s])
            standing_value[s] = v
            standing_confidence[s] = k
            if not same:
                out_row[n] = c
                out_column[n] = s
                out_value[n] = v
                out_confidence[n] = k
                n += 1
    return n
