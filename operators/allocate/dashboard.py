"""What a portfolio lead watches of capital: drift, leverage usage, snapshots over time (spec 6, seed 000 "E6").

All of it follows from decisions: what a run journalled is enough, and live and replayed runs show the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from operators.allocate.capital import drift
from schemas.decision import DecisionBody


@dataclass(frozen=True, slots=True)
class PodDrift:
    """A pod's share of the allocated capital: as allocated, now, and the difference."""

    pod: str
    target: float
    current: float

    @property
    def drift(self) -> float:
        """Current less target."""
        return self.current - self.target


@dataclass(frozen=True, slots=True)
class LeverageUsage:
    """Σ|weight| of a pod at pod capital, beside its ``max_leverage``."""

    pod: str
    used: float
    limit: float

    @property
    def ratio(self) -> float:
        """Used over limit."""
        return self.used / self.limit


@dataclass(frozen=True, slots=True)
class AllocationSnapshot:
    """Capital as one decision set it; ``trace`` is the allocator's own account, ``equity`` the pods' books then."""

    portfolio: str
    sequence: int
    cycle: int
    trace: dict[str, Any]
    equity: dict[str, float]

    @property
    def fractions(self) -> dict[str, float]:
        """In force from this cycle on."""
        found: dict[str, float] = self.trace["fractions"]
        return found

    def step(self, name: str) -> dict[str, Any]:
        """A step of the trace; empty where the policy was not asked."""
        return next((step for step in self.trace.get("steps", []) if step["step"] == name), {})


def compute_drift(fractions: dict[str, float], anchor: dict[str, float], equity: dict[str, float]) -> list[PodDrift]:
    """Drift of every pod since its book's equity was ``anchor``."""
    pods = list(fractions)
    target, before, now = (np.array([values[pod] for pod in pods]) for values in (fractions, anchor, equity))
    moved = drift(target, before, now).tolist()
    return [PodDrift(pod, fractions[pod], fractions[pod] + move) for pod, move in zip(pods, moved, strict=True)]


@dataclass(slots=True)
class AllocationTimeline:
    """Everything of one portfolio's capital, gathered decision by decision."""

    portfolio: str
    snapshots: list[AllocationSnapshot] = field(default_factory=list)
    cycle: int = 0
    equity: dict[str, float] = field(default_factory=dict)
    _weights: dict[str, dict[str, float]] = field(default_factory=dict)

    def add(self, body: DecisionBody) -> None:
        """Takes the next decision."""
        self.cycle = body.cycle
        self.equity = dict(zip(body.pods.pod, body.pods.equity, strict=True))
        if body.targets is not None:
            table = body.targets
            for pod, symbol, weight in zip(table.pod, table.symbol, table.weight, strict=True):
                self._weights.setdefault(pod, {})[symbol] = weight
        if body.capital is not None:
            self.snapshots.append(
                AllocationSnapshot(body.portfolio, body.sequence, body.cycle, body.capital, dict(self.equity))
            )

    def latest(self) -> AllocationSnapshot | None:
        """The allocation in force."""
        return self.snapshots[-1] if self.snapshots else None

    def drifts(self) -> list[PodDrift]:
        """Of the allocation in force; nothing before the first."""
        last = self.latest()
        return [] if last is None else compute_drift(last.fractions, last.equity, self.equity)

    def leverage_usage(self) -> list[LeverageUsage]:
        """Of every pod, from its standing targets; nothing before the first allocation."""
        last = self.latest()
        limits: dict[str, Any] = {} if last is None else last.step("leverage")["pods"]
        return [
            LeverageUsage(pod, float(np.abs(list(self._weights.get(pod, {}).values())).sum()), limits[pod]["limit"])
            for pod in limits
        ]
