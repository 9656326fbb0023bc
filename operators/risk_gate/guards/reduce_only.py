"""What may happen to a symbol that takes no new risk: its position may shrink, never grow or change sign."""

from __future__ import annotations

from numba import njit


@njit(cache=True)
def reduced(base: float, target: float) -> float:
    """The part of a move from ``base`` to ``target`` that only reduces |position| (both in units)."""
    if base > 0.0:
        return min(max(target, 0.0), base)
    return max(min(target, 0.0), base)
