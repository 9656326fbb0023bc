"""Portfolios, pods and schedules (design, "Structure"; spec 3, 5, 6, 7)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from schemas.configuration.base import (
    Interval,
    NonNegativeFloat,
    PositiveFloat,
    Section,
    Slug,
    SymbolName,
    UnitFraction,
)


class Schedule(Section):
    """Binds one strategy version to symbols, parameters and a cadence.

    ``symbols`` is a list or ``"*"`` for every instrument. ``share`` is the part of the pod's capital; without it the
    pod's schedules share alike. ``horizon`` names what it nets with (default: its interval).
    """

    id: Slug
    strategy: str
    symbols: Annotated[list[SymbolName], Field(min_length=1)] | Literal["*"] = "*"
    parameters: dict[str, Any] = {}
    interval: Interval | None = None
    horizon: str | None = None
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    enabled: bool = True
    warmup_bars: Annotated[int, Field(ge=0, le=5000)] = 0
    risk_profile: Slug = "balanced"
    execution_profile: Slug = "default"
    tags: list[Slug] = []
    on_silence: Literal["hold", "flat"] = "hold"


class Pod(Section):
    """A strategy book with its own capital of 1.0."""

    id: Slug
    schedules: Annotated[list[Schedule], Field(min_length=1)]
    max_leverage: PositiveFloat = 1.0
    asset_allocator: Literal["equal"] = "equal"
    lifecycle: Literal["off"] = "off"
    initial_state: Literal["INCUBATION", "PRODUCTION"] = "INCUBATION"
    slippage_bps: NonNegativeFloat = 5.0

    @model_validator(mode="after")
    def _shares(self) -> Pod:
        shares = [s.share for s in self.schedules if s.enabled]
        given = [s for s in shares if s is not None]
        if given and len(given) != len(shares):
            raise ValueError(f"pod {self.id}: give every enabled schedule a share or none")
        if sum(given) > 1 + 1e-9:
            raise ValueError(f"pod {self.id}: the schedules' shares sum to {sum(given)}, more than 1")
        return self


class EqualWeight(Section):
    """Every pod gets 1/n."""

    name: Literal["equal_weight"] = "equal_weight"
    label: str | None = None
    rebalance_seconds: PositiveFloat | None = None


class FixedWeight(Section):
    """Weights by pod id; their sum lies in (0, 1]; what is left stays cash."""

    name: Literal["fixed_weight"]
    weights: dict[Slug, UnitFraction]
    label: str | None = None
    rebalance_seconds: PositiveFloat | None = None

    @model_validator(mode="after")
    def _sum(self) -> FixedWeight:
        total = sum(self.weights.values())
        if not 0 < total <= 1 + 1e-9:
            raise ValueError(f"weights sum to {total}; they must sum to more than 0 and at most 1")
        return self


class InverseVolatility(Section):
    """1/max(volatility, 1e-8), normalised; pods with fewer than ``min_returns`` daily returns are unknown."""

    name: Literal["inverse_volatility"]
    lookback_days: Annotated[int, Field(ge=2)] = 60
    min_returns: Annotated[int, Field(ge=2)] = 20
    label: str | None = None
    rebalance_seconds: PositiveFloat | None = None

    @model_validator(mode="after")
    def _reachable(self) -> InverseVolatility:
        if self.min_returns > self.lookback_days:
            raise ValueError(
                f"min_returns {self.min_returns} exceeds lookback_days {self.lookback_days}: no pod would ever be known"
            )
        return self


CapitalPolicy = Annotated[EqualWeight | FixedWeight | InverseVolatility, Field(discriminator="name")]


class Rebalance(Section):
    """When capital fractions are computed anew (spec 6)."""

    interval_seconds: PositiveFloat = 604_800.0
    drift: PositiveFloat = 0.10
    skip_below: NonNegativeFloat = 0.02


class Guards(Section):
    """Limits of the risk gate; null switches a limit off, which the journal's configuration then shows."""

    initial_state: Literal["ACTIVE", "REDUCING", "HALTED"] = "ACTIVE"
    max_position: PositiveFloat | None = None
    max_symbol_notional: PositiveFloat | None = None
    max_gross_exposure: PositiveFloat = 3.0
    max_price_age_seconds: PositiveFloat | None = None


