"""Builds decision bodies, ids and orders (design, "Decisions and journal"; spec 1 "Identity", 8)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from operators.frames import Clips, Intents
from operators.plan import Plan
from operators.portfolio.cycle import CANCELS, CLIPS, FILLS, ORDERS, TARGETS, CycleOutput
from operators.portfolio.ledger import CASH, EQUITY, GROSS, NET, TRADING, Ledger, Rules, units_of
from schemas.canonical import sha256_hex, short_id
from schemas.decision import (
    GENESIS,
    ClipTable,
    DecisionBody,
    FillTable,
    IntentTable,
    OrderTable,
    PodTable,
    TargetTable,
)
from schemas.messages import SCHEMA_VERSION, Cancel, Order
from schemas.reasons import Reason

_ENCODE = msgspec.json.Encoder().encode
_TRADING_STATES = ("ACTIVE", "REDUCING", "HALTED")
_REASONS = {int(r): r.name for r in Reason}


@dataclass(slots=True)
class OpenOrder:
    """An order that has not been filled: its id and signed lots."""

    client_order_id: str
    lots: int


@dataclass(slots=True, frozen=True)
class PodPart:
    """What a pod contributes to a cycle's decision: its rows of intents and changes, as (table, first, last)."""

    intents: Intents
    weights: np.ndarray
    first: int
    last: int


@dataclass(slots=True)
class Cycle:
    """Everything known of one cycle when its decision is written."""

    cycle: int
    inputs: list[tuple[str, int, int, int]]
    pod_parts: list[PodPart]
    target_notes: dict[tuple[int, int], tuple[float, float, bool]]
    pod_clips: list[Clips]
    pod_equity: list[float]
    commands: list[dict[str, Any]]
    transitions: list[dict[str, Any]]
    events: list[dict[str, Any]]
    capital: dict[str, Any] | None
    heartbeat: bool
    #: places of symbols whose open orders are taken back
    cancelled: list[int]


