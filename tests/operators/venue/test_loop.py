"""The closed loop in one process: market -> orders -> venue -> fills -> positions (design, "paper_venue")."""

from __future__ import annotations

import pickle
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.frames import GroupFrame, RecordBlock
from operators.portfolio.ledger import CASH, EQUITY
from operators.portfolio.portfolio_step import PortfolioStep
from operators.side.side_step import SideStep
from operators.venue.orders_step import OrdersStep
from operators.venue.venue_step import VenueStep
from schemas.decision import DecisionBody
from tests.operators.desk import Desk, Row, configuration, plan_of, pod


class Loop(Desk):
    """A desk whose orders a paper venue fills; each cycle is played through to the venue's answer."""

    def __init__(self, document: dict[str, Any]) -> None:
        super().__init__(plan_of(document))
        self.venue = VenueStep(self.plan, 0)
        self.orders_step = OrdersStep(0)
        self.fills_step = SideStep(self.plan, "fills", 0)
        self.sent = self.told = 0
        self.reports: list[dict[str, Any]] = []
        #: rewrites what the venue tells
        self.tamper = lambda records: records

    def play(self, rows: list[Row]) -> None:
        """Feeds the rows, and pumps orders and fills around until nothing moves."""
        super().play(rows)
        while self.sent < len(self.orders):
            self._pump()

    def _to_group(self, frame: GroupFrame) -> None:
        super()._to_group(frame)
        self._hear(self.venue.step(frame))

    def _pump(self) -> None:
        new = [msgspec.json.encode(o) for o in self.orders[self.sent :]]
        block = self._block("orders", self.sent, new)
        self.sent += len(new)
        for frame in self.orders_step.step(block):
            self._hear(self.venue.step(frame))

    def _hear(self, frame: Any) -> None:
        if frame is None:
            return
        records = self.tamper(frame.records)
        self.reports += [msgspec.json.decode(r) for r in records]
        side, letters = self.fills_step.step(self._block("fills", self.told, records))
        assert letters is None
        self.told += len(records)
        if side is not None:
            for portfolio in self.portfolios:
                self._take(portfolio.step(side))

    @staticmethod
    def _block(topic: str, start: int, payloads: list[bytes]) -> RecordBlock:
        offsets = np.arange(start, start + len(payloads))
        return RecordBlock(topic, 0, start, start + len(payloads), offsets, np.full(len(payloads), 2**62), payloads)

    def restart(self) -> None:
        """Every step goes on from a snapshot that was written and read."""
        self._pickle()
        saved = pickle.loads(pickle.dumps([s.snapshot() for s in (self.venue, self.orders_step, self.fills_step)]))
        self.venue, self.orders_step = VenueStep(self.plan, 0), OrdersStep(0)
        self.fills_step = SideStep(self.plan, "fills", 0)
        for step, state in zip((self.venue, self.orders_step, self.fills_step), saved, strict=True):
            step.restore(state)


def loop(
    *pods: Any,
    venue: dict[str, Any] | None = None,
    execution: dict[str, Any] | None = None,
    symbols: Any = ("AAA",),
    **portfolio: Any,
) -> Loop:
    document = configuration(
        *pods, symbols=symbols, execution={"mode": "paper_venue", **(execution or {})}, **portfolio
    )
    document["topics"]["fills"] = {"partitions": 1}
    document["paper_venue"] = {"slippage_bps": 0, **(venue or {})}
    document["time"]["max_jump_seconds"] = 1e9
    return Loop(document)


def told(decisions: list[DecisionBody]) -> list[str]:
    """Every event's reason."""
    return [e["reason"] for d in decisions for e in d.events or []]


def test_an_order_fills_at_the_next_open_and_the_ledger_hears_of_it_a_cycle_later() -> None:
    desk = loop()
    desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 0.5}})
    desk.cycle({"AAA": (101.0, 102.0)})
    assert desk.position("AAA") == 0.0
    desk.cycle({"AAA": 103.0})
    assert desk.position("AAA") == 5000.0
    fills = desk.decisions()[-1].fills
    assert fills is not None
    assert (fills.price, fills.quantity) == ([101.0], [5000.0])
    assert all(fills.execution_id)


def test_every_cycle_is_ended_in_the_orders_topic_also_an_empty_one() -> None:
    desk = loop()
    for _ in range(3):
        desk.cycle({"AAA": 100.0})
    assert [o["type"] for o in desk.orders] == ["cycle_end"] * 3


