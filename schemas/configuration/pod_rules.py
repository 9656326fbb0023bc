"""How a pod chooses and weighs its assets, and how it is promoted and cut (spec 5)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from schemas.configuration.base import NonNegativeFloat, PositiveFloat, Section, UnitFraction

LifecycleState = Literal["INCUBATION", "PRODUCTION", "WARNING", "PROBATION", "RETIRED"]


class AssetSelector(Section):
    """Which assets of a pod may take risk, judged once per bar of the asset's interval against its peers."""

    low_score: UnitFraction = 0.20
    low_bars: Annotated[int, Field(ge=1)] = 5
    good_score: UnitFraction = 0.35
    good_bars: Annotated[int, Field(ge=1)] = 3
    ramp_steps: Annotated[int, Field(ge=1, le=100)] = 3
    cooldown_bars: Annotated[int, Field(ge=1)] = 30
    hard_sharpe: float = -1.0
    hard_drawdown: UnitFraction = 0.15
    absolute_min_sharpe: float | None = None
    absolute_max_drawdown: UnitFraction | None = None
    max_cooldown_cycles: Annotated[int, Field(ge=1)] | None = None
    sharpe_bars: Annotated[int, Field(ge=2, le=5000)] = 60
    return_bars: Annotated[int, Field(ge=1, le=5000)] = 30
    drawdown_bars: Annotated[int, Field(ge=1, le=5000)] = 60
    min_bars: Annotated[int, Field(ge=2)] = 10
    bars_per_year: PositiveFloat | None = None

    @model_validator(mode="after")
    def _reachable(self) -> AssetSelector:
        shortest = min(self.sharpe_bars, self.return_bars, self.drawdown_bars)
        if self.min_bars > shortest:
            raise ValueError(
                f"min_bars {self.min_bars} exceeds the shortest window {shortest}: no asset would be judged"
            )
        if self.good_score < self.low_score:
            raise ValueError(
                f"good_score {self.good_score} lies below low_score {self.low_score}: a score would be both"
            )
        return self


class AssetAllocator(Section):
    """How a pod's capital is weighed over its assets; ``equal`` gives each 1/n and needs no bounds."""

    method: Literal["equal", "inverse_volatility", "risk_parity", "signal_weighted"] = "equal"
    every_bars: Annotated[int, Field(ge=1)] = 5
    lookback_bars: Annotated[int, Field(ge=2, le=5000)] = 60
    min_bars: Annotated[int, Field(ge=2)] = 20
    min_weight: UnitFraction = 0.05
    max_weight: Annotated[float, Field(gt=0, le=1)] = 0.60

    @model_validator(mode="after")
    def _ordered(self) -> AssetAllocator:
        if self.min_weight > self.max_weight:
            raise ValueError(f"min_weight {self.min_weight} exceeds max_weight {self.max_weight}")
        if self.min_bars > self.lookback_bars:
            raise ValueError(
                f"min_bars {self.min_bars} exceeds lookback_bars {self.lookback_bars}: no asset would ever be known"
            )
        return self

    def bounds_problem(self, assets: int) -> str | None:
        """Why no weights of ``assets`` assets within the bounds sum to 1, and what to do; None when some do."""
        if self.method == "equal" or assets == 0:
            return None
        if self.min_weight * assets > 1.0 + 1e-9:
            return (
                f"{assets} assets of at least {self.min_weight} sum to more than 1: set min_weight <= {1 / assets:.6g}"
            )
        if self.max_weight * assets < 1.0 - 1e-9:
            return (
                f"{assets} assets of at most {self.max_weight} sum to less than 1: set max_weight >= {1 / assets:.6g}"
            )
        return None


class PageHinkley(Section):
    """The drift detector: its allowance and threshold in standard deviations of the pod's own incubation."""

    delta: NonNegativeFloat = 0.005
    threshold: PositiveFloat = 50.0
    rest: UnitFraction = 0.20


class Lifecycle(Section):
    """When a pod is promoted, warned and retired; judged at every rebalance, on event time."""

    min_live_days: NonNegativeFloat = 30.0
    min_sharpe: float = 0.5
    max_drawdown: UnitFraction = 0.20
    min_trades: Annotated[int, Field(ge=0)] = 5
    min_calmar: float = 0.3
    max_correlation: Annotated[float, Field(ge=-1, le=1)] = 0.65
    correlation_days: Annotated[int, Field(ge=2)] = 90
    min_correlation_days: Annotated[int, Field(ge=2)] = 20
    backtest_sharpe: float | None = None
    max_backtest_gap: NonNegativeFloat = 0.30
    max_incubation_days: PositiveFloat = 90.0
    calibration_days: Annotated[int, Field(ge=2)] = 20
    floor_sharpe: float = 0.3
    floor_days: NonNegativeFloat = 10.0
    min_warning_days: NonNegativeFloat = 5.0
    max_warning_days: PositiveFloat = 30.0
    max_probation_days: PositiveFloat = 30.0
    retire_drawdown: Annotated[float, Field(gt=0, le=1)] = 0.25
    retire_losing_blocks: Annotated[int, Field(ge=1)] = 6
    page_hinkley: PageHinkley = PageHinkley()

    @model_validator(mode="after")
    def _reachable(self) -> Lifecycle:
        if self.min_live_days > self.max_incubation_days:
            raise ValueError(
                f"min_live_days {self.min_live_days} exceeds max_incubation_days {self.max_incubation_days}:"
                " no pod could be promoted"
            )
        if self.min_correlation_days > self.correlation_days:
            raise ValueError(
                f"min_correlation_days {self.min_correlation_days} exceeds correlation_days {self.correlation_days}"
            )
        return self


def _switch(value: Any) -> Any:
    """YAML reads a bare ``off`` as false and ``on`` as true; ``on`` means every default."""
    if value is False:
        return "off"
    return {} if value is True or value == "on" else value


def _method(value: Any) -> Any:
    return {"method": value} if isinstance(value, str) else value


SelectorSwitch = Annotated[Literal["off"] | AssetSelector, BeforeValidator(_switch)]
LifecycleSwitch = Annotated[Literal["off"] | Lifecycle, BeforeValidator(_switch)]
AllocatorChoice = Annotated[AssetAllocator, BeforeValidator(_method)]
