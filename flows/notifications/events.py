"""A decision as telemetry events (seed 001): a pure function, so that a repeated decision gives the same events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from schemas.decision import DecisionBody
from schemas.messages import TelemetryEvent

#: Every event that there is, with what its body tells.
EVENTS = {
    "strategy.lifecycle": "a schedule's event, or a transition of a pod, asset, state or limit",
    "strategy.metrics": "a pod's equity, capital share, realised and unrealised profit and fees",
    "strategy.coordinator": "a new allocation of capital, or a warning about exposure",
    "coordinator.intent_received": "an intent: what was asked, and the target notional that it came to",
    "coordinator.intent_fulfilled": "an order: its id, the position before and the approved target",
    "coordinator.intent_ignored": "an intent of a symbol for which neither order nor cut followed",
    "order_clipped": "a cut or refusal with its reason",
    "control.command": "an operator's command with its verdict",
}
_EXPOSURE = ("INTENT_OFFSET_HIGH", "CAPITAL_UNALLOCATED", "CAPITAL_REGIME_IGNORED")


def events_of(body: DecisionBody) -> list[TelemetryEvent]:
    """The events of a decision, in a fixed order; ``body.sequence`` and ``body.n`` identify one."""
    found = [*_strategies(body), *_coordinator(body), *_commands(body)]
    return [
        TelemetryEvent(
            cycle=body.cycle, event=name, body={"n": n, "sequence": body.sequence, **what}, portfolio=body.portfolio
        )
        for n, (name, what) in enumerate(found)
    ]


def _rows(table: Any, *names: str) -> Iterator[dict[str, Any]]:
    """Rows of a table of columns."""
    if table is not None:
        for values in zip(*(getattr(table, name) for name in names), strict=True):
            yield dict(zip(names, values, strict=True))


def _strategies(body: DecisionBody) -> Iterator[tuple[str, dict[str, Any]]]:
    for event in body.events or []:
        name = "strategy.coordinator" if event.get("reason") in _EXPOSURE else "strategy.lifecycle"
        yield name, event
    for transition in body.transitions or []:
        yield "strategy.lifecycle", transition
    for row in _rows(body.pods, "pod", "equity", "fraction", "realised", "unrealised", "fees"):
        yield "strategy.metrics", row


def _coordinator(body: DecisionBody) -> Iterator[tuple[str, dict[str, Any]]]:
    if body.capital is not None:
        told = ("policy", "trigger", "before", "fractions", "turnover")
        yield "strategy.coordinator", {key: body.capital[key] for key in told if key in body.capital}
    clips = list(_rows(body.clips, "reason", "pod", "symbol", "before", "after", "unit"))
    orders = list(_rows(body.orders, "client_order_id", "symbol", "quantity", "position", "pending", "approved"))
    acted = {row["symbol"] for row in (*clips, *orders)}
    for row in _rows(body.intents, "schedule", "pod", "symbol", "direction", "value", "confidence", "target_notional"):
        yield "coordinator.intent_received", row
        if row["symbol"] not in acted:
            yield "coordinator.intent_ignored", {key: row[key] for key in ("schedule", "pod", "symbol")}
    for row in clips:
        yield "order_clipped", row
    for row in orders:
        yield "coordinator.intent_fulfilled", row


def _commands(body: DecisionBody) -> Iterator[tuple[str, dict[str, Any]]]:
    for command in body.commands or []:
        keys = ("id", "command", "target", "operator", "verdict", "detail", "late", "reason", "note")
        yield "control.command", {key: command[key] for key in keys if key in command}
