"""The lifecycles of a portfolio's pods: days taken as they complete, judged at every rebalance (spec 5)."""

from __future__ import annotations

import math
from typing import Any

from operators.frames import BEGINNING, Float64, Int64
from operators.lifecycle.correlation import correlation_to_others
from operators.lifecycle.machine import INCUBATION, PRODUCTION, RETIRED, Standing, Verdict, judge, standing
from operators.lifecycle.record import PodRecord
from operators.plan import Plan
from schemas.configuration.pod_rules import Lifecycle

LIFECYCLE_SNAPSHOT = 1


class PodLifecycles:
    """State of every pod of a portfolio. A pod whose lifecycle is off keeps its first state and costs nothing."""

    def __init__(self, plan: Plan, portfolio: int) -> None:
        configuration = plan.portfolios[portfolio].configuration
        self._pods = [plan.pods[p].id for p in plan.portfolios[portfolio].pods]
        settings = {pod.id: pod for pod in configuration.pods}
        # A pod that is being wound up is in no configuration any more: nobody judges it.
        configured = [settings.get(pod) for pod in self._pods]
        self._rules: list[Lifecycle | None] = [
            None if pod is None or isinstance(pod.lifecycle, str) else pod.lifecycle for pod in configured
        ]
        self._periods = configuration.periods_per_year
        self._states: list[str] = [RETIRED if pod is None else pod.initial_state for pod in configured]
        self._since = [BEGINNING] * len(self._pods)
        self._began = BEGINNING
        #: places of pods that an operator retired; kept with what operators have set
        self._ordered: frozenset[int] = frozenset()
        self._records = [PodRecord() for _ in self._pods]

    def states(self) -> tuple[str | None, ...]:
        """Every pod's state in the portfolio's order, None where its lifecycle is off: what capital clamps by."""
        return tuple(
            RETIRED if pod in self._ordered else self._states[pod] if rules is not None else None
            for pod, rules in enumerate(self._rules)
        )

    def note_days(self, pod: int, cycles: Int64, returns: Float64, trades: Int64, sharpe: Float64) -> None:
        """Completed days of a pod's own book: the cycles that completed them, simple returns, positions opened by then
        and rolling_sharpe_30d then."""
        rules = self._rules[pod]
        if rules is None or not len(cycles):
            return
        days = zip(cycles.tolist(), returns.tolist(), trades.tolist(), sharpe.tolist(), strict=True)
        for cycle, value, opened, rolling in days:
            self._records[pod].take_day(cycle, value, opened, rolling, rules, self._states[pod] == INCUBATION)

    def note_excluded(self, pod: int, all_excluded: bool) -> None:
        """Whether a pod's selector lets no asset take risk."""
        self._records[pod].all_excluded = all_excluded

    def retire(self, pods: list[int], now: int) -> bool:
        """Pods that an operator has retired: nothing brings them back, even where their lifecycle is off. True when
        one of them was not retired before."""
        new = [pod for pod in pods if pod not in self._ordered]
        self._ordered = frozenset(pods)
        for pod in new:
            if self._states[pod] != RETIRED:
                self._states[pod], self._since[pod] = RETIRED, now
        return bool(new)

    def judge(self, now: int) -> list[dict[str, Any]]:
        """Judges every pod at a rebalance; the transitions with their evidence, for the journal.

        All are judged as they stood before, so that their order does not matter.
        """
        if self._began == BEGINNING:
            self._began = now
            self._since = [now] * len(self._pods)
        found = [(pod, *self._verdict(pod, now)) for pod, rules in enumerate(self._rules) if rules is not None]
        return [self._move(pod, seen, verdict, now) for pod, seen, verdict in found if verdict is not None]

    def _verdict(self, pod: int, now: int) -> tuple[Standing, Verdict | None]:
        rules = self._rules[pod]
        assert rules is not None
        state = self._states[pod]
        correlation = self._correlation(pod, rules) if state == INCUBATION else math.nan
        seen = standing(
            self._records[pod], rules, state, self._since[pod], self._began, now, correlation, self._periods
        )
        return seen, judge(seen, rules)

    def _correlation(self, pod: int, rules: Lifecycle) -> float:
        """To the books of the other pods that are not retired; NaN where there is nothing to compare with."""
        others = [r.recent for n, r in enumerate(self._records) if n != pod and self._states[n] != RETIRED]
        return correlation_to_others(self._records[pod].recent, others, rules.min_correlation_days)

    def _move(self, pod: int, seen: Standing, verdict: Verdict, now: int) -> dict[str, Any]:
        before, self._states[pod] = self._states[pod], verdict.after
        self._since[pod] = now
        record = self._records[pod]
        if verdict.after == PRODUCTION:
            record.detector.fired = False
        return {
            "after": verdict.after,
            "before": before,
            "evidence": {**seen.evidence(), "block_returns": record.blocks[-12:], "tests": verdict.tests},
            "reason": verdict.reason.name,
            "subject": f"pod:{self._pods[pod]}",
        }

    def snapshot(self) -> dict[str, Any]:
        """States, timers and whole records, versioned."""
        return {
            "version": LIFECYCLE_SNAPSHOT,
            "states": list(self._states),
            "since": list(self._since),
            "began": self._began,
            "records": [r.snapshot() for r in self._records],
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Goes on from a snapshot; raises ValueError for one of another version."""
        if snapshot["version"] != LIFECYCLE_SNAPSHOT:
            raise ValueError(f"lifecycle snapshot of version {snapshot['version']}, not {LIFECYCLE_SNAPSHOT}")
        self._states, self._since = list(snapshot["states"]), list(snapshot["since"])
        self._began = snapshot["began"]
        self._records = [PodRecord.restored(r) for r in snapshot["records"]]
