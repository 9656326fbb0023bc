"""Builds decision bodies and chains them (design, "Decisions and journal"; spec 1 "Identity", 8)."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import msgspec

from operators.frames import Clips
from operators.plan import Plan
from operators.portfolio.cycle_output import CANCELS, CLIPS, FILLS, ORDERS, TARGETS
from operators.portfolio.fill_columns import joined
from operators.portfolio.intent_columns import IntentColumns
from operators.portfolio.ledger import CASH, EQUITY, GROSS, NET
from operators.portfolio.order_writer import OpenOrder, OrderWriter
from operators.portfolio.run_columns import FillRows, RunColumns
from schemas.canonical import IdPrefix, sha256_hex
from schemas.decision import (
    GENESIS,
    ClipTable,
    DecisionBody,
    FillTable,
    IntentTable,
    PodTable,
    TargetTable,
)
from schemas.messages import SCHEMA_VERSION
from schemas.reasons import Reason

_ENCODE = msgspec.json.Encoder().encode
_TRADING_STATES = ("ACTIVE", "REDUCING", "HALTED")
#: Stands for the order where pods trade among each other.
_AMONG_PODS: list[OpenOrder] = [("", 0, 0.0)]
_REASONS = {int(r): r.name for r in Reason}


@dataclass(slots=True)
class Cycle:
    """Everything known of one cycle when its decision is written, beside what its run did."""

    cycle: int
    inputs: list[tuple[str, int, int, int]]
    intents: IntentColumns | None
    #: rows of ``intents``
    first_intent: int
    last_intent: int
    pod_clips: Clips | None
    pod_equity: list[float]
    events: list[dict[str, Any]]
    commands: list[dict[str, Any]]
    transitions: list[dict[str, Any]]
    #: places of symbols whose open orders are taken back
    cancelled: list[int]
    capital: dict[str, Any] | None
    #: what a venue filled
    executions: FillTable | None = None

    def is_busy(self) -> bool:
        """True when something happened, whatever the run did."""
        return bool(
            self.first_intent < self.last_intent or self.pod_clips is not None or self.events or self.commands
            or self.transitions or self.cancelled or self.capital or self.executions
        )  # fmt: skip


class DecisionWriter:
    """Numbers, chains and encodes the decisions and orders of one portfolio."""

    def __init__(self, plan: Plan, portfolio: int) -> None:
        own = plan.portfolios[portfolio]
        self._plan = plan
        self._id = own.id
        self._pods = [plan.pods[p].id for p in own.pods]
        self._first_pod = own.pods[0]
        self._ids = IdPrefix(plan.config_hash.encode(), own.id.encode())
        self.sequence = 0
        self.previous = GENESIS
        self.orders = OrderWriter(plan, portfolio)

    # ------------------------------------------------------------ the whole
    def write(self, cycle: Cycle, run: RunColumns, row: int, heartbeat: bool) -> tuple[bytes, str, list[bytes]]:
        """The next decision's body and hash, and its orders' wire values; ``row`` is the cycle's place in the run."""
        self.sequence += 1
        decision_id = self._ids.id(cycle.cycle.to_bytes(8, "little"), self.sequence.to_bytes(8, "little"))
        first, last = run.bounds(row, CANCELS)
        cancels, cancel_values = self.orders.cancel(
            cycle.cancelled, run.cancels[first:last], cycle.cycle, decision_id, self.sequence
        )
        fills = joined(cycle.executions, self._fills(run, *run.bounds(row, FILLS)))
        first, last = run.bounds(row, ORDERS)
        orders, values = self.orders.write(run.orders, first, last, cycle.cycle, decision_id, self.sequence)
        scalars = run.scalars[row]
        body = _ENCODE(
            DecisionBody(
                cancels=cancels,
                capital=cycle.capital,
                cash=scalars[CASH],
                clips=self._clips(cycle.pod_clips, run, *run.bounds(row, CLIPS)),
                commands=cycle.commands or None,
                config_hash=self._plan.config_hash,
                cycle=cycle.cycle,
                decision_id=decision_id,
                equity=scalars[EQUITY],
                events=cycle.events or None,
                fills=fills,
                gross_exposure=scalars[GROSS],
                heartbeat=heartbeat,
                inputs=cycle.inputs,
                intents=_intents(cycle, run.fraction, scalars[EQUITY]),
                net_exposure=scalars[NET],
                orders=orders,
                pods=self._pod_table(cycle, run, row),
                portfolio=self._id,
                previous=self.previous,
                sequence=self.sequence,
                targets=self._targets(run, *run.bounds(row, TARGETS)),
                trading_state=_TRADING_STATES[run.trading],
                transitions=cycle.transitions or None,
                v=SCHEMA_VERSION,
            )
        )
        self.previous = sha256_hex(body)
        return body, self.previous, cancel_values + values

    # ------------------------------------------------------------ tables
    def _pod_table(self, cycle: Cycle, run: RunColumns, row: int) -> PodTable:
        realised, unrealised, fees = run.profit[row]
        return PodTable(
            equity=cycle.pod_equity,
            fees=fees,
            fraction=run.fraction,
            pod=self._pods,
            realised=realised,
            unrealised=unrealised,
        )

    def _targets(self, run: RunColumns, first: int, last: int) -> TargetTable | None:
        if first == last:
            return None
        rows = run.targets
        return TargetTable(
            conflict=rows.conflict[first:last],
            fraction=rows.fraction[first:last],
            gross=rows.gross[first:last],
            net=rows.net[first:last],
            pod=rows.pod[first:last],
            symbol=rows.symbol[first:last],
            units=rows.units[first:last],
            weight=rows.weight[first:last],
        )

    def _clips(self, pod_clips: Clips | None, run: RunColumns, first: int, last: int) -> ClipTable | None:
        if pod_clips is None and first == last:
            return None
        rows = run.clips
        table: dict[str, list[Any]] = {n: [] for n in ("after", "before", "pod", "reason", "symbol", "unit")}
        if pod_clips is not None:
            table["after"] += pod_clips.after.tolist()
            table["before"] += pod_clips.before.tolist()
            table["pod"] += [self._pods[p - self._first_pod] for p in pod_clips.pod.tolist()]
            table["reason"] += [_REASONS[r] for r in pod_clips.reason.tolist()]
            table["symbol"] += [self._plan.symbols[s] for s in pod_clips.symbol.tolist()]
            table["unit"] += ["weight"] * len(pod_clips.cycle)
        table["after"] += rows.after[first:last]
        table["before"] += rows.before[first:last]
        table["pod"] += [""] * (last - first)
        table["reason"] += rows.reason[first:last]
        table["symbol"] += rows.symbol[first:last]
        table["unit"] += rows.unit[first:last]
        return ClipTable(**table)

    def _fills(self, run: RunColumns, first: int, last: int) -> FillTable | None:
        if first == last:
            return None
        rows, own = run.fills, slice(first, last)
        filled = [
            self.orders.open.pop(place) if lots else _AMONG_PODS
            for place, lots in zip(rows.place[own], rows.lots[own], strict=True)
        ]
        if any(len(orders) != 1 for orders in filled):
            return self._parted_fills(rows, first, filled)
        return FillTable(
            client_order_id=[orders[0][0] for orders in filled],
            execution_id=[""] * len(filled),
            fee=rows.fee[own],
            pods=rows.pods[own],
            price=rows.price[own],
            quantity=rows.quantity[own],
            shares=rows.shares[own],
            symbol=rows.symbol[own],
        )

    @staticmethod
    def _parted_fills(rows: FillRows, first: int, filled: list[list[OpenOrder]]) -> FillTable:
        """Fills of which some are of several orders: each order has its part of the fee."""
        orders = [order for opened in filled for order in opened]
        at = [row for row, opened in enumerate(filled, first) for _ in opened]
        pick = itemgetter(*at)
        return FillTable(
            client_order_id=[order[0] for order in orders],
            execution_id=[""] * len(orders),
            fee=[
                rows.whole_fee[row] * order[1] / rows.lots[row] if rows.lots[row] else 0.0
                for row, order in zip(at, orders, strict=True)
            ],
            pods=list(pick(rows.pods)),
            price=list(pick(rows.price)),
            quantity=[order[2] for order in orders],
            shares=list(pick(rows.shares)),
            symbol=list(pick(rows.symbol)),
        )

    # ------------------------------------------------------------ state
    def snapshot(self) -> dict[str, Any]:
        """Sequences, chain head and open orders."""
        return {"sequence": self.sequence, "previous": self.previous, "orders": self.orders.snapshot()}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Goes on from a snapshot."""
        self.sequence, self.previous = snapshot["sequence"], snapshot["previous"]
        self.orders.restore(snapshot["orders"])


def _intents(cycle: Cycle, fraction: list[float], equity: float) -> IntentTable | None:
    """The cycle's intents; ``target_notional`` follows from the capital fractions and the equity of this cycle."""
    table, rows = cycle.intents, slice(cycle.first_intent, cycle.last_intent)
    if table is None or cycle.first_intent == cycle.last_intent:
        return None
    weights = table.weight[rows]
    return IntentTable(
        confidence=table.confidence[rows],
        direction=table.direction[rows],
        feature_snapshot_hash=table.feature_snapshot_hash[rows],
        features=table.features[rows],
        pod=table.pod[rows],
        price=table.price[rows],
        schedule=table.schedule[rows],
        symbol=table.symbol[rows],
        target_notional=[w * fraction[p] * equity for w, p in zip(weights, table.pod_place[rows], strict=True)],
        value=table.value[rows],
        weight=weights,
    )
