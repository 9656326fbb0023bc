"""The structure of an explained order: from the order back to what its strategies saw (design, promise 5)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from schemas.decision import DecisionBody
from schemas.reasons import Reason


class IntentExplained(Struct, frozen=True, kw_only=True):
    """The standing intent of a schedule for the order's symbol. Intents come on change only, so it may be older than
    the order: ``sequence`` and ``cycle`` name its decision. ``strategy`` is empty where no configuration was given."""

    pod: str
    schedule: str
    strategy: str
    sequence: int
    cycle: int
    direction: str
    value: float
    confidence: float
    weight: float
    target_notional: float
    price: float
    features: dict[str, float | None]
    feature_snapshot_hash: str
    parameters: dict[str, Any]


class TargetExplained(Struct, frozen=True, kw_only=True):
    """A pod's standing target for the order's symbol: the chain gross -> net -> weight -> units."""

    pod: str
    sequence: int
    cycle: int
    gross: float
    net: float
    weight: float
    fraction: float
    units: float
    previous_units: float
    conflict: bool


class ClipExplained(Struct, frozen=True, kw_only=True):
    """A cut on the way, with what its reason means; older than the order where it made a target that still stands."""

    sequence: int
    cycle: int
    pod: str
    symbol: str
    reason: str
    explanation: str
    unit: str
    before: float
    after: float


class FillExplained(Struct, frozen=True, kw_only=True):
    """A fill of the order; ``shares`` by pod."""

    sequence: int
    cycle: int
    quantity: float
    price: float
    fee: float
    shares: dict[str, float]


class CancelExplained(Struct, frozen=True, kw_only=True):
    """A later decision took the order back."""

    sequence: int
    cycle: int
    reason: str
    explanation: str


class InputPosition(Struct, frozen=True, kw_only=True):
    """The messages that a decision was made from."""

    topic: str
    partition: int
    first_offset: int
    last_offset: int


class DecisionExplained(Struct, frozen=True, kw_only=True):
    """The decision that holds the order."""

    decision_id: str
    sequence: int
    cycle: int
    hash: str
    previous: str
    config_hash: str
    code_version: str
    trading_state: str
    equity: float
    cash: float
    gross_exposure: float
    net_exposure: float
    inputs: list[InputPosition]


class OrderExplanation(Struct, frozen=True, kw_only=True):
    """Everything that led to one order.

    ``attribution`` gives each pod's share. It is the order's own where an orders file was read; else it is made from
    the pods' target changes in its decision, and ``attribution_from`` says "targets". ``wire`` is the order line, if
    there is one.
    """

    client_order_id: str
    portfolio: str
    symbol: str
    side: str
    quantity: float
    order_sequence: int
    reference_price: float
    position_before: float
    pending_before: float
    approved: float
    attribution: dict[str, float]
    attribution_from: str
    decision: DecisionExplained
    targets: list[TargetExplained]
    intents: list[IntentExplained]
    clips: list[ClipExplained]
    fills: list[FillExplained]
    cancels: list[CancelExplained]
    wire: dict[str, Any] | None


def reason_text(code: str) -> str:
    """What a reason code means; says so when this version does not know it."""
    reason = Reason.__members__.get(code)
    return "unknown to this version" if reason is None else reason.explanation


def clips_for(body: DecisionBody, symbol: str, pod: str | None = None) -> list[ClipExplained]:
    """The decision's clips that touch ``symbol`` (an empty one: all symbols), in their order; of ``pod`` if given."""
    table = body.clips
    if table is None:
        return []
    return [
        ClipExplained(
            sequence=body.sequence,
            cycle=body.cycle,
            pod=table.pod[i],
            symbol=table.symbol[i],
            reason=table.reason[i],
            explanation=reason_text(table.reason[i]),
            unit=table.unit[i],
            before=table.before[i],
            after=table.after[i],
        )
        for i in range(len(table.reason))
        if table.symbol[i] in (symbol, "") and pod in (None, table.pod[i])
    ]


def fills_for(body: DecisionBody, client_order_id: str) -> list[FillExplained]:
    """The fills of the order that the decision booked."""
    table = body.fills
    if table is None:
        return []
    return [
        FillExplained(
            sequence=body.sequence,
            cycle=body.cycle,
            quantity=table.quantity[i],
            price=table.price[i],
            fee=table.fee[i],
            shares=dict(zip(table.pods[i], table.shares[i], strict=True)),
        )
        for i in range(len(table.symbol))
        if table.client_order_id[i] == client_order_id
    ]


def cancels_for(body: DecisionBody, client_order_id: str) -> list[CancelExplained]:
    """The decision's cancels of the order."""
    return [
        CancelExplained(
            sequence=body.sequence, cycle=body.cycle, reason=row["reason"], explanation=reason_text(row["reason"])
        )
        for row in body.cancels or ()
        if row["client_order_id"] == client_order_id
    ]
