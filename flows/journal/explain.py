"""Explains one order from end to end: ``explain_order`` finds it, :mod:`flows.journal.show` prints it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client

from flows.errors import InvalidInput
from flows.journal.evidence import ClickHouseEvidence, Evidence, JournalEvidence
from flows.journal.explanation import (
    CancelExplained,
    ClipExplained,
    DecisionExplained,
    FillExplained,
    InputPosition,
    IntentExplained,
    OrderExplanation,
    TargetExplained,
    cancels_for,
    clips_for,
    fills_for,
)
from flows.journal.line import JournalLine
from schemas.configuration import Configuration
from schemas.decision import DecisionBody, OrderTable


class OrderUnknown(InvalidInput):
    """No decision holds an order with this id."""


@dataclass(slots=True)
class Standing:
    """What stood for the order's symbol when its decision was made, by schedule and by pod."""

    symbol: str
    intents: dict[tuple[str, str], tuple[DecisionBody, int]] = field(default_factory=dict)
    targets: dict[str, tuple[DecisionBody, int]] = field(default_factory=dict)
    units_before: dict[str, float] = field(default_factory=dict)

    def take(self, body: DecisionBody) -> None:
        """A decision, in sequence: what it says replaces what stood."""
        if body.intents is not None:
            for row, symbol in enumerate(body.intents.symbol):
                if symbol == self.symbol:
                    self.intents[body.intents.pod[row], body.intents.schedule[row]] = body, row
        if body.targets is not None:
            for row, symbol in enumerate(body.targets.symbol):
                if symbol == self.symbol:
                    self._take_target(body, body.targets.pod[row], row)

    def _take_target(self, body: DecisionBody, pod: str, row: int) -> None:
        old = self.targets.get(pod)
        if old is not None and old[0].targets is not None:
            self.units_before[pod] = old[0].targets.units[old[1]]
        self.targets[pod] = body, row


def explain_order(
    source: Path | Client,
    client_order_id: str,
    *,
    configuration: Configuration | None = None,
    feature_names: Mapping[str, Sequence[str]] | None = None,
) -> OrderExplanation:
    """Leads an order back to intents, features, input positions, configuration and each clip.

    Args:
        source: a run's folder or journal file, or a client of a migrated database.
        client_order_id: the order.
        configuration: the run's configuration: names strategy, version and parameters of each schedule.
        feature_names: names of the declared features by schedule id, in declared order; else they are numbered.

    Raises:
        OrderUnknown: no decision holds the order.
        JournalUnusable: there is no journal at ``source``.
    """
    evidence: Evidence = JournalEvidence(source) if isinstance(source, Path) else ClickHouseEvidence(source)
    line = evidence.order_decision(client_order_id)
    if line is None:
        raise OrderUnknown(
            f"order {client_order_id}: no decision holds it; ids stand in orders.jsonl and in the view orders"
        )
    body = line.body()
    orders = body.orders
    if orders is None:
        raise OrderUnknown(f"order {client_order_id}: decision {line.sequence} has no orders")
    row = orders.client_order_id.index(client_order_id)
    symbol = orders.symbol[row]
    standing = Standing(symbol)
    for earlier in evidence.before(line, symbol):
        standing.take(earlier)
    standing.take(body)
    fills, cancels = fills_for(body, client_order_id), cancels_for(body, client_order_id)
    for later in evidence.later(line, client_order_id):
        fills += fills_for(later, client_order_id)
        cancels += cancels_for(later, client_order_id)
    targets = targets_of(standing, body)
    clips = standing_clips(standing, body) + clips_for(body, symbol)
    intents = intents_of(standing, Schedules(configuration, body.portfolio), feature_names or {})
    return _assemble(
        line, body, orders, row, targets, intents, clips, (fills, cancels), evidence.wire_order(client_order_id)
    )


def _assemble(
    line: JournalLine,
    body: DecisionBody,
    orders: OrderTable,
    row: int,
    targets: list[TargetExplained],
    intents: list[IntentExplained],
    clips: list[ClipExplained],
    outcome: tuple[list[FillExplained], list[CancelExplained]],
    wire: dict[str, Any] | None,
) -> OrderExplanation:
    delta = orders.approved[row] - orders.position[row] - orders.pending[row]
    attribution = _attribution(targets, body.sequence) if wire is None else dict(wire.get("attribution", {}))
    return OrderExplanation(
        client_order_id=orders.client_order_id[row],
        portfolio=body.portfolio,
        symbol=orders.symbol[row],
        side="buy" if delta > 0 else "sell",
        quantity=abs(orders.quantity[row]),
        order_sequence=orders.sequence[row],
        reference_price=orders.reference_price[row],
        position_before=orders.position[row],
        pending_before=orders.pending[row],
        approved=orders.approved[row],
        attribution=attribution,
        attribution_from="targets" if wire is None else "order",
        decision=decision_of(line, body),
        targets=targets,
        intents=intents,
        clips=clips,
        fills=outcome[0],
        cancels=outcome[1],
        wire=wire,
    )


