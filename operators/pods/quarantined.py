"""Schedules that hung in a key group, as their pod sees them (design, "Overrun and hang").

Key groups are apart when one of them hangs: others may have run on, and their snapshots hold what the schedule did
after the cycle from which it is quarantined. The pod waited for the hung group, so here the quarantine begins at one
cycle for all groups, in the live flow as in its replay.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from operators.barrier.prices import PriceBlock
from operators.frames import Float64, Int64, Intents, StrategyEvent
from operators.intents import join, take
from operators.plan import Plan
from operators.strategy_evaluate.runtime import quarantined_from
from schemas.reasons import Reason

_NEVER = np.iinfo(np.int64).max


class QuarantinedSchedules:
    """The quarantined schedules of one pod that key groups evaluate; it keeps no state."""

    def __init__(self, plan: Plan, pod: int, quarantined: Mapping[str, int] | None = None) -> None:
        own = plan.pods[pod]
        portfolio = plan.portfolios[own.portfolio].id
        self._plan, self._symbols = plan, own.symbols
        #: [n] by schedule number, the first cycle without it
        self._first: Int64 = np.full(len(plan.schedules), _NEVER, np.int64)
        for number in own.schedules:
            schedule = plan.schedules[number]
            first = quarantined_from(quarantined, portfolio, schedule.id)
            if first is not None and schedule.strategy.scope != "pod":
                self._first[number] = first
        self._on = bool((self._first != _NEVER).any())

    def begins(self, after: int, to_cycle: int) -> dict[int, int]:
        """Schedule -> cycle, of the quarantines that begin in (after, to_cycle]."""
        if not self._on:
            return {}
        now = np.flatnonzero((self._first > after) & (self._first <= to_cycle))
        return {int(number): int(self._first[number]) for number in now}

    def intents(self, intents: Intents, begun: dict[int, int], prices: PriceBlock, last: Float64) -> Intents:
        """Without those of quarantined schedules, and with the way to flat where ``on_silence`` asks for it.

        ``prices`` has a row for every cycle in ``begun``; ``last`` [S] are the closes before its first row.
        """
        if not self._on:
            return intents
        kept = intents.cycle < self._first[intents.schedule]
        tables = [intents if kept.all() else take(intents, kept)]
        flat = [n for n in begun if self._plan.schedules[n].on_silence == "flat"]
        tables += [self._flat(number, begun[number], prices, last) for number in flat]
        return join([t for t in tables if len(t)], self._plan.feature_width)

    def events(self, events: list[StrategyEvent], begun: dict[int, int]) -> list[StrategyEvent]:
        """Without what key groups told of quarantined schedules, and with one event where a quarantine begins."""
        if not self._on:
            return events
        kept = [e for e in events if e.cycle < self._first[e.schedule]]
        for number, cycle in begun.items():
            kept.append(
                _event(cycle, number, Reason.STRATEGY_QUARANTINED, "quarantined by the watchdog from this cycle on")
            )
            if self._plan.schedules[number].on_silence == "flat":
                kept.append(_event(cycle, number, Reason.STRATEGY_SILENT_FLAT, "all its targets are flat"))
        return kept

    def _flat(self, number: int, cycle: int, prices: PriceBlock, last: Float64) -> Intents:
        """Every symbol at once, whatever stands: that does not depend on where blocks are cut."""
        schedule = self._plan.schedules[number]
        close = last.copy()
        for row in range(int(np.searchsorted(prices.cycles, cycle, side="right"))):
            np.copyto(close, prices.close[row], where=prices.fresh[row])
        price = close[np.searchsorted(self._symbols, schedule.symbols)]
        n = len(schedule.symbols)
        nothing, zero = np.full(n, np.nan), np.zeros(n)
        notional = schedule.strategy.unit == "notional"
        return Intents(
            cycle=np.full(n, cycle, np.int64),
            schedule=np.full(n, number, np.int32),
            symbol=schedule.symbols.astype(np.int32),
            strength=nothing if notional else zero,
            notional=zero if notional else nothing,
            confidence=np.ones(n),
            # Before its first price a symbol is journalled at 0.
            price=np.where(np.isnan(price), 0.0, price),
            features=np.full((n, self._plan.feature_width), np.nan),
        )


def _event(cycle: int, schedule: int, reason: Reason, detail: str) -> StrategyEvent:
    return StrategyEvent(cycle, schedule, -1, reason.name, detail)
