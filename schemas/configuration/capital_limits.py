"""What bounds capital fractions and positions after the policy has spoken (spec 6)."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field, model_validator

from schemas.configuration.base import NonNegativeFloat, PositiveFloat, Section, Slug, UnitFraction


class Rebalance(Section):
    """When capital fractions are computed anew (spec 6)."""

    interval_seconds: PositiveFloat = 604_800.0
    drift: PositiveFloat = 0.10
    skip_below: NonNegativeFloat = 0.02


class LifecycleClamps(Section):
    """What a pod's lifecycle state makes of its raw weight."""

    incubation_max: UnitFraction = 0.10
    production_min: UnitFraction = 0.02
    production_max: UnitFraction = 0.40
    warning_factor: UnitFraction = 0.5
    probation_max: UnitFraction = 0.02

    @model_validator(mode="after")
    def _order(self) -> LifecycleClamps:
        if self.production_max < self.production_min:
            raise ValueError(f"production_max {self.production_max} lies below production_min {self.production_min}")
        return self


class FractionBounds(Section):
    """The least and the most capital of a pod."""

    min: UnitFraction = 0.0
    max: UnitFraction = 1.0

    @model_validator(mode="after")
    def _order(self) -> FractionBounds:
        if self.max < self.min:
            raise ValueError(f"max {self.max} lies below min {self.min}")
        return self


class Turnover(Section):
    """How far one rebalance may move capital; null is no limit."""

    per_pod: PositiveFloat | None = 0.10
    total: PositiveFloat | None = 0.30


class CapitalLimits(Section):
    """The steps between a policy's raw weights and the fractions."""

    lifecycle: LifecycleClamps = LifecycleClamps()
    bounds: FractionBounds = FractionBounds()
    pods: dict[Slug, FractionBounds] = {}
    turnover: Turnover = Turnover()
    risk_defense_bypass_turnover: bool = True
    #: annualised
    target_volatility: PositiveFloat | None = None

    def bounds_of(self, pod: str) -> FractionBounds:
        """A pod's own bounds, or everyone's."""
        return self.pods.get(pod, self.bounds)

    def problems(self, pods: list[str]) -> list[str]:
        """What does not fit the portfolio's pods."""
        found: list[str] = []
        unknown = sorted(set(self.pods) - set(pods))
        if unknown:
            found.append(f"capital_limits.pods names unknown pods: {', '.join(unknown)}")
        least = sum(self.bounds_of(pod).min for pod in pods)
        if least > 1 + 1e-9:
            found.append(f"capital_limits: the pods' min sum to {least:g}, more than 1")
        return found


class Fragility(Section):
    """What the portfolio may do in one state of the market."""

    budget: UnitFraction
    capacity: Annotated[float, Field(gt=0, le=1)]
    participation: Annotated[float, Field(gt=0, le=1)]


class FragilityStates(Section):
    """How much room each fragility state leaves."""

    normal: Fragility = Fragility(budget=1.0, capacity=1.0, participation=0.10)
    elevated: Fragility = Fragility(budget=0.85, capacity=0.8, participation=0.08)
    stress: Fragility = Fragility(budget=0.55, capacity=0.5, participation=0.04)
    crisis: Fragility = Fragility(budget=0.25, capacity=0.2, participation=0.02)

    @model_validator(mode="after")
    def _order(self) -> FragilityStates:
        states = (self.normal, self.elevated, self.stress, self.crisis)
        for better, worse in pairwise(states):
            if worse.budget > better.budget or worse.capacity > better.capacity:
                raise ValueError("a worse fragility state must not leave more room than a better one")
        return self


class Regime(Section):
    """What regime updates on the overlay topic do."""

    multipliers: dict[str, Annotated[float, Field(ge=0, le=2)]] = {}
    default: Annotated[float, Field(ge=0, le=2)] = 1.0
    min_posterior: UnitFraction = 0.60
    low_posterior_factor: UnitFraction = 0.70
    max_age_seconds: PositiveFloat | None = None
    fragility: FragilityStates = FragilityStates()


class Envelope(Section):
    """Caps on the position that a pod may hold in a symbol: ``max_size`` in units, the others in base currency."""

    max_size: PositiveFloat | None = None
    max_notional: PositiveFloat | None = None
    soft_limit: PositiveFloat | None = None
    hard_limit: PositiveFloat | None = None

    @model_validator(mode="after")
    def _order(self) -> Envelope:
        if self.soft_limit is not None and self.hard_limit is not None and self.hard_limit < self.soft_limit:
            raise ValueError(f"hard_limit {self.hard_limit} lies below soft_limit {self.soft_limit}")
        return self
