"""Execution reports of a venue: booked, released, or kept and alarmed (spec 9).

A report is believed as far as it fits an order that was sent. What does not fit is never booked by guess: the symbol
may only be reduced until a position report settles it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from operators.frames import SideMessage
from operators.plan import Plan
from operators.portfolio.fill_columns import FillColumns
from operators.portfolio.fills import book_execution
from operators.portfolio.ledger import Ledger, Rules, units_of
from operators.portfolio.order_writer import OrderWriter, WorkingOrder
from operators.portfolio.reconciliation import reconcile
from schemas.configuration.base import seconds_to_nanoseconds
from schemas.decision import FillTable
from schemas.messages import ExecutionReport, PositionReport
from schemas.reasons import Reason

#: How many execution ids and closed orders are remembered: what is older than these is not recognised any more.
REMEMBERED = 65_536
#: A quantity this close to a whole number of lots counts as whole.
_WHOLE = 1e-6
_OVER = {
    "rejected": Reason.ORDER_REJECTED,
    "cancelled": Reason.ORDER_CANCELLED,
    "expired": Reason.ORDER_EXPIRED,
}


class ExecutionBook:
    """Takes in what a venue says of one portfolio's orders."""

    def __init__(self, plan: Plan, portfolio: int, orders: OrderWriter) -> None:
        own = plan.portfolios[portfolio]
        self._portfolio = own.id
        self._orders = orders
        self._names = [plan.symbols[s] for s in own.symbols.tolist()]
        self._places = {name: n for n, name in enumerate(self._names)}
        self._pods = [plan.pods[p].id for p in own.pods]
        execution = own.configuration.execution
        self._timeout = seconds_to_nanoseconds(getattr(execution, "order_timeout_seconds", 0.0))
        self._backoff = seconds_to_nanoseconds(getattr(execution, "reject_backoff_seconds", 0.0))
        self._closed: dict[str, tuple[int, int]] = {}
        self._seen: dict[str, None] = {}
        self._part = np.zeros(len(own.pods))
        self._fills = FillColumns(self._pods)
        self._events: list[dict[str, Any]] = []
        #: True once a position report has agreed with the ledger in everything
        self.reconciled = False

    # ------------------------------------------------------------ reports
    def apply(self, side: SideMessage, cycle: int, ledger: Ledger, rules: Rules) -> None:
        """Takes in a message of the fills topic; one for another portfolio is not looked at."""
        message = side.message
        if message.portfolio != self._portfolio:
            return
        if isinstance(message, PositionReport):
            events, agrees = reconcile(message, self._names, ledger, rules, self._orders)
            self._events += events
            self.reconciled = self.reconciled or agrees
        elif isinstance(message, ExecutionReport):
            self._report(message, cycle, ledger, rules)

    def _report(self, report: ExecutionReport, cycle: int, ledger: Ledger, rules: Rules) -> None:
        place, order = self._find(report.client_order_id)
        if order is not None:
            order.heard = True
        if report.quantity > 0.0:
            self._fill(report, place, order, ledger, rules)
        elif report.status in _OVER:
            if order is None:
                if place is None:
                    self._alarm(Reason.FILL_UNKNOWN_ORDER, report, ledger, report.status)
                return
            self._tell(_OVER[report.status], report.symbol, f"{report.client_order_id}: {report.text}")
            if report.status == "rejected":
                ledger.retry_at[place] = cycle + self._backoff
            self._close(order, int(place or 0), ledger)

    def _find(self, client_order_id: str) -> tuple[int | None, WorkingOrder | None]:
        for place, orders in self._orders.working.items():
            for order in orders:
                if order.client_order_id == client_order_id:
                    return place, order
        closed = self._closed.get(client_order_id)
        return (None, None) if closed is None else (closed[0], None)

    def _fill(
        self, report: ExecutionReport, place: int | None, order: WorkingOrder | None, ledger: Ledger, rules: Rules
    ) -> None:
        if report.execution_id and report.execution_id in self._seen:
            self._tell(Reason.FILL_DUPLICATE, report.symbol, f"execution {report.execution_id}")
            return
        fault = self._fault(report, place, order, rules)
        if fault is not None:
            self._alarm(fault[0], report, ledger, fault[1])
            return
        assert place is not None
        if report.execution_id:
            _remember(self._seen, report.execution_id, None)
        lots = round(report.quantity / float(rules.lot[place])) * (1 if report.side == "buy" else -1)
        price = float(report.price or 0.0)
        if np.isnan(ledger.last[place]):
            ledger.last[place] = price
        fee = float(book_execution(ledger, rules, place, lots, price, report.fee, self._part))
        quantity = float(units_of(lots, float(rules.lot[place])))
        shares = (self._part / quantity).tolist()
        self._fills.add(
            report.client_order_id, report.execution_id, self._names[place], quantity, price, fee, shares
        )  # fmt: skip
        ledger.dirty[place] = True
        if order is None:
            self._tell(Reason.FILL_AFTER_CLOSE, report.symbol, f"{report.client_order_id}: {quantity:g} units")
            return
        if abs(lots) > abs(order.lots):
            self._tell(
                Reason.FILL_OVERFILL, report.symbol, f"{report.client_order_id}: {lots} lots filled, {order.lots} open"
            )
        traded = min(abs(lots), abs(order.lots)) * (1 if lots > 0 else -1)
        order.lots -= traded
        ledger.pending[place] -= traded
        if order.lots == 0 or report.status == "filled":
            self._close(order, place, ledger)

    def _fault(
        self, report: ExecutionReport, place: int | None, order: WorkingOrder | None, rules: Rules
    ) -> tuple[Reason, str] | None:
        """Why a fill cannot be believed."""
        if place is None:
            return Reason.FILL_UNKNOWN_ORDER, "no such order was sent"
        sign = self._sign(report.client_order_id, order)
        if report.symbol != self._names[place] or (report.side == "buy") != (sign > 0):
            side = "buy" if sign > 0 else "sell"
            return Reason.FILL_MISMATCH, f"the order is to {side} {self._names[place]}"
        if report.price is None:
            return Reason.FILL_NO_PRICE, "a fill needs a price"
        lots = report.quantity / float(rules.lot[place])
        if abs(lots - round(lots)) > _WHOLE or round(lots) == 0:
            return Reason.FILL_NOT_WHOLE_LOTS, f"{report.quantity:g} units in lots of {float(rules.lot[place]):g}"
        return None

    def _sign(self, client_order_id: str, order: WorkingOrder | None) -> int:
        if order is not None:
            return 1 if order.quantity > 0 else -1
        return self._closed[client_order_id][1]

    def _close(self, order: WorkingOrder, place: int, ledger: Ledger) -> None:
        """The order is over: what is left of it is no longer reserved."""
        ledger.pending[place] -= order.lots
        ledger.dirty[place] = True
        _remember(self._closed, order.client_order_id, (place, 1 if order.quantity > 0 else -1))
        self._orders.forget(place, order)
        if place not in self._orders.working:
            ledger.cancelling[place] = False

    # ------------------------------------------------------------ silence
    def expire_unanswered(self, cycle: int, ledger: Ledger) -> list[int]:
        """Orders that the venue has not answered in time: taken back first; given up after as long again.

        Returns the places of symbols whose orders are to be taken back. What is given up is no longer reserved, and its
        symbol may only be reduced until a position report settles it: nothing is reserved for ever.
        """
        found: list[int] = []
        if self._timeout <= 0:
            return found
        for place, orders in sorted(self._orders.working.items()):
            for order in list(orders):
                if order.heard or cycle - order.sent <= self._timeout:
                    continue
                name = self._names[place]
                if cycle - order.sent > 2 * self._timeout:
                    self._tell(Reason.ORDER_GIVEN_UP, name, f"{order.client_order_id}: no answer to order and cancel")
                    ledger.reducing[place] = True
                    self._close(order, place, ledger)
                elif not ledger.cancelling[place]:
                    self._tell(Reason.ORDER_UNANSWERED, name, f"{order.client_order_id}: taken back")
                    ledger.cancelling[place] = True
                    found.append(place)
        return found

    # ------------------------------------------------------------ telling
    def _alarm(self, reason: Reason, report: ExecutionReport, ledger: Ledger, detail: str) -> None:
        """Kept, not booked; the symbol may only be reduced until a position report agrees."""
        place = self._places.get(report.symbol)
        if place is not None:
            ledger.reducing[place] = True
        what = f"{report.status} {report.side} {report.quantity:g} {report.symbol} of order {report.client_order_id}"
        self._tell(reason, report.symbol, f"{what}: {detail}")

    def _tell(self, reason: Reason, symbol: str, detail: str) -> None:
        self._events.append({"detail": detail, "reason": reason.name, "schedule": "", "symbol": symbol})

    def take(self) -> tuple[FillTable | None, list[dict[str, Any]]]:
        """Fills and events since the last call, for the cycle's decision."""
        fills, self._fills = self._fills, FillColumns(self._pods)
        events, self._events = self._events, []
        return fills.table(), events

    # ------------------------------------------------------------ state
    def snapshot(self) -> dict[str, Any]:
        """What is remembered of closed orders and executions."""
        return {"closed": dict(self._closed), "seen": list(self._seen), "reconciled": self.reconciled}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Goes on from a snapshot."""
        self._closed = dict(snapshot["closed"])
        self._seen = dict.fromkeys(snapshot["seen"])
        self.reconciled = snapshot["reconciled"]


def _remember(memory: dict[str, Any], key: str, value: Any) -> None:
    memory[key] = value
    if len(memory) > REMEMBERED:
        del memory[next(iter(memory))]
