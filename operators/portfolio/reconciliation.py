"""Compares the ledger with what an account reports (spec 9): a symbol that differs may only be reduced."""

from __future__ import annotations

from typing import Any

from operators.portfolio.ledger import CASH, Ledger, Rules, units_of
from operators.portfolio.order_writer import OrderWriter
from schemas.messages import PositionReport
from schemas.reasons import Reason

#: Cash that differs by more than this, in base currency, is told.
_CASH = 0.01


def reconcile(
    report: PositionReport, names: list[str], ledger: Ledger, rules: Rules, orders: OrderWriter
) -> tuple[list[dict[str, Any]], bool]:
    """Compares positions, open orders and cash; returns the events to journal and whether everything agrees.

    A symbol whose position differs is set to reduce only, one that agrees is released. A position in what the portfolio
    does not trade, an open order that it does not know and one that the account does not know are told; the last is no
    longer waited for.
    """
    found: list[dict[str, Any]] = []

    def tell(reason: Reason, symbol: str, detail: str) -> None:
        found.append({"detail": detail, "reason": reason.name, "schedule": "", "symbol": symbol})

    reported = {p.symbol: p.quantity for p in report.positions}
    for place, name in enumerate(names):
        lot = float(rules.lot[place])
        own, theirs = float(units_of(int(ledger.position[place]), lot)), reported.pop(name, 0.0)
        if abs(own - theirs) > lot * 1e-6:
            ledger.reducing[place] = True
            tell(Reason.POSITION_MISMATCH, name, f"the ledger holds {own:g}, account {report.account} {theirs:g}")
        elif ledger.reducing[place]:
            ledger.reducing[place] = False
            ledger.dirty[place] = True
            tell(Reason.POSITION_RECONCILED, name, f"ledger and account {report.account} hold {own:g}")
    for symbol, quantity in sorted(reported.items()):
        if quantity != 0.0:
            tell(Reason.POSITION_MISMATCH, symbol, f"account {report.account} holds {quantity:g} of what is not traded")
    _orders(report, names, ledger, orders, tell)
    cash = float(ledger.scalars[CASH])
    if report.cash is not None and abs(report.cash - cash) > _CASH:
        tell(Reason.CASH_MISMATCH, "", f"the ledger has {cash:.2f}, account {report.account} {report.cash:.2f}")
    agrees = all(e["reason"] == Reason.POSITION_RECONCILED.name for e in found)
    if agrees:
        tell(Reason.POSITION_RECONCILED, "", f"ledger and account {report.account} agree")
    return found, agrees


def _orders(report: PositionReport, names: list[str], ledger: Ledger, orders: OrderWriter, tell: Any) -> None:
    theirs = set(report.open_orders)
    for place in sorted(orders.working):
        for order in list(orders.working[place]):
            if order.client_order_id in theirs:
                theirs.discard(order.client_order_id)
            elif order.heard:
                tell(Reason.ORDER_GIVEN_UP, names[place], f"{order.client_order_id}: the account does not know it")
                orders.forget(place, order)
                ledger.pending[place] -= order.lots
                ledger.dirty[place] = True
                ledger.cancelling[place] = ledger.cancelling[place] and place in orders.working
    for unknown in sorted(theirs):
        tell(Reason.ORDER_UNKNOWN, "", f"account {report.account} has an open order that was not sent: {unknown}")