class DecisionWriter:
    """Numbers, chains and encodes the decisions and orders of one portfolio."""

    def __init__(self, plan: Plan, portfolio: int) -> None:
        own = plan.portfolios[portfolio]
        self._plan = plan
        self._id = own.id
        self._execution = own.configuration.execution
        self._symbols = own.symbols
        self._names = [plan.symbols[s] for s in own.symbols.tolist()]
        self._venues = [plan.instruments[s].venue for s in own.symbols.tolist()]
        self._pods = [plan.pods[p].id for p in own.pods]
        self._first_pod = own.pods[0]
        self._schedules = [s.id for s in plan.schedules]
        self._schedule_pod = [plan.pods[s.pod].id for s in plan.schedules]
        self._schedule_fraction = [s.pod - self._first_pod for s in plan.schedules]
        self._widths = [len(s.strategy.features()) for s in plan.schedules]
        self.sequence = 0
        self.order_sequence = 0
        self.previous = GENESIS
        self.open_orders: dict[int, list[OpenOrder]] = {}

    # ------------------------------------------------------------ the whole
    def write(self, cycle: Cycle, ledger: Ledger, rules: Rules, out: CycleOutput) -> tuple[bytes, str, list[bytes]]:
        """The next decision's body and hash, and its orders' wire values."""
        self.sequence += 1
        decision_id = short_id(
            self._plan.config_hash.encode(), self._id.encode(), cycle.cycle.to_bytes(8, "little"),
            self.sequence.to_bytes(8, "little"),
        )  # fmt: skip
        scalars = ledger.scalars.tolist()
        cancels, cancel_values = self._cancels(cycle, decision_id, out)
        fills = self._fills(ledger, rules, out)
        orders, values = self._orders(cycle, decision_id, ledger, rules, out)
        body = _ENCODE(
            DecisionBody(
                cancels=cancels,
                capital=cycle.capital,
                cash=scalars[CASH],
                clips=self._clips(cycle, out),
                commands=cycle.commands or None,
                config_hash=self._plan.config_hash,
                cycle=cycle.cycle,
                decision_id=decision_id,
                equity=scalars[EQUITY],
                events=cycle.events or None,
                fills=fills,
                gross_exposure=scalars[GROSS],
                heartbeat=cycle.heartbeat,
                inputs=cycle.inputs,
                intents=self._intents(cycle.pod_parts, ledger, scalars[EQUITY]),
                net_exposure=scalars[NET],
                orders=orders,
                pods=PodTable(equity=cycle.pod_equity, fraction=ledger.fraction.tolist(), pod=self._pods),
                portfolio=self._id,
                previous=self.previous,
                sequence=self.sequence,
                targets=self._targets(cycle, ledger, out),
                trading_state=_TRADING_STATES[int(ledger.state[TRADING])],
                transitions=cycle.transitions or None,
                v=SCHEMA_VERSION,
            )
        )
        self.previous = sha256_hex(body)
        return body, self.previous, cancel_values + values

    # ------------------------------------------------------------ tables
    def _intents(self, parts: list[PodPart], ledger: Ledger, equity: float) -> IntentTable | None:
        if not parts:
            return None
        fraction = ledger.fraction.tolist()
        schedules: list[int] = []
        columns: dict[str, list[Any]] = {
            n: [] for n in ("confidence", "direction", "hash", "features", "price", "symbol", "value", "weight")
        }
        for part in parts:
            rows = slice(part.first, part.last)
            table = part.intents
            numbers = table.schedule[rows].tolist()
            strength, notional = table.strength[rows], table.notional[rows]
            values = np.where(np.isnan(strength), notional, strength).tolist()
            features = table.features[rows]
            schedules += numbers
            columns["confidence"] += table.confidence[rows].tolist()
            columns["direction"] += ["long" if v > 0 else "short" if v < 0 else "flat" for v in values]
            columns["hash"] += [_feature_hash(f, self._widths[n]) for f, n in zip(features, numbers, strict=True)]
            columns["features"] += [
                [v if v == v else None for v in f[: self._widths[n]]]
                for f, n in zip(features.tolist(), numbers, strict=True)
            ]
            columns["price"] += table.price[rows].tolist()
            columns["symbol"] += [self._plan.symbols[s] for s in table.symbol[rows].tolist()]
            columns["value"] += values
            columns["weight"] += part.weights[rows].tolist()
        return IntentTable(
            confidence=columns["confidence"],
            direction=columns["direction"],
            feature_snapshot_hash=columns["hash"],
            features=columns["features"],
            pod=[self._schedule_pod[n] for n in schedules],
            price=columns["price"],
            schedule=[self._schedules[n] for n in schedules],
            symbol=columns["symbol"],
            target_notional=[
                w * fraction[self._schedule_fraction[n]] * equity
                for w, n in zip(columns["weight"], schedules, strict=True)
            ],
            value=columns["value"],
            weight=columns["weight"],
        )

    def _targets(self, cycle: Cycle, ledger: Ledger, out: CycleOutput) -> TargetTable | None:
        count = int(out.counts[TARGETS])
        if count == 0:
            return None
        pods, symbols = out.target_pod[:count], out.target_symbol[:count]
        weights, units = ledger.pod_weight[pods, symbols].tolist(), ledger.units[pods, symbols].tolist()
        pod_list, symbol_list = pods.tolist(), symbols.tolist()
        nothing = None
        notes = [
            cycle.target_notes.get(key, nothing) or (w, abs(w), False)
            for key, w in zip(zip(pod_list, symbol_list, strict=True), weights, strict=True)
        ]
        fraction = ledger.fraction.tolist()
        return TargetTable(
            conflict=[n[2] for n in notes],
            fraction=[fraction[p] for p in pod_list],
            gross=[n[1] for n in notes],
            net=[n[0] for n in notes],
            pod=[self._pods[p] for p in pod_list],
            symbol=[self._names[s] for s in symbol_list],
            units=units,
            weight=weights,
        )

    def _clips(self, cycle: Cycle, out: CycleOutput) -> ClipTable | None:
        count = int(out.counts[CLIPS])
        if count == 0 and not cycle.pod_clips:
            return None
        table: dict[str, list[Any]] = {n: [] for n in ("after", "before", "pod", "reason", "symbol", "unit")}
        for clips in cycle.pod_clips:
            table["after"] += clips.after.tolist()
            table["before"] += clips.before.tolist()
            table["pod"] += [self._pods[p - self._first_pod] for p in clips.pod.tolist()]
            table["reason"] += [_REASONS[r] for r in clips.reason.tolist()]
            table["symbol"] += [self._plan.symbols[s] for s in clips.symbol.tolist()]
            table["unit"] += ["weight"] * len(clips.cycle)
        table["after"] += out.clip_after[:count].tolist()
        table["before"] += out.clip_before[:count].tolist()
        table["pod"] += [""] * count
        table["reason"] += [_REASONS[r] for r in out.clip_reason[:count].tolist()]
        table["symbol"] += [self._names[s] for s in out.clip_symbol[:count].tolist()]
        table["unit"] += ["units" if u else "weight" for u in out.clip_in_units[:count].tolist()]
        return ClipTable(**table)

    def _fills(self, ledger: Ledger, rules: Rules, out: CycleOutput) -> FillTable | None:
        count = int(out.counts[FILLS])
        if count == 0:
            return None
        table: dict[str, list[Any]] = {
            n: [] for n in ("client_order_id", "fee", "pods", "price", "quantity", "shares", "symbol")
        }
        for n in range(count):
            symbol, lots = int(out.fill_symbol[n]), int(out.fill_lots[n])
            quantity = units_of(lots, float(rules.lot[symbol]))
            parts = out.fill_part[n].tolist()
            takers = [(self._pods[p], part / quantity) for p, part in enumerate(parts) if part != 0.0]
            for order in self.open_orders.pop(symbol):
                table["client_order_id"].append(order.client_order_id)
                table["fee"].append(float(out.fill_fee[n]) * order.lots / lots if len(parts) else 0.0)
                table["pods"].append([p for p, _ in takers])
                table["price"].append(float(out.fill_price[n]))
                table["quantity"].append(units_of(order.lots, float(rules.lot[symbol])))
                table["shares"].append([s for _, s in takers])
                table["symbol"].append(self._names[symbol])
        return FillTable(**table)

    # ------------------------------------------------------------ orders
    def _orders(
        self, cycle: Cycle, decision_id: str, ledger: Ledger, rules: Rules, out: CycleOutput
    ) -> tuple[OrderTable | None, list[bytes]]:
        count = int(out.counts[ORDERS])
        if count == 0:
            return None, []
        symbols, all_lots = out.order_symbol[:count].tolist(), out.order_lots[:count].tolist()
        positions, pendings = out.order_position[:count].tolist(), out.order_pending[:count].tolist()
        approved = out.order_approved[:count].tolist()
        lot, prices = rules.lot.tolist(), ledger.last.tolist()
        ids: list[str] = []
        sequences: list[int] = []
        quantities: list[float] = []
        values: list[bytes] = []
        account, portfolio = self._execution.account.encode(), self._id.encode()
        for symbol, lots, position, pending in zip(symbols, all_lots, positions, pendings, strict=True):
            self.order_sequence += 1
            client_order_id = short_id(
                account, portfolio, decision_id.encode(), self._names[symbol].encode(),
                self.order_sequence.to_bytes(8, "little"),
            )  # fmt: skip
            quantity = _units(lots, lot[symbol])
            ids.append(client_order_id)
            sequences.append(self.order_sequence)
            quantities.append(quantity)
            self.open_orders.setdefault(symbol, []).append(OpenOrder(client_order_id, lots))
            reducing = (position + pending) * lots < 0
            values.append(
                _ENCODE(
                    Order(
                        account=self._execution.account,
                        attribution=self._attribution(ledger, symbol, lots),
                        client_order_id=client_order_id,
                        config_hash=self._plan.config_hash,
                        cycle=cycle.cycle,
                        decision_id=decision_id,
                        decision_sequence=self.sequence,
                        limit_price=self._limit(float(prices[symbol]), lots, float(rules.tick[symbol])),
                        order_type=self._execution.order_type,
                        portfolio=self._id,
                        quantity=abs(quantity),
                        reducing=reducing,
                        reference_price=prices[symbol],
                        sequence=self.order_sequence,
                        side="buy" if lots > 0 else "sell",
                        stop_price=None,
                        symbol=self._names[symbol],
                        time_in_force=self._execution.time_in_force,
                        v=SCHEMA_VERSION,
                        venue=self._venues[symbol],
                    )
                )
            )
        table = OrderTable(
            approved=approved,
            client_order_id=ids,
            pending=[_units(n, lot[s]) for n, s in zip(pendings, symbols, strict=True)],
            position=[_units(n, lot[s]) for n, s in zip(positions, symbols, strict=True)],
            quantity=quantities,
            reference_price=[prices[s] for s in symbols],
            sequence=sequences,
            symbol=[self._names[s] for s in symbols],
        )
        return table, values

    def _cancels(
        self, cycle: Cycle, decision_id: str, out: CycleOutput
    ) -> tuple[list[dict[str, Any]] | None, list[bytes]]:
        rows: list[dict[str, Any]] = []
        values: list[bytes] = []
        halted, turned = Reason.ROUTE_CANCELLED_BY_HALT, Reason.ROUTE_CANCELLED_BY_TARGET
        places = [(place, halted) for place in cycle.cancelled]
        places += [(place, turned) for place in out.cancel_symbol[: out.counts[CANCELS]].tolist()]
        for place, reason in places:
            for order in self.open_orders.pop(place):
                self.order_sequence += 1
                cancel = Cancel(
                    account=self._execution.account,
                    client_order_id=order.client_order_id,
                    cycle=cycle.cycle,
                    decision_id=decision_id,
                    decision_sequence=self.sequence,
                    portfolio=self._id,
                    reason=reason.name,
                    sequence=self.order_sequence,
                    symbol=self._names[place],
                    v=SCHEMA_VERSION,
                )
                values.append(_ENCODE(cancel))
                rows.append(
                    {
                        "client_order_id": cancel.client_order_id,
                        "reason": cancel.reason,
                        "sequence": cancel.sequence,
                        "symbol": cancel.symbol,
                    }
                )
        return rows or None, values

    def _limit(self, price: float, lots: int, tick: float) -> float | None:
        """A limit at the reference price, rounded to the tick away from the market (never more aggressive)."""
        if self._execution.order_type == "market":
            return None
        steps = price / tick
        whole = int(np.floor(steps + 1e-9)) if lots > 0 else int(np.ceil(steps - 1e-9))
        return _units(whole, tick)

    def _attribution(self, ledger: Ledger, symbol: int, lots: int) -> dict[str, float]:
        """Each pod's share of the order: its own delta on the order's side."""
        side = 1 if lots > 0 else -1
        wanted = ((ledger.units[:, symbol] - ledger.attributed[:, symbol]) * side).tolist()
        total = 0.0
        for delta in wanted:
            total += max(delta, 0.0)
        if total <= 0.0:
            return {}
        return {self._pods[p]: round(d / total, 9) for p, d in sorted(enumerate(wanted)) if d > 0.0}

    # ------------------------------------------------------------ state
    def snapshot(self) -> dict[str, Any]:
        """Sequences, chain head and open orders."""
        return {
            "sequence": self.sequence,
            "order_sequence": self.order_sequence,
            "previous": self.previous,
            "open_orders": {s: [(o.client_order_id, o.lots) for o in orders] for s, orders in self.open_orders.items()},
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Goes on from a snapshot."""
        self.sequence, self.order_sequence = snapshot["sequence"], snapshot["order_sequence"]
        self.previous = snapshot["previous"]
        self.open_orders = {s: [OpenOrder(*o) for o in orders] for s, orders in snapshot["open_orders"].items()}


def _units(lots: int, lot: float) -> float:
    """Plain-Python twin of :func:`operators.portfolio.ledger.units_of`, for scalars on the way out."""
    per_unit = round(1.0 / lot)
    if per_unit > 1 and abs(per_unit * lot - 1.0) < 1e-12:
        return lots / per_unit
    return lots * lot


def _feature_hash(features: np.ndarray, width: int) -> str:
    """Hash over the declared features' float64 bytes, NaN as null, in the order of their declaration."""
    return hashlib.blake2b(features[:width].tobytes(), digest_size=16).hexdigest()
