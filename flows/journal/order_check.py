"""Each order stands in exactly one decision, in sequence, with the same quantity, and no other order exists."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from flows.journal.findings import Finding, Verdict
from flows.journal.reader import TruncatedStream, raw_lines
from schemas.decision import DecisionBody, OrderTable


class WrittenOrder(Struct, frozen=True, tag="order", tag_field="type"):
    """What is compared of an order line. ``quantity`` is unsigned units."""

    client_order_id: str
    decision_id: str
    decision_sequence: int
    portfolio: str
    quantity: float
    sequence: int
    side: str
    symbol: str


class _CycleEnd(Struct, frozen=True, tag="cycle_end", tag_field="type"):
    """Marks in between are passed over."""


_DECODER = msgspec.json.Decoder(WrittenOrder | _CycleEnd)


class OrderCheck:
    """Walks the orders file beside the decisions; both are read once, and memory stays flat when they run in step."""

    def __init__(self, path: Path) -> None:
        self.orders = 0
        self._path = path
        self._lines = raw_lines(path)
        self._waiting: dict[str, deque[WrittenOrder]] = {}
        self._next: dict[str, int] = {}
        self._failed: dict[str, Finding] = {}
        self._loose: list[Finding] = []

    def expect(self, body: DecisionBody) -> None:
        """The orders of one decision must come next in their portfolio."""
        table = body.orders
        if table is None or body.portfolio in self._failed:
            return
        for row in range(len(table.client_order_id)):
            self._expect_one(body, table, row)
            if body.portfolio in self._failed:
                return

    def finish(self) -> list[Finding]:
        """Every fault, the first one of each portfolio; reads the rest of the file."""
        for order in self._rest():
            if order.portfolio not in self._failed:
                self._judge_extra(order)
        return [self._failed[name] for name in sorted(self._failed)] + self._loose

    def _rest(self) -> Iterator[WrittenOrder]:
        for _, waiting in sorted(self._waiting.items()):
            yield from waiting
        while (order := self._read()) is not None:
            yield order

    def _expect_one(self, body: DecisionBody, table: OrderTable, row: int) -> None:
        wanted = table.sequence[row]
        expected = self._next.get(body.portfolio)
        self._next[body.portfolio] = wanted + 1
        identity = f"order {wanted} ({table.client_order_id[row]}) of decision {body.sequence}"
        if expected is not None and wanted != expected:
            text = f"{identity} has a sequence that does not follow {expected - 1}"
            self._fail(Verdict.ORDER_DIFFERS, body.portfolio, wanted, text)
            return
        order = self._take(body.portfolio)
        if order is None or order.sequence > wanted:
            self._fail(Verdict.ORDER_MISSING, body.portfolio, wanted, f"{identity} is not in {self._path.name}")
        elif order.sequence < wanted:
            self._judge_extra(order)
        else:
            differences = _differences(order, body, table, row)
            if differences:
                text = f"{identity} differs in {self._path.name}: {', '.join(differences)}"
                self._fail(Verdict.ORDER_DIFFERS, body.portfolio, wanted, text)

    def _judge_extra(self, order: WrittenOrder) -> None:
        repeated = order.sequence < self._next.get(order.portfolio, 0)
        verdict = Verdict.ORDER_REPEATED if repeated else Verdict.ORDER_UNEXPECTED
        why = "stands twice or out of order" if repeated else "stands in no decision"
        text = f"order {order.sequence} ({order.client_order_id}) {why}"
        self._fail(verdict, order.portfolio, order.sequence, text)

    def _fail(self, verdict: Verdict, portfolio: str, sequence: int, text: str) -> None:
        self._failed.setdefault(portfolio, Finding(verdict, f"portfolio {portfolio}: {text}", portfolio, sequence))
        self._waiting.pop(portfolio, None)

    def _take(self, portfolio: str) -> WrittenOrder | None:
        waiting = self._waiting.get(portfolio)
        if waiting:
            return waiting.popleft()
        while (order := self._read()) is not None:
            if order.portfolio == portfolio:
                return order
            if order.portfolio not in self._failed:
                self._waiting.setdefault(order.portfolio, deque()).append(order)
        return None

    def _read(self) -> WrittenOrder | None:
        """The next order of the file, None at its end."""
        while True:
            try:
                raw = next(self._lines)
                line = _DECODER.decode(raw)
            except StopIteration:
                return None
            except TruncatedStream as error:
                self._loose.append(Finding(Verdict.TRUNCATED, str(error)))
                return None
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                if not self._loose:
                    text = f"{self._path.name}: a line after order {self.orders} is no order: {error}"
                    self._loose.append(Finding(Verdict.ORDER_MALFORMED, text))
                continue
            if isinstance(line, WrittenOrder):
                self.orders += 1
                return line


def _differences(order: WrittenOrder, body: DecisionBody, table: OrderTable, row: int) -> list[str]:
    """What an order line says otherwise than its decision. The decision's delta gives the side."""
    delta = table.approved[row] - table.position[row] - table.pending[row]
    pairs: list[tuple[str, object, object]] = [
        ("client_order_id", table.client_order_id[row], order.client_order_id),
        ("symbol", table.symbol[row], order.symbol),
        ("quantity", abs(table.quantity[row]), abs(order.quantity)),
        ("side", "buy" if delta > 0 else "sell", order.side),
        ("decision_id", body.decision_id, order.decision_id),
        ("decision_sequence", body.sequence, order.decision_sequence),
    ]
    return [f"{name} {found!r} instead of {wanted!r}" for name, wanted, found in pairs if wanted != found]
