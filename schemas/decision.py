"""The decision record: one per portfolio and cycle in which anything happened (design, "Decisions and journal").

A journal line is ``{"body":<body>,"hash":<hex>,"envelope":{...}}``. The *body* is deterministic and canonical: its keys
are sorted (fields below stand in that order), its floats are shortest round-trip. It contains the previous body's hash,
so ``hash = sha256(body bytes)`` chains the journal. The *envelope* is added at the edge and covers what may differ
between two runs of the same log (code version, key id, trace ids, signature).

Tables inside a body are columns: ``intents.symbol[i]`` belongs to ``intents.confidence[i]``. That is how ClickHouse's
Nested takes them, and it costs a third of the bytes and time of one object a row.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

#: What the first body of a portfolio names as its predecessor.
GENESIS = "0" * 64


class IntentTable(Struct, frozen=True, kw_only=True):
    """Intents of this cycle. ``value`` is as the strategy said it (strength, or notional where ``notional`` holds one);
    ``weight`` is signed exposure at pod capital before netting; ``target_notional`` = weight x fraction x equity.
    ``features`` are the declared feature values in the order of the strategy's declaration, null where unknown."""

    confidence: list[float]
    direction: list[str]
    feature_snapshot_hash: list[str]
    features: list[list[float | None]]
    pod: list[str]
    price: list[float]
    schedule: list[str]
    symbol: list[str]
    target_notional: list[float]
    value: list[float]
    weight: list[float]


class TargetTable(Struct, frozen=True, kw_only=True):
    """Targets per (pod, symbol) that changed in this cycle. ``net`` is the pod weight after netting, ``weight`` after
    the leverage layers (still at pod capital), ``fraction`` the pod's capital share, ``units`` the resulting target."""

    conflict: list[bool]
    fraction: list[float]
    gross: list[float]
    net: list[float]
    pod: list[str]
    symbol: list[str]
    units: list[float]
    weight: list[float]


class ClipTable(Struct, frozen=True, kw_only=True):
    """Every cut, refusal and suppression of this cycle, in the order in which it was made. ``before`` and ``after`` are
    in ``unit``: "weight" (at pod or portfolio capital) or "units". ``pod`` is empty at portfolio level."""

    after: list[float]
    before: list[float]
    pod: list[str]
    reason: list[str]
    symbol: list[str]
    unit: list[str]


class OrderTable(Struct, frozen=True, kw_only=True):
    """Orders of this cycle with what they came from, in units: position and pending before, approved target after."""

    approved: list[float]
    client_order_id: list[str]
    pending: list[float]
    position: list[float]
    quantity: list[float]
    reference_price: list[float]
    sequence: list[int]
    symbol: list[str]


class FillTable(Struct, frozen=True, kw_only=True):
    """Fills booked in this cycle. ``quantity`` is signed, ``fee`` in base currency, ``pods``/``shares`` split it.

    A row of quantity 0 and without an order is a trade among pods at ``price``: its ``shares`` are signed units.
    ``execution_id`` is the venue's, empty where the portfolio fills its own orders."""

    client_order_id: list[str]
    execution_id: list[str]
    fee: list[float]
    pods: list[list[str]]
    price: list[float]
    quantity: list[float]
    shares: list[list[float]]
    symbol: list[str]


class PodTable(Struct, frozen=True, kw_only=True):
    """Every pod's own book (capital 1.0 at the start) and capital fraction at this cycle, and what its part of the
    account has earned so far in base currency: realised and unrealised at average cost, before ``fees``."""

    equity: list[float]
    fees: list[float]
    fraction: list[float]
    pod: list[str]
    realised: list[float]
    unrealised: list[float]


class DecisionBody(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """See the module's text. ``cycle`` is UTC ns; ``inputs`` rows are [topic, partition, first offset, last offset] of
    the messages that this cycle was made from; money is in base currency."""

    cancels: list[dict[str, Any]] | None = None
    capital: dict[str, Any] | None = None
    cash: float
    clips: ClipTable | None = None
    commands: list[dict[str, Any]] | None = None
    config_hash: str
    cycle: int
    decision_id: str
    equity: float
    events: list[dict[str, Any]] | None = None
    fills: FillTable | None = None
    gross_exposure: float
    heartbeat: bool = False
    inputs: list[tuple[str, int, int, int]]
    intents: IntentTable | None = None
    net_exposure: float
    orders: OrderTable | None = None
    pods: PodTable
    portfolio: str
    previous: str
    sequence: int
    targets: TargetTable | None = None
    trading_state: str
    transitions: list[dict[str, Any]] | None = None
    v: int


class Envelope(Struct, frozen=True, kw_only=True):
    """What the edge adds; the signature (spec 11) covers it together with the body's hash."""

    code_version: str
    key_id: str | None = None
    signature: str | None = None
    traceparent: str | None = None


class DecisionRecord(Struct, frozen=True, kw_only=True):
    """One journal line."""

    body: DecisionBody
    hash: str
    envelope: Envelope
