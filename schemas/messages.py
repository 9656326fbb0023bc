"""Wire messages of every topic (spec 1), decoded with msgspec.

Event time (``ts``) is UTC nanoseconds; a bar's event time is its close. Market, signal and fill messages ignore unknown
fields of the same major version; control and overlay messages refuse them. A message without ``v`` is version 1.
Sizes are in units of the instrument, prices in its currency, notionals in the portfolio's base currency.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

#: Nanoseconds since 1970 that fit a signed 64-bit column.
EventTime = Annotated[int, Meta(ge=0, le=2**62)]
Sequence = Annotated[int, Meta(ge=0, le=2**62)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]
Positive = Annotated[float, Meta(gt=0.0)]
NotNegative = Annotated[float, Meta(ge=0.0)]

SCHEMA_VERSION = 1


class Open(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of messages whose unknown fields are ignored and counted."""


class Strict(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Base of messages whose unknown fields are refused: a typo in a command must not pass."""


# ---------------------------------------------------------------- market topic, keyed by symbol
class Bar(Open, frozen=True, tag="bar", tag_field="type"):
    """OHLCV of one symbol and interval; ``final`` false marks a bar that still forms."""

    symbol: Name
    ts: EventTime
    open: Positive
    high: Positive
    low: Positive
    close: Positive
    interval: str = ""
    volume: NotNegative | None = None
    vwap: Positive | None = None
    trades: int | None = None
    venue: str | None = None
    seq: Sequence = 0
    final: bool = True
    v: int = 1


class Quote(Open, frozen=True, tag="quote", tag_field="type"):
    """Best bid and offer."""

    symbol: Name
    ts: EventTime
    bid: Positive
    ask: Positive
    bid_size: NotNegative | None = None
    ask_size: NotNegative | None = None
    venue: str | None = None
    seq: Sequence = 0
    v: int = 1


class Trade(Open, frozen=True, tag="trade", tag_field="type"):
    """A public trade."""

    symbol: Name
    ts: EventTime
    price: Positive
    size: NotNegative
    venue: str | None = None
    seq: Sequence = 0
    v: int = 1


class ClockTick(Open, frozen=True, tag="clock_tick", tag_field="type"):
    """Event time has reached ``ts`` on this partition: nothing at or before it follows."""

    ts: EventTime
    v: int = 1


class CorporateAction(Open, frozen=True, tag="corporate_action", tag_field="type"):
    """A split (``ratio`` new units for one old) or a cash dividend (``amount`` per unit), effective at ``ts``."""

    symbol: Name
    ts: EventTime
    action: Literal["split", "cash_dividend"]
    ratio: Positive | None = None
    amount: NotNegative | None = None
    seq: Sequence = 0
    v: int = 1


class SymbolEvent(Open, frozen=True, tag="symbol_event", tag_field="type"):
    """Depth, funding, open interest, macro and listing events; ``body`` is the source's own document."""

    symbol: Name
    ts: EventTime
    event: Literal["depth", "funding", "open_interest", "macro", "listing", "delisting", "expiry", "borrow_fee"]
    body: dict[str, Any]
    seq: Sequence = 0
    v: int = 1


# ---------------------------------------------------------------- side topics
class SignalEnvelope(Open, frozen=True, tag="signal", tag_field="type"):
    """An outside model's view of a symbol, which counts until ``expires_at`` (event time, UTC ns)."""

    model: Name
    symbol: Name
    ts: EventTime
    strength: float
    confidence: Fraction = 1.0
    horizon: str = ""
    expires_at: EventTime | None = None
    seq: Sequence = 0
    traceparent: str | None = None
    v: int = 1


class ExecutionReport(Open, frozen=True, tag="execution_report", tag_field="type"):
    """What a venue says of an order; a fill carries quantity, price and fee."""

    portfolio: Name
    client_order_id: Name
    ts: EventTime
    status: Literal["accepted", "partially_filled", "filled", "rejected", "cancelled", "expired"]
    symbol: Name
    side: Literal["buy", "sell"]
    quantity: NotNegative = 0.0
    price: Positive | None = None
    fee: float = 0.0
    execution_id: str = ""
    text: str = ""
    v: int = 1


class Position(Open, frozen=True):
    """A position in units as an outside book reports it."""

    symbol: Name
    quantity: float
    average_price: NotNegative | None = None


class PositionReport(Open, frozen=True, tag="position_report", tag_field="type"):
    """Positions, open orders and cash of an account, to reconcile against."""

    portfolio: Name
    account: Name
    ts: EventTime
    positions: list[Position]
    open_orders: list[Name] = []
    cash: float | None = None
    v: int = 1


class OverlayUpdate(Strict, frozen=True, tag="overlay", tag_field="type"):
    """HRP budgets, CVaR caps or a regime label from an overlay flow."""

    portfolio: Name
    ts: EventTime
    kind: Literal["hrp_budget", "cvar_cap", "regime"]
    body: dict[str, Any]
    effective_at: EventTime | None = None
    v: int = 1


class Target(Strict, frozen=True):
    """Whom a command means; exactly the levels that ``scope`` names are filled."""

    scope: Literal["global", "portfolio", "pod", "strategy", "schedule", "tag", "symbol"]
    name: str = ""


class ControlCommand(Strict, frozen=True, tag="control", tag_field="type"):
    """An operator's command (spec 7, 13). ``body`` holds what the command needs beyond its target.

    The commands stand in :data:`schemas.control.COMMANDS`; ``signature`` is described in
    :mod:`schemas.command_signature`.
    """

    id: Name
    command: Name
    operator: Name
    ts: EventTime
    portfolio: Name
    target: Target
    reason: str = ""
    note: str = ""
    body: dict[str, Any] = {}
    effective_at: EventTime | None = None
    expires_at: EventTime | None = None
    key_id: str | None = None
    signature: str | None = None
    v: int = 1


# ---------------------------------------------------------------- what leaves Weir
class Order(Struct, frozen=True, kw_only=True, tag="order", tag_field="type"):
    """An order on the orders topic; idempotent by ``client_order_id``, ordered by ``sequence`` without gaps."""

    account: str
    attribution: dict[str, float]
    client_order_id: str
    config_hash: str
    cycle: int
    decision_id: str
    decision_sequence: int
    limit_price: float | None
    order_type: Literal["market", "limit"]
    portfolio: str
    quantity: float
    reducing: bool
    reference_price: float
    sequence: int
    side: Literal["buy", "sell"]
    stop_price: float | None
    symbol: str
    time_in_force: Literal["day", "gtc", "ioc"]
    v: int
    venue: str


class Cancel(Struct, frozen=True, kw_only=True, tag="cancel", tag_field="type"):
    """Takes an open order back; counts in the same ``sequence`` as orders."""

    account: str
    client_order_id: str
    cycle: int
    decision_id: str
    decision_sequence: int
    portfolio: str
    reason: str
    sequence: int
    symbol: str
    v: int


class Halt(Struct, frozen=True, kw_only=True, tag="halt", tag_field="type"):
    """What an execution service obeys at once, whatever the flow is doing (design, "Kill is immediate").

    From a ``halted`` on nothing of ``portfolio`` ("*": any) within ``scope`` is sent to a market, and what is open
    there is cancelled; a record with ``halted`` false of the same portfolio, scope and name lifts it. ``id`` is that of
    the control command written beside it, ``ts`` the operator's clock.
    """

    halted: bool
    id: str
    operator: str
    portfolio: str
    reason: str
    scope: Literal["global", "portfolio", "pod", "strategy", "schedule", "symbol"]
    name: str
    ts: int
    v: int = 1


class CycleEnd(Struct, frozen=True, kw_only=True, tag="cycle_end", tag_field="type"):
    """Closes a cycle in the orders topic (paper venue mode)."""

    cycle: int
    orders: int
    portfolio: str
    sequence: int
    v: int = 1


class DeadLetter(Struct, frozen=True, kw_only=True, tag="dead_letter", tag_field="type"):
    """A message that could not be used: where it stands, why, and its raw bytes."""

    error: str
    offset: int
    partition: int
    payload: str | None
    payload_base64: str | None
    reason: str
    timestamp: int
    topic: str
    v: int = 1


class LifecycleEvent(Struct, frozen=True, kw_only=True, tag="lifecycle", tag_field="type"):
    """A transition of a pod, asset or trading state with its evidence."""

    before: str
    after: str
    cycle: int
    evidence: dict[str, Any]
    portfolio: str
    reason: str
    subject: str
    v: int = 1


class TelemetryEvent(Struct, frozen=True, kw_only=True, tag="telemetry", tag_field="type"):
    """A structured event for operators (seed 001)."""

    cycle: int
    event: str
    body: dict[str, Any]
    portfolio: str
    v: int = 1


# ---------------------------------------------------------------- contracts between stages (seed 002)
class FeatureVector(Struct, frozen=True, kw_only=True):
    """Canonical features of a symbol at a cycle (FeatureVectorV3)."""

    symbol: str
    cycle: int
    interval: str
    features: dict[str, float | None]
    schema_version: int = 3


class StrategyDefinition(Struct, frozen=True, kw_only=True):
    """A configured strategy version."""

    strategy_id: str
    strategy_type: str
    version: str
    params: dict[str, Any]
    feature_requirements: list[str]
    risk_profile: str
    execution_profile: str
    enabled: bool
    parameter_hash: str


class StrategyIntent(Struct, frozen=True, kw_only=True):
    """What a schedule wants of a symbol. ``target_notional`` is in base currency, ``weight`` at pod capital."""

    strategy_id: str
    symbol: str
    direction: Literal["long", "short", "flat"]
    confidence: float
    target_notional: float
    weight: float
    horizon: str
    explain: dict[str, Any]
    feature_snapshot_hash: str
    trace_id: str
    config_hash: str


class PortfolioIntent(Struct, frozen=True, kw_only=True):
    """Net target of a symbol for the whole portfolio, in units."""

    symbol: str
    net_target_qty: float
    allocator_trace: dict[str, Any]
    regime_label: str
    capacity_bucket: str


class OrderIntent(Struct, frozen=True, kw_only=True):
    """A broker-neutral order intent: ``target_position`` sets a pod's target in units, ``market_delta`` adds to it."""

    strategy_id: str
    symbol: str
    intent_type: Literal["target_position", "market_delta"]
    quantity: float
    stop_price: float | None = None
    risk_pct: float | None = None
    ts: int = 0
    metadata: dict[str, Any] = {}


MarketMessage = Bar | Quote | Trade | ClockTick | CorporateAction | SymbolEvent
ControlMessage = ControlCommand | ClockTick
FillMessage = ExecutionReport | PositionReport | ClockTick
OverlayMessage = OverlayUpdate | ClockTick
SignalMessage = SignalEnvelope | ClockTick
OutputMessage = Order | Cancel | CycleEnd | Halt | DeadLetter | LifecycleEvent | TelemetryEvent

#: The union that each topic role decodes to.
TOPIC_MESSAGES: dict[str, Any] = {
    "market": MarketMessage,
    "control": ControlMessage,
    "fills": FillMessage,
    "overlay": OverlayMessage,
    "signals": SignalMessage,
}