class InternalPaper(Section):
    """The portfolio step fills its own orders at the next fresh bar's open (spec 1)."""

    mode: Literal["internal_paper"] = "internal_paper"
    slippage_bps: NonNegativeFloat = 5.0
    account: Slug = "paper"
    order_type: Literal["market", "limit"] = "market"
    time_in_force: Literal["day", "gtc", "ioc"] = "day"


#: What has to be written to trade for real.
ACKNOWLEDGEMENT = "I know that these orders are real"


class PaperVenue(Section):
    """A paper venue on Kafka fills the orders (``weir paper-execution``; its own settings are ``paper_venue``).

    Every cycle's end is marked in the orders topic, and the next cycle waits for the venue's answer: the loop is
    deterministic (design, "Feedback goes through the log").
    """

    mode: Literal["paper_venue"]
    account: Slug = "paper"
    order_timeout_seconds: NonNegativeFloat = 120.0
    reject_backoff_seconds: NonNegativeFloat = 60.0
    order_type: Literal["market", "limit"] = "market"
    time_in_force: Literal["day", "gtc", "ioc"] = "day"


class Live(Section):
    """An execution service trades the orders and reports on the fills topic; its arrival decides.

    The portfolio starts HALTED until a position report reconciles and a named operator arms it. Trading for real takes
    all three: this mode, ``live_trading: true`` and the ``acknowledgement`` sentence.
    """

    mode: Literal["live"]
    account: Slug
    live_trading: bool = False
    acknowledgement: str = ""
    order_timeout_seconds: NonNegativeFloat = 120.0
    reject_backoff_seconds: NonNegativeFloat = 60.0
    order_type: Literal["market", "limit"] = "limit"
    time_in_force: Literal["day", "gtc", "ioc"] = "day"

    @model_validator(mode="after")
    def _meant(self) -> Live:
        if not self.live_trading or self.acknowledgement != ACKNOWLEDGEMENT:
            raise ValueError(
                f"mode live trades real money: set live_trading: true and acknowledgement: {ACKNOWLEDGEMENT!r} as well"
            )
        return self


Execution = Annotated[InternalPaper | PaperVenue | Live, Field(discriminator="mode")]


class Portfolio(Section):
    """One account: its pods, capital policy, limits and execution."""

    id: Slug
    base_currency: str = "USD"
    initial_equity: PositiveFloat = 1_000_000.0
    reference_capital: PositiveFloat = 1_000_000.0
    pods: Annotated[list[Pod], Field(min_length=1)]
    capital: CapitalPolicy = EqualWeight()
    rebalance: Rebalance = Rebalance()
    max_gross_leverage: PositiveFloat = 3.0
    rebalance_band: NonNegativeFloat = 0.10
    guards: Guards = Guards()
    execution: Execution = InternalPaper()
    heartbeat_cycles: Annotated[int, Field(ge=0)] = 1000
    #: currency -> symbol whose price converts one unit of it into the base currency
    conversions: dict[str, SymbolName] = {}

    @field_validator("execution", mode="before")
    @classmethod
    def _default_mode(cls, value: Any) -> Any:
        return {"mode": "internal_paper", **value} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _names(self) -> Portfolio:
        for kind, names in (
            ("pod", [p.id for p in self.pods]),
            ("schedule", [s.id for p in self.pods for s in p.schedules]),
        ):
            twice = sorted({n for n in names if names.count(n) > 1})
            if twice:
                raise ValueError(f"portfolio {self.id}: {kind} id used twice: {', '.join(twice)}")
        if isinstance(self.capital, FixedWeight):
            unknown = sorted(set(self.capital.weights) - {p.id for p in self.pods})
            if unknown:
                raise ValueError(f"portfolio {self.id}: capital.weights names unknown pods: {', '.join(unknown)}")
        return self
