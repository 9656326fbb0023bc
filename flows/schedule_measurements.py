"""Per-schedule metrics of seed 004: what the schedules of key groups and pods emit, and how they stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from operators.frames import Float64, Intents
from operators.plan import Plan, SchedulePlan
from operators.pods.signal_holds import NO_LIMIT, ScheduleState

#: Metric by declared feature: mean absolute value, or mean, over the latest intents.
_ZSCORE, _VOLATILITY = "zscore", "realised_volatility"


class ScheduleMeasurements:
    """Gauges by schedule; ``show`` sets one by name, value, portfolio and schedule."""

    def __init__(self, plan: Plan, show: Callable[[str, float, str, str], None]) -> None:
        self._plan, self._show = plan, show
        self._portfolio = [plan.portfolios[plan.pods[s.pod].portfolio].id for s in plan.schedules]
        self._states: dict[int, list[ScheduleState]] = {}
        self._before: list[Float64] = [np.zeros(len(plan.symbols)) for _ in plan.schedules]

    def intents(self, intents: Intents) -> None:
        """Notes the intents of one frame."""
        for index in np.unique(intents.schedule).tolist():
            schedule = self._plan.schedules[index]
            mine = intents.schedule == index
            width = len(schedule.strategy.features())
            for name, value in self._values(schedule, intents, mine, intents.features[mine][:, :width]).items():
                if np.isfinite(value):
                    self._show(f"schedule_{name}", value, self._portfolio[index], schedule.id)

    def _values(
        self, schedule: SchedulePlan, intents: Intents, mine: np.ndarray, features: Float64
    ) -> dict[str, float]:
        found: dict[str, float] = {}
        for column, feature in enumerate(schedule.strategy.features()):
            known = features[:, column][np.isfinite(features[:, column])]
            if feature.name == _ZSCORE and len(known):
                found["avg_abs_zscore"] = float(np.abs(known).mean())
            elif feature.name == _VOLATILITY and len(known):
                found["avg_realized_volatility"] = float(known.mean())
        symbols = intents.symbol[mine]
        value = np.where(np.isnan(intents.strength), intents.notional, intents.strength)[mine]
        found.update(schedule.strategy.measures(features, value, self._before[schedule.index][symbols]))
        self._before[schedule.index][symbols] = value
        return found

    def states(self, pod: int, states: list[ScheduleState], now: int) -> None:
        """Notes the suspensions and limits of a pod's schedules at event time ``now``."""
        portfolio = self._plan.portfolios[self._plan.pods[pod].portfolio].id
        if self._states.get(pod) == states and all(s.until is None for s in states):
            return
        self._states[pod] = states
        for state in states:
            remaining = max(0.0, (state.until - now) / 1e9) if state.until is not None else 0.0
            self._show("schedule_suspended", float(state.suspended), portfolio, state.schedule)
            self._show("schedule_suspension_remaining_seconds", remaining, portfolio, state.schedule)
            self._show("schedule_suspension_tag_indicator", float(state.by_tag), portfolio, state.schedule)
            limit = np.inf if state.limit == NO_LIMIT else float(state.limit)
            self._show("schedule_signal_limit", limit, portfolio, state.schedule)

    # ------------------------------------------------------------ capital
    def capital(self, portfolio: str, bodies: list[bytes]) -> None:
        """Notes the latest allocation among decisions: each schedule shows its pod's weights."""
        for body in reversed(bodies):
            if _REBALANCED in body:
                self._capital(portfolio, _CAPITAL.decode(body).capital)
                return

    def _capital(self, portfolio: str, trace: _Trace) -> None:
        why = trace.why if isinstance(trace.why, dict) else {}
        base, profiles = why.get("raw"), why.get("profiles")
        for schedule in self._plan.schedules:
            if self._portfolio[schedule.index] != portfolio:
                continue
            pod, profile = self._plan.pods[schedule.pod].id, schedule.settings.risk_profile
            smoothed = trace.raw.get(pod)
            # A policy that smooths says what it was given; for any other the two are the same.
            raw = base.get(pod, smoothed) if isinstance(base, dict) else smoothed
            share = profiles.get(profile) if isinstance(profiles, dict) else None
            for name, value in (("raw", raw), ("smoothed", smoothed), ("profile", share)):
                if isinstance(value, float | int):
                    self._show(f"allocator_{name}_weight", float(value), portfolio, schedule.id)


class _Trace(msgspec.Struct):
    """The part of an allocator trace that gauges show."""

    raw: dict[str, float] = {}
    why: Any = None


class _Rebalanced(msgspec.Struct):
    capital: _Trace


_REBALANCED = b'"capital":{'
_CAPITAL = msgspec.json.Decoder(_Rebalanced)