def test_a_gap_in_the_market_needs_no_answer() -> None:
    """Between two bars lie hours without any: they are not asked one by one."""
    desk = loop()
    desk.cycle({"AAA": 100.0})
    desk.cycle({"AAA": 100.0}, hours=72)
    assert len(desk.orders) == 2


def test_profit_of_the_pods_sums_to_the_accounts_to_the_cent() -> None:
    desk = loop(
        pod("alpha"),
        pod("beta"),
        venue={"slippage_bps": 7},
        symbols=[{"symbol": "AAA", "fee_rate": 0.001}, {"symbol": "BBB", "fee_rate": 0.002, "contract_multiplier": 3}],
    )
    wanted = [(0.5, -0.3), (0.2, 0.4), (-0.4, 0.1), (0.0, 0.0), (0.3, 0.3), (0.0, -0.2)]
    for n, (a, b) in enumerate(wanted * 3):
        desk.cycle(
            {"AAA": 100.0 + n, "BBB": 50.0 - n},
            {"alpha": {"AAA": a, "BBB": -b}, "beta": {"AAA": b, "BBB": a}},
        )
        desk.cycle({"AAA": 99.5 + n, "BBB": 51.0 - n})
    last = desk.decisions()[-1]
    earned = sum(last.pods.realised) + sum(last.pods.unrealised) - sum(last.pods.fees)
    assert sum(last.pods.fees) > 100.0
    assert earned == pytest.approx(last.equity - 1_000_000.0, abs=0.01)


class TestReleases:
    def test_a_rejected_order_is_released_and_not_repeated_before_the_backoff(self) -> None:
        desk = loop(venue={"faults": {"reject": 1.0}}, execution={"reject_backoff_seconds": 3 * 3600})
        for n in range(6):
            desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 0.5}} if n == 0 else {})
        sent = [o["cycle"] for o in desk.orders if o["type"] == "order"]
        hours = [(c - sent[0]) // 3_600_000_000_000 for c in sent]
        assert hours == [0, 4]
        assert desk.ledger().pending.tolist() == [0] or len(sent) == 2
        assert "ORDER_REJECTED" in told(desk.decisions())

    def test_a_limit_that_is_not_reached_expires_and_is_released(self) -> None:
        desk = loop(execution={"order_type": "limit", "time_in_force": "ioc"})
        desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 0.5}})
        desk.cycle({"AAA": 120.0})
        desk.cycle({"AAA": 120.0})
        assert "ORDER_EXPIRED" in told(desk.decisions())

    def test_a_new_target_takes_back_what_is_open_and_waits_for_the_venues_word(self) -> None:
        desk = loop(execution={"order_type": "limit", "time_in_force": "gtc"})
        desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 0.5}})
        desk.cycle({"AAA": 120.0}, {"alpha": {"AAA": 0.2}})
        assert [o["type"] for o in desk.orders if o["type"] != "cycle_end"] == ["order", "cancel"]
        assert desk.ledger().pending.tolist() == [500_000]
        desk.cycle({"AAA": 120.0})
        kinds = [o["type"] for o in desk.orders if o["type"] != "cycle_end"]
        assert kinds == ["order", "cancel", "order"]
        assert desk.ledger().pending.tolist() == [166_666]

    def test_a_venue_that_never_answers_is_given_up_and_the_symbol_only_reduces(self) -> None:
        desk = loop(venue={"faults": {"silent": ["AAA"]}}, execution={"order_timeout_seconds": 2 * 3600})
        for n in range(8):
            desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 0.5}} if n == 0 else {})
        assert told(desk.decisions()).count("ORDER_UNANSWERED") == 1
        assert told(desk.decisions()).count("ORDER_GIVEN_UP") == 1
        assert desk.ledger().pending.tolist() == [0]
        assert desk.ledger().reducing.tolist() == [True]
        assert [o["type"] for o in desk.orders if o["type"] != "cycle_end"] == ["order", "cancel"]


