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
)
from schemas.configuration.capital import CapitalPolicy, EqualWeight, Traded, fixed_weight_problems
from schemas.configuration.capital_limits import CapitalLimits, Envelope, Rebalance, Regime
from schemas.configuration.pod_rules import (
    AllocatorChoice,
    AssetAllocator,
    LifecycleState,
    LifecycleSwitch,
    SelectorSwitch,
)
from schemas.configuration.signals import InitialSignalLimit, InitialSuspension, TimeWindow


class Schedule(Section):
    """Binds one strategy version to symbols, parameters and a cadence.

    ``symbols`` is a list or ``"*"`` for every instrument. ``share`` is the part of the pod's capital; without it the
    pod's schedules share alike. ``horizon`` names what it nets with (default: its interval). ``cadence_seconds``,
    ``max_drift_seconds`` and ``window`` are event time; ``max_signals`` counts entries and increases in one cycle.
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
    cadence_seconds: PositiveFloat | None = None
    max_drift_seconds: NonNegativeFloat | None = None
    max_signals: Annotated[int, Field(ge=0)] | None = None
    window: TimeWindow | None = None
    priority: int = 0
    risk_profile: Slug = "balanced"
    execution_profile: Slug = "default"
    tags: list[Slug] = []
    on_silence: Literal["hold", "flat"] = "hold"


class Pod(Section):
    """A strategy book with its own capital of 1.0."""

    id: Slug
    schedules: Annotated[list[Schedule], Field(min_length=1)]
    max_leverage: PositiveFloat = 1.0
    selector: SelectorSwitch = "off"
    asset_allocator: AllocatorChoice = AssetAllocator()
    lifecycle: LifecycleSwitch = "off"
    initial_state: LifecycleState = "INCUBATION"
    slippage_bps: NonNegativeFloat = 5.0
    #: annualised
    volatility_target: PositiveFloat | None = None
    tags: list[Slug] = []
    envelopes: dict[SymbolName, Envelope] = {}

    @model_validator(mode="after")
    def _shares(self) -> Pod:
        shares = [s.share for s in self.schedules if s.enabled]
        given = [s for s in shares if s is not None]
        if given and len(given) != len(shares):
            raise ValueError(f"pod {self.id}: give every enabled schedule a share or none")
        if sum(given) > 1 + 1e-9:
            raise ValueError(f"pod {self.id}: the schedules' shares sum to {sum(given)}, more than 1")
        return self


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
    capital_limits: CapitalLimits = CapitalLimits()
    regime: Regime | None = None
    periods_per_year: PositiveFloat = 365.0
    max_gross_leverage: PositiveFloat = 3.0
    rebalance_band: NonNegativeFloat = 0.10
    guards: Guards = Guards()
    execution: Execution = InternalPaper()
    heartbeat_cycles: Annotated[int, Field(ge=0)] = 1000
    initial_suspensions: list[InitialSuspension] = []
    initial_signal_limits: list[InitialSignalLimit] = []
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
        problems = fixed_weight_problems(self.capital, traded_by(self.pods))
        problems += self.capital_limits.problems([p.id for p in self.pods])
        problems += self._signal_control_problems()
        if problems:
            raise ValueError(f"portfolio {self.id}: " + "; ".join(problems))
        return self

    def _signal_control_problems(self) -> list[str]:
        schedules = [s for p in self.pods for s in p.schedules]
        names = {"schedule": {s.id for s in schedules}, "tag": {t for s in schedules for t in s.tags}}
        problems = [
            f"initial_suspensions: no {s.scope} {s.name!r}"
            for s in self.initial_suspensions
            if s.name not in names[s.scope]
        ]
        pairs = {(s.strategy.partition("@")[0], s.risk_profile) for s in schedules}
        problems += [
            f"initial_signal_limits: no schedule has strategy {one.strategy!r} and risk_profile {one.risk_profile!r}"
            for one in self.initial_signal_limits
            if (one.strategy, one.risk_profile) not in pairs
        ]
        return problems


def traded_by(pods: list[Pod]) -> dict[str, list[Traded]]:
    """What fixed weights can name of each pod: its enabled schedules, strategies without their version."""
    return {
        p.id: [
            Traded(schedule=s.id, strategy=s.strategy.partition("@")[0], profile=s.risk_profile)
            for s in p.schedules
            if s.enabled
        ]
        for p in pods
    }
