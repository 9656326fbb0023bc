"""Drift warnings of a schedule, told once a cycle however many symbols were late."""

from __future__ import annotations

from operators.frames import StrategyEvent
from schemas.reasons import Reason


def merged_drift(events: list[StrategyEvent]) -> list[StrategyEvent]:
    """Events sorted by (cycle, schedule, symbol); the drifts of one cycle and schedule become one warning."""
    late: dict[tuple[int, int], list[StrategyEvent]] = {}
    told: list[StrategyEvent] = []
    for event in events:
        if event.reason == Reason.STRATEGY_DRIFT.name:
            late.setdefault((event.cycle, event.schedule), []).append(event)
        else:
            told.append(event)
    for (cycle, schedule), found in late.items():
        first = min(found, key=lambda e: e.symbol)
        detail = f"{first.detail} late, {len(found)} symbol(s)"
        told.append(StrategyEvent(cycle, schedule, first.symbol, Reason.STRATEGY_DRIFT.name, detail))
    return sorted(told, key=lambda e: (e.cycle, e.schedule, e.symbol))
