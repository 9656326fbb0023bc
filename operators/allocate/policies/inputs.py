"""What a capital policy sees, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from operators.frames import Float64, Int64
from schemas.configuration.capital import CapitalPolicy, Traded


def _no_returns() -> Float64:
    return np.empty(0)


def _no_days() -> Int64:
    return np.empty(0, np.int64)


@dataclass(slots=True, frozen=True)
class PodView:
    """One pod as policies see it, at the rebalance.

    Attributes:
        id: the pod's name.
        returns: [D] completed daily simple returns of its own book from its first position on, oldest first.
        days: [D] UTC days since 1970 in which these were completed; empty counts back from the last.
        metrics: by name of :data:`schemas.configuration.capital.POD_METRICS`; what is unknown is left out.
        signals: Σ|strength| of its standing intents. confidence: their mean confidence, 0..1.
        drawdown: fall of its equity from its peak, 0..1; pressure: that of the last 30 days.
        live_days: completed days since its first position.
        volatility_target: annualised, None where none is set.
        profile: its risk profile. tags: the primary one first.
        traded: its schedules, strategies and their profiles.
    """

    id: str
    returns: Float64 = field(default_factory=_no_returns)
    days: Int64 = field(default_factory=_no_days)
    metrics: dict[str, float] = field(default_factory=dict)
    signals: float = 0.0
    confidence: float = 0.0
    drawdown: float = 0.0
    pressure: float = 0.0
    live_days: int = 0
    volatility_target: float | None = None
    profile: str = "balanced"
    tags: tuple[str, ...] = ()
    traded: tuple[Traded, ...] = ()


@dataclass(slots=True, frozen=True)
class PolicyInputs:
    """Pods in configured order, and how many daily returns make a year."""

    pods: tuple[PodView, ...]
    periods_per_year: float = 365.0

    @property
    def names(self) -> list[str]:
        """The pods' ids."""
        return [pod.id for pod in self.pods]

    def take(self, places: Sequence[int]) -> PolicyInputs:
        """The same of some pods."""
        return PolicyInputs(tuple(self.pods[p] for p in places), self.periods_per_year)

    def by_pod(self, values: Sequence[Any] | Float64) -> dict[str, Any]:
        """Values by pod id, for the trace."""
        plain = values.tolist() if isinstance(values, np.ndarray) else values
        return dict(zip(self.names, plain, strict=True))


@dataclass(slots=True, frozen=True)
class PolicyAnswer:
    """Raw weights [P], not negative, sum at most 1, and why they are so: for the allocator trace."""

    weights: Float64
    why: dict[str, Any] = field(default_factory=dict)


#: Weights that smoothing policies gave last, by their place in the policy and by pod.
Memory = dict[str, dict[str, float]]


class Weigh(Protocol):
    """Asks a policy; ``path`` is its place in the whole."""

    def __call__(self, policy: CapitalPolicy, inputs: PolicyInputs, memory: Memory, path: str) -> PolicyAnswer:
        """The policy's answer."""


@dataclass(slots=True, frozen=True)
class Context:
    """What a policy may use beside its inputs: the policies that it wraps, and a memory of its own."""

    weigh: Weigh
    memory: Memory
    path: str

    def ask(self, key: str, policy: CapitalPolicy, inputs: PolicyInputs) -> PolicyAnswer:
        """The answer of a wrapped policy."""
        return self.weigh(policy, inputs, self.memory, f"{self.path}.{key}")


#: How every policy looks; the first argument is its own model.
PolicyFunction = Callable[[Any, PolicyInputs, Context], PolicyAnswer]