def decision_of(line: JournalLine, body: DecisionBody) -> DecisionExplained:
    """The head of a decision."""
    return DecisionExplained(
        decision_id=body.decision_id,
        sequence=body.sequence,
        cycle=body.cycle,
        hash=line.hash,
        previous=body.previous,
        config_hash=body.config_hash,
        code_version=line.envelope.code_version,
        trading_state=body.trading_state,
        equity=body.equity,
        cash=body.cash,
        gross_exposure=body.gross_exposure,
        net_exposure=body.net_exposure,
        inputs=[
            InputPosition(topic=topic, partition=partition, first_offset=first, last_offset=last)
            for topic, partition, first, last in body.inputs
        ],
    )


def targets_of(standing: Standing, order_body: DecisionBody) -> list[TargetExplained]:
    """Each pod's standing target at the time of a decision."""
    explained: list[TargetExplained] = []
    for pod, (body, row) in sorted(standing.targets.items()):
        table = body.targets
        if table is None:
            continue
        changed_now = body.sequence == order_body.sequence
        explained.append(
            TargetExplained(
                pod=pod,
                sequence=body.sequence,
                cycle=body.cycle,
                gross=table.gross[row],
                net=table.net[row],
                weight=table.weight[row],
                fraction=table.fraction[row],
                units=table.units[row],
                previous_units=standing.units_before.get(pod, 0.0) if changed_now else table.units[row],
                conflict=table.conflict[row],
            )
        )
    return explained


def standing_clips(standing: Standing, order_body: DecisionBody) -> list[ClipExplained]:
    """The clips that made the standing targets of pods that did not change in the order's decision."""
    clips: list[ClipExplained] = []
    for pod, (body, _) in sorted(standing.targets.items()):
        if body.sequence != order_body.sequence:
            clips += clips_for(body, standing.symbol, pod)
    return clips


def _attribution(targets: list[TargetExplained], sequence: int) -> dict[str, float]:
    """Shares of the pods whose targets changed in this decision, by size of the change."""
    changes = {t.pod: abs(t.units - t.previous_units) for t in targets if t.sequence == sequence}
    total = sum(changes.values())
    return {pod: change / total for pod, change in changes.items()} if total > 0 else {}


def intents_of(standing: Standing, schedules: Schedules, names: Mapping[str, Sequence[str]]) -> list[IntentExplained]:
    """Each schedule's standing intent."""
    explained: list[IntentExplained] = []
    for (pod, schedule), (body, row) in sorted(standing.intents.items()):
        table = body.intents
        if table is None:
            continue
        strategy, parameters = schedules.strategy_of(schedule)
        explained.append(
            IntentExplained(
                pod=pod,
                schedule=schedule,
                strategy=strategy,
                sequence=body.sequence,
                cycle=body.cycle,
                direction=table.direction[row],
                value=table.value[row],
                confidence=table.confidence[row],
                weight=table.weight[row],
                target_notional=table.target_notional[row],
                price=table.price[row],
                features=_named(table.features[row], names.get(schedule, ())),
                feature_snapshot_hash=table.feature_snapshot_hash[row],
                parameters=parameters,
            )
        )
    return explained


def _named(values: list[float | None], names: Sequence[str]) -> dict[str, float | None]:
    return {names[i] if i < len(names) else f"feature_{i}": value for i, value in enumerate(values)}


class Schedules:
    """Strategy and parameters of the portfolio's schedules, from its configuration."""

    def __init__(self, configuration: Configuration | None, portfolio: str) -> None:
        self._found: dict[str, tuple[str, dict[str, Any]]] = {}
        for candidate in () if configuration is None else configuration.portfolios:
            if candidate.id == portfolio:
                for pod in candidate.pods:
                    self._found.update({s.id: (s.strategy, dict(s.parameters)) for s in pod.schedules})

    def strategy_of(self, schedule: str) -> tuple[str, dict[str, Any]]:
        """(``type@version`` as configured, parameters); empty where it is not known."""
        return self._found.get(schedule, ("", {}))
