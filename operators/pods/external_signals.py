"""Outside models' views on their way to intents of ``external_signal`` schedules, on event time (spec 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from operators.barrier.prices import PriceBlock
from operators.frames import Float64, Intents, SideMessage, StrategyEvent
from operators.intents import no_intents
from operators.plan import Plan, SchedulePlan
from operators.strategy_evaluate.strategies.external_signal import ExternalSignal
from schemas.messages import SignalEnvelope
from schemas.reasons import Reason

#: schedule, symbol (both by their number in the plan)
_Key = tuple[int, int]


@dataclass(slots=True)
class View:
    """What stands for a symbol: target, confidence, and the cycle in which it expires."""

    value: float
    confidence: float
    due: int


@dataclass(slots=True, frozen=True)
class Viewed:
    """Targets that views changed, in order of (cycle, schedule, symbol)."""

    rows: list[tuple[int, int, int, float, float]]
    events: list[StrategyEvent]

    def cycles(self) -> set[int]:
        """Every cycle in which something changed."""
        return {row[0] for row in self.rows} | {e.cycle for e in self.events}


class ExternalSignals:
    """The views of one pod's ``external_signal`` schedules."""

    def __init__(self, plan: Plan, pod: int) -> None:
        own = plan.pods[pod]
        self._plan = plan
        self._symbols = own.symbols
        self._followers: list[tuple[SchedulePlan, ExternalSignal]] = []
        for schedule in (plan.schedules[s] for s in own.schedules):
            if isinstance(schedule.strategy, ExternalSignal):
                self._followers.append((schedule, schedule.strategy))
        self._views: dict[_Key, View] = {}
        self._close: Float64 = np.full(len(own.symbols), np.nan)

    def step(self, messages: list[tuple[int, SideMessage]], to_cycle: int) -> Viewed:
        """Takes the views that are due by ``to_cycle`` and lets old ones expire, cycle by cycle."""
        viewed = Viewed([], [])
        if not self._followers:
            return viewed
        at = 0
        while True:
            expiring = min((v.due for v in self._views.values() if v.value != 0.0), default=to_cycle + 1)
            now = min(expiring, messages[at][0] if at < len(messages) else to_cycle + 1)
            if now > to_cycle:
                return viewed
            before = {key: (v.value, v.confidence) for key, v in self._views.items()}
            while at < len(messages) and messages[at][0] == now:
                self._hear(messages[at][1].message, now, viewed)
                at += 1
            self._expire(now, viewed)
            self._state_changes(now, before, viewed)

    def _hear(self, view: SignalEnvelope, now: int, viewed: Viewed) -> None:
        symbol = self._plan.symbol_index[view.symbol]
        for schedule, strategy in self._followers:
            if symbol not in schedule.symbols or not strategy.hears(view):
                continue
            due = -(-strategy.expires(view) // self._plan.cycle_ns) * self._plan.cycle_ns
            if due <= now:
                detail = f"a view of {view.model} had expired before it came"
                viewed.events.append(StrategyEvent(now, schedule.index, symbol, Reason.SIGNAL_EXPIRED.name, detail))
                continue
            value, confidence = strategy.target(view)
            self._views[schedule.index, symbol] = View(value + 0.0, confidence, due)

    def _expire(self, now: int, viewed: Viewed) -> None:
        for (schedule, symbol), view in sorted(self._views.items()):
            if view.due <= now and view.value != 0.0:
                detail = f"the view of {view.value:g} expired"
                viewed.events.append(StrategyEvent(now, schedule, symbol, Reason.SIGNAL_EXPIRED.name, detail))
                view.value = 0.0

    def _state_changes(self, now: int, before: dict[_Key, tuple[float, float]], viewed: Viewed) -> None:
        """Targets are stated on change; flat is flat at any confidence."""
        for key, view in sorted(self._views.items()):
            value, confidence = before.get(key, (0.0, 0.0))
            if view.value != value or (view.value != 0.0 and view.confidence != confidence):
                viewed.rows.append((now, *key, view.value, view.confidence))

    def intents(self, viewed: Viewed, prices: PriceBlock) -> Intents:
        """The changed targets as intents; ``prices`` are of all the block's cycles. Keeps the last closes."""
        rows = viewed.rows
        close = self._closes(prices) if self._followers else prices.close
        if not rows:
            return no_intents(self._plan.feature_width)
        cycle, schedule, symbol, value, confidence = (np.array(column) for column in zip(*rows, strict=True))
        price = close[np.searchsorted(prices.cycles, cycle), np.searchsorted(self._symbols, symbol)]
        return Intents(
            cycle=cycle.astype(np.int64),
            schedule=schedule.astype(np.int32),
            symbol=symbol.astype(np.int32),
            strength=value.astype(np.float64),
            notional=np.full(len(rows), np.nan),
            confidence=confidence.astype(np.float64),
            # A view may come before the first price: it is journalled at 0, and sized when the price is there.
            price=np.where(np.isnan(price), 0.0, price),
            features=np.full((len(rows), self._plan.feature_width), np.nan),
        )

    def _closes(self, prices: PriceBlock) -> Float64:
        """[C, S] the last close of each symbol up to each cycle."""
        known: Float64 = np.empty_like(prices.close)
        for row in range(len(prices.cycles)):
            np.copyto(self._close, prices.close[row], where=prices.fresh[row])
            known[row] = self._close
        return known

    def snapshot(self) -> dict[str, Any]:
        """Views by the names of schedule and symbol, and last closes."""
        names, symbols = self._plan.schedules, self._plan.symbols
        views = {(names[k].id, symbols[s]): (v.value, v.confidence, v.due) for (k, s), v in self._views.items()}
        return {"views": views, "close": self._close.copy()}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Goes on from a snapshot."""
        numbers = {schedule.id: schedule.index for schedule, _ in self._followers}
        index = self._plan.symbol_index
        self._views = {(numbers[k], index[s]): View(*view) for (k, s), view in snapshot["views"].items()}
        self._close = snapshot["close"].copy()
