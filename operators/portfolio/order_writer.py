"""Orders and cancels as wire values: ids, sequence, attribution (spec 1 "Identity", 8)."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any, TypeAlias

import msgspec

from operators.plan import Plan
from operators.portfolio.order_lines import OrderLines
from operators.portfolio.run_columns import OrderRows
from schemas.canonical import IdPrefix, length_prefixed
from schemas.decision import OrderTable
from schemas.messages import SCHEMA_VERSION, Cancel, CycleEnd
from schemas.reasons import Reason

_ENCODE_LINES = msgspec.json.Encoder().encode_lines

#: An order that the portfolio will fill itself: its id, signed lots and signed units.
OpenOrder: TypeAlias = tuple[str, int, float]


@dataclass(slots=True)
class WorkingOrder:
    """An order at a venue that is not over.

    ``lots`` are still open (signed), ``quantity`` is what was sent in units (signed), ``sent`` the cycle in which it
    was, ``heard`` whether the venue has answered, ``taken_back`` whether a cancel was sent.
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
        self._id = own.id
        self._account = own.configuration.execution.account
        self._names = [plan.symbols[s] for s in own.symbols.tolist()]
        # An id ends with the symbol and the order's sequence of eight bytes.
        self._id_parts = [length_prefixed(name.encode()) + (8).to_bytes(4, "little") for name in self._names]
        self._ids = IdPrefix(self._account.encode(), self._id.encode())
        self.lines = OrderLines(plan, portfolio)
        self.sequence = 0
        self._fills_itself = own.configuration.execution.mode == "internal_paper"
        self.open: dict[int, list[OpenOrder]] = {}
        self.working: dict[int, list[WorkingOrder]] = {}

    def write(
        self, rows: OrderRows, first: int, last: int, cycle: int, decision_id: str, decision_sequence: int
    ) -> tuple[OrderTable | None, list[bytes]]:
        """A cycle's orders for its decision and as wire values; they are open from now on."""
        if first == last:
            return None, []
        begin, self.sequence = self.sequence + 1, self.sequence + last - first
        sequences = list(range(begin, self.sequence + 1))
        own = slice(first, last)
        places, quantities, parts = rows.place[own], rows.quantity[own], self._id_parts
        client_ids = self._ids.extended(decision_id.encode()).ids(
            [parts[s] + n.to_bytes(8, "little") for s, n in zip(places, sequences, strict=True)]
        )
        for place, order in zip(places, zip(client_ids, rows.lots[own], quantities, strict=True), strict=True):
            if not self._fills_itself:
                self.working.setdefault(place, []).append(WorkingOrder(*order, cycle))
            elif place in self.open:
                self.open[place].append(order)
            else:
                self.open[place] = [order]
        table = OrderTable(
            approved=rows.approved[own],
            client_order_id=client_ids,
            pending=rows.pending[own],
            position=rows.position[own],
            quantity=quantities,
            reference_price=rows.price[own],
            sequence=sequences,
            symbol=rows.symbol[own],
        )
        decision = (cycle, decision_id, decision_sequence)
        return table, self.lines.lines(rows.texts, own, client_ids, decision, begin)

    def cancel(
        self, halted: list[int], turned: list[int], cycle: int, decision_id: str, decision_sequence: int
    ) -> tuple[list[dict[str, Any]] | None, list[bytes]]:
        """Takes open orders back, by the symbols' places: rows for the decision, and wire values.

        Trading in ``halted`` stopped; the targets of ``turned`` turned against what was open.
        """
        if not halted and not turned:
            return None, []
        places = [(place, Reason.ROUTE_CANCELLED_BY_HALT) for place in halted]
        places += [(place, Reason.ROUTE_CANCELLED_BY_TARGET) for place in turned]
        rows: list[dict[str, Any]] = []
        values: list[Cancel] = []
        for place, reason in places:
            for client_order_id in self._taken_back(place):
                self.sequence += 1
                cancel = Cancel(
                    account=self._account,
                    client_order_id=client_order_id,
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
                        "client_order_id": client_order_id,
                        "reason": cancel.reason,
                        "sequence": cancel.sequence,
                        "symbol": cancel.symbol,
                    }
                )
        return rows, _ENCODE_LINES(values).split(b"\n")[:-1]

    def _taken_back(self, place: int) -> list[str]:
        """Ids of a symbol's orders to cancel: over at once where the portfolio fills them itself, else when told so."""
        if self._fills_itself:
            return [order[0] for order in self.open.pop(place)]
        found = [order for order in self.working.get(place, []) if not order.taken_back]
        for order in found:
            order.taken_back = True
        return [order.client_order_id for order in found]

    def forget(self, place: int, order: WorkingOrder) -> None:
        """The order is over."""
        left = [o for o in self.working[place] if o is not order]
        if left:
            self.working[place] = left
        else:
            del self.working[place]

    def cycle_end(self, cycle: int, orders: int) -> bytes:
        """Closes a cycle for a paper venue; it counts up nothing."""
        end = CycleEnd(cycle=cycle, orders=orders, portfolio=self._id, sequence=self.sequence, v=SCHEMA_VERSION)
        return _ENCODE_LINES([end])[:-1]

    def snapshot(self) -> dict[str, Any]:
        """Sequence and orders that are not over."""
        return {
            "sequence": self.sequence,
            "open": {s: list(orders) for s, orders in self.open.items()},
            "working": {s: [astuple(o) for o in orders] for s, orders in self.working.items()},
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Goes on from a snapshot."""
        self.sequence = snapshot["sequence"]
        self.open = {s: [tuple(order) for order in orders] for s, orders in snapshot["open"].items()}
        self.working = {s: [WorkingOrder(*order) for order in orders] for s, orders in snapshot["working"].items()}
