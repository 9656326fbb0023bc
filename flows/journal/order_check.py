"""Each order and cancel stands in exactly one decision, in sequence, with the same quantity, and there is no other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from flows.journal.findings import Finding, Verdict
from flows.journal.reader import TruncatedStream, raw_lines
from schemas.decision import DecisionBody


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


class WrittenCancel(Struct, frozen=True, tag="cancel", tag_field="type"):
    """What is compared of a cancel line; it counts in the same sequence as orders."""

    client_order_id: str
    decision_id: str
    decision_sequence: int
    portfolio: str
    sequence: int
    symbol: str


Written = WrittenOrder | WrittenCancel


class _CycleEnd(Struct, frozen=True, tag="cycle_end", tag_field="type"):
    """Marks in between are passed over."""


_DECODER: msgspec.json.Decoder[Written | _CycleEnd] = msgspec.json.Decoder(WrittenOrder | WrittenCancel | _CycleEnd)


class OrderCheck:
    """Walks the orders file beside the decisions; both are read once, and memory stays flat when they run in step."""

    def __init__(self, path: Path) -> None:
        self.orders = 0
        self._path = path
        self._lines = raw_lines(path)
        self._waiting: dict[str, deque[Written]] = {}
        self._next: dict[str, int] = {}
        self._failed: dict[str, Finding] = {}
        self._loose: list[Finding] = []

    def expect(self, body: DecisionBody) -> None:
        """The cancels and then the orders of one decision must come next in their portfolio."""
        for wanted in _wanted(body):
            if body.portfolio in self._failed:
                return
            self._expect_one(body, wanted)

    def finish(self) -> list[Finding]:
        """Every fault, the first one of each portfolio; reads the rest of the file."""
        for order in self._rest():
            if order.portfolio not in self._failed:
                self._judge_extra(order)
        return [self._failed[name] for name in sorted(self._failed)] + self._loose

    def _rest(self) -> Iterator[Written]:
        for _, waiting in sorted(self._waiting.items()):
            yield from waiting
        while (order := self._read()) is not None:
            yield order

    def _expect_one(self, body: DecisionBody, wanted: _Wanted) -> None:
        sequence = wanted.sequence
        expected = self._next.get(body.portfolio)
        self._next[body.portfolio] = sequence + 1
        identity = f"{wanted.kind} {sequence} ({wanted.client_order_id}) of decision {body.sequence}"
        if expected is not None and sequence != expected:
            text = f"{identity} has a sequence that does not follow {expected - 1}"
            self._fail(Verdict.ORDER_DIFFERS, body.portfolio, sequence, text)
            return
        written = self._take(body.portfolio)
        if written is None or written.sequence > sequence:
            self._fail(Verdict.ORDER_MISSING, body.portfolio, sequence, f"{identity} is not in {self._path.name}")
        elif written.sequence < sequence:
            self._judge_extra(written)
        else:
            differences = _differences(written, body, wanted)
            if differences:
                text = f"{identity} differs in {self._path.name}: {', '.join(differences)}"
                self._fail(Verdict.ORDER_DIFFERS, body.portfolio, sequence, text)

    def _judge_extra(self, order: Written) -> None:
        repeated = order.sequence < self._next.get(order.portfolio, 0)
        verdict = Verdict.ORDER_REPEATED if repeated else Verdict.ORDER_UNEXPECTED
        why = "stands twice or out of order" if repeated else "stands in no decision"
        text = f"order {order.sequence} ({order.client_order_id}) {why}"
        self._fail(verdict, order.portfolio, order.sequence, text)

    def _fail(self, verdict: Verdict, portfolio: str, sequence: int, text: str) -> None:
        self._failed.setdefault(portfolio, Finding(verdict, f"portfolio {portfolio}: {text}", portfolio, sequence))
        self._waiting.pop(portfolio, None)

    def _take(self, portfolio: str) -> Written | None:
        waiting = self._waiting.get(portfolio)
        if waiting:
            return waiting.popleft()
        while (order := self._read()) is not None:
            if order.portfolio == portfolio:
                return order
            if order.portfolio not in self._failed:
                self._waiting.setdefault(order.portfolio, deque()).append(order)
        return None

    def _read(self) -> Written | None:
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
            if not isinstance(line, _CycleEnd):
                self.orders += 1
                return line


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a decision says that must stand in the orders file; ``delta`` gives the side, 0 for a cancel."""

    kind: str
    sequence: int
    client_order_id: str
    symbol: str
    quantity: float = 0.0
    delta: float = 0.0


def _wanted(body: DecisionBody) -> list[_Wanted]:
    """The decision's cancels and orders, in their sequence."""
    wanted = [_Wanted("cancel", c["sequence"], c["client_order_id"], c["symbol"]) for c in body.cancels or ()]
    table = body.orders
    if table is not None:
        for i, sequence in enumerate(table.sequence):
            delta = table.approved[i] - table.position[i] - table.pending[i]
            identity = table.client_order_id[i]
            wanted.append(_Wanted("order", sequence, identity, table.symbol[i], abs(table.quantity[i]), delta))
    return wanted


def _differences(written: Written, body: DecisionBody, wanted: _Wanted) -> list[str]:
    """What a line says otherwise than its decision."""
    kind = "order" if isinstance(written, WrittenOrder) else "cancel"
    if kind != wanted.kind:
        return [f"it is a {kind}"]
    pairs: list[tuple[str, object, object]] = [
        ("client_order_id", wanted.client_order_id, written.client_order_id),
        ("symbol", wanted.symbol, written.symbol),
        ("decision_id", body.decision_id, written.decision_id),
        ("decision_sequence", body.sequence, written.decision_sequence),
    ]
    if isinstance(written, WrittenOrder):
        pairs.append(("quantity", wanted.quantity, abs(written.quantity)))
        pairs.append(("side", "buy" if wanted.delta > 0 else "sell", written.side))
    return [f"{name} {found!r} instead of {expected!r}" for name, expected, found in pairs if expected != found]
