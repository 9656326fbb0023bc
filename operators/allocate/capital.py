"""Capital over pods: when it is computed anew, and what came of it (spec 6, "Rebalance when")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from operators.allocate.policies.equal_weight import equal_weight
from operators.allocate.policies.fixed_weight import fixed_weight
from operators.allocate.policies.inputs import PolicyAnswer, PolicyInputs
from operators.allocate.policies.inverse_volatility import inverse_volatility
from operators.frames import BEGINNING, Float64
from operators.plan import Plan
from schemas.configuration.base import seconds_to_nanoseconds
from schemas.configuration.portfolio import CapitalPolicy, FixedWeight, InverseVolatility


class Capital:
    """Fractions of one portfolio's pods. Rebalances first of all, after the interval, on drift, and when forced."""

    def __init__(self, plan: Plan, portfolio: int) -> None:
        own = plan.portfolios[portfolio]
        self._pods = tuple(plan.pods[p].id for p in own.pods)
        self._policy: CapitalPolicy = own.configuration.capital
        rules = own.configuration.rebalance
        interval = self._policy.rebalance_seconds or rules.interval_seconds
        self._interval = seconds_to_nanoseconds(interval)
        self._drift, self._skip_below = rules.drift, rules.skip_below
        self.fractions: Float64 = np.zeros(len(self._pods))
        self._anchor: Float64 = np.ones(len(self._pods))
        self._last = BEGINNING
        self._forced = False
        self._retired = np.zeros(len(self._pods), np.bool_)
        self._returns: list[list[float]] = [[] for _ in self._pods]
        self._keep = self._policy.lookback_days if isinstance(self._policy, InverseVolatility) else 1

    def next_due(self) -> int:
        """The first event time at which a rebalance is due; the first cycle of all when there was none."""
        if self._last == BEGINNING or self._forced:
            return BEGINNING
        return self._last + self._interval

    def force(self) -> None:
        """An operator asked for a rebalance: the next cycle makes it, whatever it changes."""
        self._forced = True

    def note_states(self, states: Sequence[str | None]) -> None:
        """The pods' lifecycle states; None where the lifecycle is off. A retirement is acted on at once."""
        retired = np.array([state == "RETIRED" for state in states])
        self._forced = self._forced or bool((retired & ~self._retired).any())
        self._retired = retired

    def note_days(self, pod: int, returns: Float64) -> None:
        """Completed daily returns of a pod, in order. Days before its first position tell nothing of it."""
        kept = self._returns[pod]
        if not kept:
            begun = np.flatnonzero(returns)
            returns = returns[begun[0] :] if len(begun) else returns[:0]
        kept += returns.tolist()
        del kept[: max(0, len(kept) - self._keep)]

    def drifted(self, equity: Float64) -> bool:
        """True when any pod's share of the pods' capital has moved more than the limit since the last rebalance."""
        value = self.fractions * equity / self._anchor
        total = float(value.sum())
        if self._last == BEGINNING or total <= 0.0:
            return False
        share = value / total * self.fractions.sum()
        return bool(np.round(np.abs(share - self.fractions).max(), 9) > self._drift)

    def rebalance(self, cycle: int, equity: Float64) -> dict[str, Any] | None:
        """New fractions at ``cycle`` given the pods' book ``equity`` [P]; the allocator trace, or None when skipped."""
        answer = self._ask()
        fractions = np.where(self._retired, 0.0, np.round(answer.weights, 9))
        change = float(np.abs(fractions - self.fractions).sum())
        first, forced = self._last == BEGINNING, self._forced
        self._last, self._forced = cycle, False
        self._anchor = equity.copy()
        if not first and not forced and round(change, 9) < self._skip_below:
            return None
        trace = {
            "policy": self._policy.name,
            "label": self._policy.label,
            "trigger": "first" if first else "forced" if forced else "interval_or_drift",
            "before": dict(zip(self._pods, self.fractions.tolist(), strict=True)),
            "raw": dict(zip(self._pods, answer.weights.tolist(), strict=True)),
            "fractions": dict(zip(self._pods, fractions.tolist(), strict=True)),
            "turnover": round(change / 2, 9),
            "why": answer.why,
        }
        self.fractions = fractions
        return trace

    def _ask(self) -> PolicyAnswer:
        inputs = PolicyInputs(self._pods, tuple(np.array(r) for r in self._returns))
        policy = self._policy
        if isinstance(policy, FixedWeight):
            return fixed_weight(inputs, policy.weights)
        if isinstance(policy, InverseVolatility):
            return inverse_volatility(inputs, policy.lookback_days, policy.min_returns)
        return equal_weight(inputs)

    def snapshot(self) -> dict[str, Any]:
        """Everything that the next rebalance depends on."""
        return {
            "fractions": self.fractions.copy(),
            "anchor": self._anchor.copy(),
            "last": self._last,
            "forced": self._forced,
            "retired": self._retired.copy(),
            "returns": [list(r) for r in self._returns],
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Goes on from a snapshot."""
        self.fractions, self._anchor = snapshot["fractions"].copy(), snapshot["anchor"].copy()
        self._last, self._forced = snapshot["last"], snapshot["forced"]
        self._retired = snapshot["retired"].copy()
        self._returns = [list(r) for r in snapshot["returns"]]