class TestOddReports:
    def test_a_duplicate_is_booked_once(self) -> None:
        desk = loop(venue={"faults": {"duplicate": 1.0}})
        for n in range(4):
            desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 0.5}} if n == 0 else {})
        assert desk.position("AAA") == 5000.0
        assert "FILL_DUPLICATE" in told(desk.decisions())

    def test_an_overfill_is_booked_as_reported_and_traded_back(self) -> None:
        desk = loop(venue={"faults": {"overfill": 1.0}})
        for n in range(3):
            desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 0.5}} if n == 0 else {})
        assert desk.position("AAA") == pytest.approx(5000.01)
        assert "FILL_OVERFILL" in told(desk.decisions())
        sells = [o["quantity"] for o in desk.orders if o["type"] == "order" and o["side"] == "sell"]
        assert sells == [pytest.approx(0.01)]

    def test_a_fill_of_an_unknown_order_is_kept_not_booked_and_alarmed(self) -> None:
        desk = loop(venue={"faults": {"unknown": 1.0}})
        for n in range(4):
            desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 0.5}} if n == 0 else {})
        assert "FILL_UNKNOWN_ORDER" in told(desk.decisions())
        assert desk.position("AAA") == 5000.0
        assert desk.ledger().reducing.tolist() == [True]

    def test_a_fill_that_comes_after_its_order_is_over_is_booked(self) -> None:
        desk = loop(
            venue={"participation": 0.5, "faults": {"late": 1.0, "late_answers": 2}},
            execution={"time_in_force": "ioc"},
        )
        for n in range(6):
            desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 0.5}} if n == 0 else {})
        assert desk.position("AAA") == 5000.0

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"side": "sell"}, "FILL_MISMATCH"),
            ({"price": None}, "FILL_NO_PRICE"),
            ({"quantity": 0.005}, "FILL_NOT_WHOLE_LOTS"),
        ],
    )
    def test_what_does_not_fit_its_order_is_never_booked(self, change: dict[str, Any], reason: str) -> None:
        desk = loop()

        def tamper(records: list[bytes]) -> list[bytes]:
            return [
                msgspec.json.encode({**r, **change}) if r.get("quantity") else msgspec.json.encode(r)
                for r in map(msgspec.json.decode, records)
            ]

        desk.tamper = tamper
        for n in range(4):
            desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 0.5}} if n == 0 else {})
        assert reason in told(desk.decisions())
        assert desk.position("AAA") == 0.0
        assert desk.ledger().reducing.tolist() == [True]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(50, 150)), min_size=4, max_size=25),
    st.floats(0, 0.4),
    st.floats(0, 0.4),
    st.floats(0, 0.4),
    st.booleans(),
)
def test_positions_follow_the_venue_whatever_goes_wrong(
    days: list[tuple[float, float, float]], late: float, duplicate: float, reject: float, limits: bool
) -> None:
    """The ledger's position is the sum of distinct executions told, pods' parts sum to it, and profit to the cent."""
    desk = loop(
        pod("alpha"),
        pod("beta"),
        venue={"participation": 0.5, "faults": {"late": late, "duplicate": duplicate, "reject": reject}},
        execution={
            "order_type": "limit" if limits else "market", "time_in_force": "ioc", "reject_backoff_seconds": 3600,
        },
    )  # fmt: skip
    for a, b, price in days:
        desk.cycle({"AAA": price}, {"alpha": {"AAA": a}, "beta": {"AAA": b}})
        desk.restart()
    for _ in range(3):
        desk.cycle({"AAA": days[-1][2]})
    applied = [r for r in desk.reports if r.get("quantity") and r["ts"] < desk._last]
    distinct = {r["execution_id"]: r for r in applied}.values()
    held = sum(r["quantity"] * (1 if r["side"] == "buy" else -1) for r in distinct)
    ledger = desk.ledger()
    assert desk.position("AAA") == pytest.approx(held, abs=1e-6)
    assert ledger.attributed.sum() == pytest.approx(ledger.position[0] * 0.01, abs=1e-6)
    last = desk.decisions()[-1]
    earned = sum(last.pods.realised) + sum(last.pods.unrealised) - sum(last.pods.fees)
    assert earned == pytest.approx(float(ledger.scalars[EQUITY]) - 1_000_000.0, abs=0.01)
    assert np.isfinite(ledger.scalars[CASH])


def test_restarts_in_between_change_nothing() -> None:
    def run(restart: bool) -> list[bytes]:
        desk = loop(venue={"faults": {"late": 0.5, "duplicate": 0.5}}, execution={"time_in_force": "gtc"})
        for n in range(10):
            desk.cycle({"AAA": 100.0 + n}, {"alpha": {"AAA": 0.1 * (n % 4)}})
            if restart:
                desk.restart()
        return desk.bodies["main"]

    assert run(True) == run(False)


def test_live_portfolios_are_told_of_all_fills_partitions() -> None:
    """In ``live`` mode arrival decides, so the barrier waits for every partition of the fills topic."""
    document = configuration(
        execution={
            "mode": "live", "account": "real", "live_trading": True,
            "acknowledgement": "I know that these orders are real",
        }
    )  # fmt: skip
    document["topics"]["fills"] = {"partitions": 2}
    step = PortfolioStep(plan_of(document), 0)
    assert {"fills-0", "fills-1"} <= set(step.snapshot()["barrier"])
