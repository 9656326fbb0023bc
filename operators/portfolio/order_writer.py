"""Orders and cancels as wire values: ids, sequence, attribution (spec 1 "Identity", 8)."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

import msgspec

from operators.plan import Plan
from operators.portfolio.run_columns import OrderRows
from schemas.canonical import IdPrefix
from schemas.decision import OrderTable
from schemas.messages import SCHEMA_VERSION, Cancel, CycleEnd, Order
from schemas.reasons import Reason

_ENCODE_LINES = msgspec.json.Encoder().encode_lines


@dataclass(slots=True)
class OpenOrder:
    """An order that is not over.

    ``lots`` are still open (signed), ``quantity`` is what was sent in units (signed), ``sent`` the cycle in which it
    was, ``heard`` whether a venue has answered, ``taken_back`` whether a cancel was sent.
    """

    client_order_id: str
    lots: int
    quantity: float
    sent: int
    heard: bool = False
    taken_back: bool = False


class OrderWriter:
    """Numbers and encodes the orders of one portfolio and remembers the open ones, by the symbol's place."""

    def __init__(self, plan: Plan, portfolio: int) -> None:
        own = plan.portfolios[portfolio]
        self._id, self._config_hash = own.id, plan.config_hash
        self._execution = own.configuration.execution
        self._market = self._execution.order_type == "market"
        self._names = [plan.symbols[s] for s in own.symbols.tolist()]
        self._encoded_names = [name.encode() for name in self._names]
        self._venues = [plan.instruments[s].venue for s in own.symbols.tolist()]
        self._pods = [plan.pods[p].id for p in own.pods]
        self._ids = IdPrefix(self._execution.account.encode(), self._id.encode())
        self.sequence = 0
        self.open: dict[int, list[OpenOrder]] = {}

    def write(
        self, rows: OrderRows, first: int, last: int, cycle: int, decision_id: str, decision_sequence: int
    ) -> tuple[OrderTable | None, list[bytes]]:
        """A cycle's orders for its decision and as wire values; they are open from now on."""
        if first == last:
            return None, []
        ids = self._ids.extended(decision_id.encode())
        begin, self.sequence = self.sequence + 1, self.sequence + last - first
        sequences = list(range(begin, self.sequence + 1))
        places = rows.symbol[first:last]
        names = [self._names[s] for s in places]
        client_ids = [
            ids.id(self._encoded_names[s], n.to_bytes(8, "little")) for s, n in zip(places, sequences, strict=True)
        ]
        orders = [
            self._order(rows, first + n, cycle, decision_id, decision_sequence, client_ids[n], begin + n)
            for n in range(last - first)
        ]
        for place, client_id, lots, quantity in zip(
            places, client_ids, rows.lots[first:last], rows.quantity[first:last], strict=True
        ):
            self.open.setdefault(place, []).append(OpenOrder(client_id, lots, quantity, cycle))
        table = OrderTable(
            approved=rows.approved[first:last],
            client_order_id=client_ids,
            pending=rows.pending[first:last],
            position=rows.position[first:last],
            quantity=rows.quantity[first:last],
            reference_price=rows.price[first:last],
            sequence=sequences,
            symbol=names,
        )
        return table, _ENCODE_LINES(orders).split(b"\n")[:-1]

    def _order(
        self,
        rows: OrderRows,
        row: int,
        cycle: int,
        decision_id: str,
        decision_sequence: int,
        client_id: str,
        number: int,
    ) -> Order:
        place, quantity = rows.symbol[row], rows.quantity[row]
        return Order(
            account=self._execution.account,
            attribution={p: s for p, s in zip(self._pods, rows.shares[row], strict=True) if s >= 0.0},
            client_order_id=client_id,
            config_hash=self._config_hash,
            cycle=cycle,
            decision_id=decision_id,
            decision_sequence=decision_sequence,
            limit_price=None if self._market else rows.limit[row],
            order_type=self._execution.order_type,
            portfolio=self._id,
            quantity=abs(quantity),
            reducing=rows.reducing[row],
            reference_price=rows.price[row],
            sequence=number,
            side="buy" if quantity > 0.0 else "sell",
            stop_price=None,
            symbol=self._names[place],
            time_in_force=self._execution.time_in_force,
            v=SCHEMA_VERSION,
            venue=self._venues[place],
        )

    def cancel(
        self, halted: list[int], turned: list[int], cycle: int, decision_id: str, decision_sequence: int
    ) -> tuple[list[dict[str, Any]] | None, list[bytes]]:
        """Takes open orders back, by the symbols' places: rows for the decision, and wire values.

        Trading in ``halted`` stopped; the targets of ``turned`` turned against what was open.
        """
        places = [(place, Reason.ROUTE_CANCELLED_BY_HALT) for place in halted]
        places += [(place, Reason.ROUTE_CANCELLED_BY_TARGET) for place in turned]
        if not places:
            return None, []
        rows: list[dict[str, Any]] = []
        values: list[Cancel] = []
        for place, reason in places:
            for order in self._taken_back(place):
                self.sequence += 1
                cancel = Cancel(
                    account=self._execution.account,
                    client_order_id=order.client_order_id,
                    cycle=cycle,
                    decision_id=decision_id,
                    decision_sequence=decision_sequence,
                    portfolio=self._id,
                    reason=reason.name,
                    sequence=self.sequence,
                    symbol=self._names[place],
                    v=SCHEMA_VERSION,
                )
                values.append(cancel)
                rows.append(
                    {
                        "client_order_id": cancel.client_order_id,
                        "reason": cancel.reason,
                        "sequence": cancel.sequence,
                        "symbol": cancel.symbol,
                    }
                )
        return rows, _ENCODE_LINES(values).split(b"\n")[:-1]

    def _taken_back(self, place: int) -> list[OpenOrder]:
        """The orders of a symbol to cancel: over at once where the portfolio fills them itself, else until told so."""
        if self._execution.mode == "internal_paper":
            return self.open.pop(place)
        found = [order for order in self.open.get(place, []) if not order.taken_back]
        for order in found:
            order.taken_back = True
        return found

    def forget(self, place: int, order: OpenOrder) -> None:
        """The order is over."""
        left = [o for o in self.open[place] if o is not order]
        if left:
            self.open[place] = left
        else:
            del self.open[place]

    def cycle_end(self, cycle: int, orders: int) -> bytes:
        """Closes a cycle for a paper venue; it counts up nothing."""
        end = CycleEnd(cycle=cycle, orders=orders, portfolio=self._id, sequence=self.sequence, v=SCHEMA_VERSION)
        return _ENCODE_LINES([end])[:-1]

    def snapshot(self) -> dict[str, Any]:
        """Sequence and open orders."""
        orders = {s: [astuple(o) for o in rows] for s, rows in self.open.items()}
        return {"sequence": self.sequence, "open": orders}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Goes on from a snapshot."""
        self.sequence = snapshot["sequence"]
        self.open = {s: [OpenOrder(*o) for o in rows] for s, rows in snapshot["open"].items()}
