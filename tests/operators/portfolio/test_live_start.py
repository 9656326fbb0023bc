"""``live`` starts HALTED until a position report reconciles and a named operator arms it (design, "Start and stop")."""

from __future__ import annotations

from typing import Any

from operators.frames import SideFrame, SideMessage
from schemas.messages import ExecutionReport, Position, PositionReport
from tests.operators.desk import Desk, Row, configuration, plan_of


class LiveDesk(Desk):
    """A desk whose execution service reports by hand; a report takes effect in the next cycle."""

    def __init__(self) -> None:
        execution = {
            "mode": "live", "account": "real", "live_trading": True, "order_type": "market",
            "acknowledgement": "I know that these orders are real",
        }  # fmt: skip
        document = configuration(execution=execution)
        document["topics"]["fills"] = {"partitions": 1}
        super().__init__(plan_of(document))
        self.given: list[Any] = []
        self._fill_frames = 0

    def play(self, rows: list[Row]) -> None:
        self._fill_frames += 1
        cycle = rows[-1].cycle
        given, self.given = self.given, []
        messages = [SideMessage(cycle, "fills", 0, self._fill_frames * 100 + n, False, m) for n, m in enumerate(given)]
        frame = SideFrame("fills", 0, self._fill_frames, cycle, messages)
        for portfolio in self.portfolios:
            self._take(portfolio.step(frame))
        super().play(rows)

    def reports(self, quantity: float) -> None:
        """The account's positions."""
        positions = [Position(symbol="AAA", quantity=quantity)] if quantity else []
        self.given.append(PositionReport(portfolio="main", account="real", ts=0, positions=positions))

    def fills(self) -> None:
        """The open order trades whole at 100."""
        order = next(o for o in reversed(self.orders) if o["type"] == "order")
        self.given.append(
            ExecutionReport(
                portfolio="main",
                client_order_id=order["client_order_id"],
                ts=0,
                status="filled",
                symbol="AAA",
                side=order["side"],
                quantity=order["quantity"],
                price=100.0,
                execution_id=order["client_order_id"],
            )
        )


AAA = {"AAA": 100.0}


def verdicts(desk: Desk) -> list[str]:
    return [c["verdict"] for d in desk.decisions() for c in d.commands or []]


def test_nothing_is_traded_before_it_is_armed() -> None:
    desk = LiveDesk()
    desk.reports(0.0)
    desk.cycle(AAA, {"alpha": {"AAA": 1.0}})
    desk.cycle(AAA)
    assert desk.orders == []
    assert desk.decisions()[-1].trading_state == "HALTED"


def test_it_cannot_be_armed_before_positions_have_agreed() -> None:
    desk = LiveDesk()
    desk.command("arm")
    desk.command("trading_state", state="ACTIVE")
    desk.cycle(AAA, {"alpha": {"AAA": 1.0}})
    assert verdicts(desk) == ["CONTROL_NOT_RECONCILED"] * 2
    desk.reports(5.0)
    desk.command("arm")
    desk.cycle(AAA)
    assert desk.orders == []
    assert "POSITION_MISMATCH" in [e["reason"] for d in desk.decisions() for e in d.events or []]


def test_a_report_that_agrees_and_a_named_operator_start_it() -> None:
    desk = LiveDesk()
    desk.reports(0.0)
    desk.cycle(AAA, {"alpha": {"AAA": 1.0}})
    desk.command("arm")
    desk.cycle(AAA)
    assert [o["quantity"] for o in desk.orders] == [10_000.0]
    desk.fills()
    desk.cycle(AAA)
    assert desk.position("AAA") == 10_000.0


def test_a_mismatch_later_lets_the_symbol_only_reduce_until_a_report_agrees() -> None:
    desk = LiveDesk()
    desk.reports(0.0)
    desk.cycle(AAA, {"alpha": {"AAA": 0.5}})
    desk.command("arm")
    desk.cycle(AAA)
    desk.fills()
    desk.cycle(AAA)
    desk.reports(4_999.0)
    desk.cycle(AAA, {"alpha": {"AAA": 1.0}})
    assert len(desk.orders) == 1
    desk.reports(5_000.0)
    desk.cycle(AAA)
    assert [o["quantity"] for o in desk.orders] == [5_000.0, 5_000.0]
