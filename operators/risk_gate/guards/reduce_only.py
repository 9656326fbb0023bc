"""What a guard may do to a move: let a position shrink, or cap where it ends. A guard cuts, it never trades."""

from __future__ import annotations

from operators.compiled import compiled


@compiled
def reduced(base: float, target: float) -> float:
    """The part of a move from ``base`` to ``target`` that only reduces |position| (both in units)."""
    if base > 0.0:
        return min(max(target, 0.0), base)
    return max(min(target, 0.0), base)


@compiled
def capped(base: float, target: float, cap: float) -> float:
    """``target`` with |position| <= ``cap``, or what is held already where that is more (all in units)."""
    if target > 0.0:
        return max(min(target, cap), min(base, target) if base > 0.0 else 0.0)
    return min(max(target, -cap), max(base, target) if base < 0.0 else 0.0)
