"""Capital over pods: when it is computed anew, by which steps, and what came of it (spec 6).

raw weights → lifecycle clamps → bounds → turnover → governor → regime → HRP scale → CVaR cap → leverage layers. Each
step stands in the allocator's trace. The regime multiplies what the turnover step left, never a fraction that it
multiplied before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from operators.allocate.clamps import RETIRED, State, bound, clamp_all
from operators.allocate.pod_history import PodHistory
from operators.allocate.policies.evaluate import weigh
from operators.allocate.policies.inputs import Memory, PolicyAnswer, PolicyInputs
from operators.allocate.regime import RegimeRoom, RegimeState
from operators.allocate.signals import StandingSignals
from operators.allocate.turnover import limit_turnover, turnover
from operators.allocate.volatility_scale import governor_scale
from operators.frames import BEGINNING, Float64, Int64
from operators.plan import Plan
from schemas.configuration.base import NANOSECONDS, seconds_to_nanoseconds
from schemas.configuration.capital import (
    CapitalPolicy,
    MetricWeighted,
    fixed_weight_problems,
    parse_policy,
    walk,
)
from schemas.configuration.portfolio import traded_by


class Capital:
    """Fractions of one portfolio's pods.

    Attributes:
        fractions: [P] in force, after the regime.
        room: what the regime leaves beside its multiplier.
        signals: the pods' standing intents.
    """

    def __init__(self, plan: Plan, portfolio: int) -> None:
        own = plan.portfolios[portfolio]
        settings = own.configuration
        self._pods = tuple(plan.pods[p].id for p in own.pods)
        self._traded = traded_by(settings.pods)
        self._policy: CapitalPolicy = settings.capital
        self._limits, self._periods = settings.capital_limits, settings.periods_per_year
        self._max_gross = settings.max_gross_leverage
        self._pod_leverage = np.array([plan.pods[p].max_leverage for p in own.pods])
        rules = settings.rebalance
        #: places of pods that the configuration no longer has: they are wound up, and get nothing
        self._wound_up = frozenset(n for n, p in enumerate(own.pods) if plan.pods[p].retired)
        self._drift, self._skip_below = rules.drift, rules.skip_below
        recommended = recommended_interval(self._policy)
        self._interval = seconds_to_nanoseconds(rules.interval_seconds if recommended is None else recommended)
        count = len(self._pods)
        self.fractions: Float64 = np.zeros(count)
        self._base: Float64 = np.zeros(count)
        self._anchor: Float64 = np.ones(count)
        self._governor = 1.0
        self._last = BEGINNING
        self._forced = self._skip_next = self._retiring = self._regime_moved = False
        self._states: list[State] = [RETIRED if n in self._wound_up else None for n in range(count)]
        self._memory: Memory = {}
        self._histories = [PodHistory(p, self._traded[p.id]) for p in settings.pods]
        self.signals = StandingSignals(plan, portfolio)
        self._regime = RegimeState(settings.regime)
        self.room = self._regime.room(BEGINNING)

    # ------------------------------------------------------------ run-time control
    @property
    def policy_name(self) -> str:
        """Name of the policy in force."""
        return self._policy.name

    @property
    def interval_seconds(self) -> float:
        """Event time between two regular rebalances."""
        return self._interval / NANOSECONDS

    def force(self) -> None:
        """The next cycle makes a rebalance, whatever it changes."""
        self._forced = True

    def skip_next(self) -> None:
        """The next rebalance that interval or drift asks for is left out."""
        self._skip_next = True

    def set_interval(self, seconds: float) -> None:
        """Event time between two regular rebalances; raises ValueError unless it is positive and finite."""
        if not 0 < seconds < math.inf:
            raise ValueError(f"interval {seconds!r} s must be more than 0")
        self._interval = seconds_to_nanoseconds(seconds)

    def swap(self, document: Any, *, rebalance: bool = True, adopt_interval: bool = False) -> None:
        """Another policy, as a whole document; raises ValueError with every fault, and then changes nothing.

        Args:
            document: as under ``capital`` in the configuration.
            rebalance: force one at once, rather than when the next is due.
            adopt_interval: take the interval that the policy recommends, where it does.
        """
        policy = parse_policy(document)
        problems = fixed_weight_problems(policy, self._traded)
        if problems:
            raise ValueError("; ".join(problems))
        self._policy, self._memory = policy, {}
        self._forced = self._forced or rebalance
        recommended = recommended_interval(policy)
        if adopt_interval and recommended is not None:
            self.set_interval(recommended)

    # ------------------------------------------------------------ what policies look at
    def note_days(self, pod: int, cycles: Int64, returns: Float64) -> None:
        """Completed daily returns of a pod with the cycles that completed them, in order."""
        if pod not in self._wound_up:
            self._histories[pod].note(cycles, returns)

    def note_states(self, states: Sequence[State]) -> None:
        """The pods' lifecycle states; None where the lifecycle is off. A retirement is acted on at once."""
        retired = [before != RETIRED and now == RETIRED for before, now in zip(self._states, states, strict=True)]
        self._retiring = self._retiring or any(retired)
        self._states = [RETIRED if n in self._wound_up else state for n, state in enumerate(states)]

    def note_regime(self, body: dict[str, Any], effective: int) -> str | None:
        """A regime update; the fault when it cannot be used."""
        fault = self._regime.note(body, effective)
        self._regime_moved = True
        return fault

    # ------------------------------------------------------------ when
    def next_due(self) -> int:
        """The first event time at which :meth:`rebalance` has to be called; the first cycle of all without one."""
        if self._last == BEGINNING or self._forced or self._retiring or self._regime_moved:
            return BEGINNING
        due, expiry = self._last + self._interval, self._regime.expires()
        # A regime that grew stale is looked at once: from then on it is what it is.
        return due if expiry is None or self._regime.room(expiry) == self.room else min(due, expiry)

    def drifted(self, equity: Float64) -> bool:
        """True when any pod's share of the pods' capital has moved more than the limit since the last rebalance."""
        if self._last == BEGINNING:
            return False
        moved = drift(self._base, self._anchor, equity)
        return bool(np.round(np.abs(moved).max(), 9) > self._drift)

    def _trigger(self, cycle: int, drifted: bool) -> str | None:
        if self._last == BEGINNING:
            return "first"
        if self._retiring:
            return "retirement"
        if self._forced:
            return "forced"
        if cycle >= self._last + self._interval:
            return "interval"
        return "drift" if drifted else None

    # ------------------------------------------------------------ rebalance
    def rebalance(
        self, cycle: int, equity: Float64, gross: Float64 | None = None, *, drifted: bool = False
    ) -> dict[str, Any] | None:
        """New fractions at ``cycle``; the allocator trace, or None when nothing changes.

        Args:
            cycle: event time.
            equity: [P] of the pods' books.
            gross: [P] Σ|weight| of the pods at pod capital, for the trace.
            drifted: what :meth:`drifted` says.
        """
        trigger = self._trigger(cycle, drifted)
        before, old_room = self.fractions, self.room
        self.room, self._regime_moved = self._regime.room(cycle), False
        steps: list[dict[str, Any]] = []
        why: dict[str, Any] = {}
        if trigger is not None and self._passes_over(cycle, equity, trigger):
            trigger = None
        if trigger is not None:
            base, steps, why = self._base_fractions(equity, trigger)
            change = math.fsum(np.abs(base - self._base))
            if trigger in ("interval", "drift") and round(change, 9) < self._skip_below:
                trigger = None
            else:
                self._base, self._governor = base, steps[-1]["scale"]
        self.fractions = self._after_regime(before, trigger)
        if trigger is None and self.room == old_room and (self.fractions == before).all():
            return None
        return {
            "policy": self._policy.name,
            "label": self._policy.label,
            "trigger": trigger or "regime",
            "before": self._named(before),
            "raw": self._named(steps[0]["weights"]) if steps else {},
            "fractions": self._named(self.fractions),
            "turnover": round(turnover(before, self.fractions), 9),
            "steps": self._named_steps(steps, np.zeros(len(before)) if gross is None else gross),
            "why": why,
        }

    def _passes_over(self, cycle: int, equity: Float64, trigger: str) -> bool:
        """Notes that a rebalance is made at ``cycle``; True when an operator asked to leave it out."""
        self._last, self._anchor = cycle, equity.copy()
        self._forced = self._retiring = False
        if self._skip_next and trigger in ("interval", "drift"):
            self._skip_next = False
            return True
        return False

    def _base_fractions(self, equity: Float64, trigger: str) -> tuple[Float64, list[dict[str, Any]], dict[str, Any]]:
        """[P] fractions before the regime, the steps to them and the policy's reasons."""
        inputs, alive = self._views(equity)
        answer = self._ask(inputs, alive)
        clamped, least, most = clamp_all(self._states, self._pods, answer.weights, self._limits)
        bounded = bound(clamped, least, most)
        retired = np.array([state == RETIRED for state in self._states])
        limits, moved = self._limits.turnover, bounded
        if trigger != "first":
            per_pod, total = _or_infinite(limits.per_pod), _or_infinite(limits.total)
            moved = limit_turnover(self._base, bounded, per_pod, total, retired)
        base: Float64 = np.round(moved, 9)
        states: dict[str, Any] = dict(zip(self._pods, self._states, strict=True))
        steps: list[dict[str, Any]] = [
            {"step": "raw", "weights": answer.weights},
            {"step": "lifecycle", "weights": clamped, "states": states},
            {"step": "bounds", "weights": bounded},
            {"step": "turnover", "weights": base, "wanted": round(turnover(self._base, bounded), 9)},
            {"step": "governor", "scale": governor_scale(inputs, base[alive], self._limits.target_volatility)},
        ]
        return base, steps, answer.why

    def _views(self, equity: Float64) -> tuple[PolicyInputs, list[int]]:
        """The pods that are not retired, and their places."""
        alive = [n for n, state in enumerate(self._states) if state != RETIRED]
        with_metrics = any(isinstance(policy, MetricWeighted) for _, policy in walk(self._policy))
        signals, confidence = self.signals.by_pod()
        views = [
            self._histories[n].view(
                float(equity[n]), float(signals[n]), float(confidence[n]), self._periods, with_metrics
            )
            for n in alive
        ]
        return PolicyInputs(tuple(views), self._periods), alive

    def _ask(self, inputs: PolicyInputs, alive: list[int]) -> PolicyAnswer:
        """The policy's raw weights; retired pods take no part and get 0."""
        answer = weigh(self._policy, inputs, self._memory)
        weights = np.zeros(len(self._pods))
        weights[alive] = answer.weights
        return PolicyAnswer(weights, answer.why)

    def _after_regime(self, before: Float64, trigger: str | None) -> Float64:
        """[P] the base times governor and regime, once. Where risk defence must keep to the turnover limit, so do
        these."""
        scale = self.room.multiplier * self._governor
        if scale == 1.0:
            wanted = self._base
        else:
            most = np.array([self._limits.bounds_of(pod).max for pod in self._pods])
            wanted = np.minimum(self._base * scale, most)
            wanted = np.round(wanted / max(1.0, math.fsum(wanted)), 9)
        limits = self._limits
        if limits.risk_defense_bypass_turnover or trigger == "first":
            return wanted.copy()
        retired = np.array([state == RETIRED for state in self._states])
        total = _or_infinite(limits.turnover.total)
        moved = limit_turnover(before, wanted, _or_infinite(limits.turnover.per_pod), total, retired)
        return np.round(moved, 9)

    # ------------------------------------------------------------ trace
    def _named(self, values: Float64) -> dict[str, float]:
        return dict(zip(self._pods, values.tolist(), strict=True))

    def _named_steps(self, steps: list[dict[str, Any]], gross: Float64) -> list[dict[str, Any]]:
        """Every step in its order. HRP and CVaR scale nothing here: they act on new risk, and are neutral so far."""
        named = [{**s, "weights": self._named(s["weights"])} if "weights" in s else s for s in steps]
        limits = self._named(self._pod_leverage)
        return [
            *named,
            {"step": "regime", "weights": self._named(self.fractions), **self.room.document()},
            {"step": "hrp", "scale": 1.0},
            {"step": "cvar", "scale": 1.0},
            {
                "step": "leverage",
                "max_gross_leverage": self._max_gross * self.room.budget,
                "pods": {pod: {"used": used, "limit": limits[pod]} for pod, used in self._named(gross).items()},
            },
        ]

    # ------------------------------------------------------------ state
    def snapshot(self) -> dict[str, Any]:
        """Everything that the next rebalance depends on."""
        return {
            "fractions": self.fractions.copy(),
            "base": self._base.copy(),
            "anchor": self._anchor.copy(),
            "last": self._last,
            "interval": self._interval,
            "flags": (self._forced, self._skip_next, self._retiring, self._regime_moved),
            "policy": self._policy.model_dump(mode="json"),
            "memory": {path: dict(weights) for path, weights in self._memory.items()},
            "states": list(self._states),
            "histories": [h.snapshot() for h in self._histories],
            "signals": self.signals.snapshot(),
            "regime": self._regime.snapshot(),
            "room": self.room.document(),
            "governor": self._governor,
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Goes on from a snapshot."""
        self.fractions, self._base = snapshot["fractions"].copy(), snapshot["base"].copy()
        self._anchor, self._last, self._interval = snapshot["anchor"].copy(), snapshot["last"], snapshot["interval"]
        self._forced, self._skip_next, self._retiring, self._regime_moved = snapshot["flags"]
        self._policy = parse_policy(snapshot["policy"])
        self._memory = {path: dict(weights) for path, weights in snapshot["memory"].items()}
        self._states = list(snapshot["states"])
        for history, saved in zip(self._histories, snapshot["histories"], strict=True):
            history.restore(saved)
        self.signals.restore(snapshot["signals"])
        self._regime.restore(snapshot["regime"])
        self.room, self._governor = RegimeRoom(**snapshot["room"]), snapshot["governor"]


def drift(fractions: Float64, anchor: Float64, equity: Float64) -> Float64:
    """[P] how far each pod's share of the allocated capital has moved from its fraction, as its book gained or lost
    since the rebalance at book equity ``anchor``."""
    value = fractions * np.divide(equity, anchor, out=np.zeros(len(anchor)), where=anchor > 0.0)
    total = float(value.sum())
    if total <= 0.0:
        return np.zeros(len(fractions))
    moved: Float64 = value / total * fractions.sum() - fractions
    return moved


def recommended_interval(policy: CapitalPolicy) -> float | None:
    """``rebalance_seconds`` of the outermost policy that has one, the first of several side by side; s."""
    given = [(path.count("."), n, p.rebalance_seconds) for n, (path, p) in enumerate(walk(policy))]
    return next((seconds for _, _, seconds in sorted(given, key=lambda g: g[:2]) if seconds is not None), None)


def _or_infinite(limit: float | None) -> float:
    return math.inf if limit is None else limit
