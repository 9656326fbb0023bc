"""The paper venue cycle by cycle: what it answers, when, and that cuts and restarts change nothing."""

from __future__ import annotations

import pickle
from typing import Any

import msgspec
import numpy as np
import pytest

from operators.contiguity import ContiguityError, SnapshotError
from operators.frames import GroupFrame, RecordBlock
from operators.intents import no_intents
from operators.plan import Plan
from operators.venue.orders_step import OrdersStep
from operators.venue.venue_step import VenueStep
from schemas.messages import Cancel, CycleEnd, Order
from tests.operators.desk import HOUR, START, configuration, plan_of


def plan(**venue: Any) -> Plan:
    """One portfolio ``main`` in AAA, lots of 0.01."""
    document = configuration(execution={"mode": "paper_venue"})
    document["topics"]["fills"] = {"partitions": 1}
    document["paper_venue"] = {"slippage_bps": 0, **venue}
    return plan_of(document)


class Street:
    """Feeds a venue by hand. ``cycle`` n closes n hours after the start."""

    def __init__(self, of: Plan) -> None:
        self.plan = of
        self.venue = VenueStep(of, 0)
        self.orders = OrdersStep(0)
        self.frames = self.sequence = self.offset = 0
        self.n = 0
        self.told: list[dict[str, Any]] = []

    def bar(self, opened: float, closed: float, volume: float = np.nan, hours: int = 1) -> None:
        """The market's next bar of AAA, with cycle end and the orders that were given before."""
        self.n += hours
        self.frames += 1
        cells = [np.array([[x]]) for x in (opened, closed, volume)]
        one = np.array([START + self.n * HOUR])
        offsets = np.array([self.n])
        frame = GroupFrame(
            0, self.frames, int(one[0]) - HOUR * hours, int(one[0]), one, offsets, offsets, *cells,
            np.array([[True]]), np.array([[False]]), no_intents(1), [],
        )  # fmt: skip
        self.hear(self.venue.step(frame))

    def end(self, *messages: dict[str, Any]) -> list[dict[str, Any]]:
        """Weir's answer to the bar: orders and cancels, then the cycle's end; what the venue says to it."""
        before = len(self.told)
        payloads = []
        for message in messages:
            self.sequence += 1
            common = {
                "account": "paper", "cycle": self.now, "decision_id": "d", "decision_sequence": 1,
                "portfolio": "main", "sequence": self.sequence, "symbol": "AAA", "v": 1,
            }  # fmt: skip
            if "reason" in message:
                payloads.append(msgspec.json.encode(Cancel(**common, **message)))
            else:
                plain = {
                    "attribution": {}, "config_hash": "c", "limit_price": None, "order_type": "market",
                    "reducing": False, "reference_price": 1.0, "side": "buy", "stop_price": None,
                    "time_in_force": "gtc", "venue": "", "quantity": 1.0,
                }  # fmt: skip
                payloads.append(msgspec.json.encode(Order(**common, **{**plain, **message})))
        payloads.append(
            msgspec.json.encode(
                CycleEnd(cycle=self.now, orders=len(messages), portfolio="main", sequence=self.sequence)
            )
        )
        offsets = np.arange(self.offset, self.offset + len(payloads))
        block = RecordBlock(
            "orders", 0, self.offset, self.offset + len(payloads), offsets, offsets, payloads
        )  # fmt: skip
        self.offset += len(payloads)
        for frame in self.orders.step(block):
            self.hear(self.venue.step(frame))
        return self.told[before:]

    @property
    def now(self) -> int:
        return START + self.n * HOUR

    def hear(self, frame: Any) -> None:
        self.told += [] if frame is None else [msgspec.json.decode(r) for r in frame.records]

    def restart(self) -> None:
        """Goes on from a snapshot that was written and read."""
        saved = pickle.loads(pickle.dumps((self.venue.snapshot(), self.orders.snapshot())))
        self.venue, self.orders = VenueStep(self.plan, 0), OrdersStep(0)
        self.venue.restore(saved[0])
        self.orders.restore(saved[1])


def statuses(reports: list[dict[str, Any]]) -> list[str]:
    """Status, or the type of what has none."""
    return [r.get("status", r["type"]) for r in reports]


def test_an_order_is_accepted_in_its_cycle_and_trades_at_the_next_bars_open() -> None:
    street = Street(plan(slippage_bps=10))
    street.bar(99.0, 100.0)
    first = street.end({"client_order_id": "a", "quantity": 2.0})
    assert statuses(first) == ["accepted", "clock_tick"]
    street.bar(101.0, 105.0)
    second = street.end()
    assert statuses(second) == ["filled", "clock_tick"]
    fill = second[0]
    assert (fill["price"], fill["quantity"], fill["ts"]) == (pytest.approx(101.0 * 1.001), 2.0, street.now)


def test_every_cycle_end_is_answered_with_a_tick_of_its_cycle() -> None:
    street = Street(plan())
    for _ in range(3):
        street.bar(1.0, 1.0)
        assert street.end() == [{"type": "clock_tick", "ts": street.now}]


def test_nothing_is_said_before_the_market_has_closed_the_cycle() -> None:
    """Orders may be read before the market is: the answer waits for both."""
    street = Street(plan())
    street.n += 1
    assert street.end({"client_order_id": "a"}) == []
    street.n -= 1
    street.bar(1.0, 1.0)
    assert statuses(street.told) == ["accepted", "clock_tick"]


def test_participation_fills_in_parts_and_in_whole_lots() -> None:
    street = Street(plan(participation=0.1))
    street.bar(10.0, 10.0, 1.0)
    street.end({"client_order_id": "a", "quantity": 0.25})
    quantities = []
    for volume in (1.0, 1.05, 5.0):
        street.bar(10.0, 10.0, volume)
        quantities += [(r["status"], r["quantity"]) for r in street.end() if "status" in r]
    assert quantities == [("partially_filled", 0.1), ("partially_filled", 0.1), ("filled", pytest.approx(0.05))]


def test_orders_share_a_bars_volume_in_the_order_of_their_coming() -> None:
    street = Street(plan(participation=0.1))
    street.bar(10.0, 10.0, 1.0)
    street.end({"client_order_id": "a", "quantity": 0.08}, {"client_order_id": "b", "quantity": 0.08})
    street.bar(10.0, 10.0, 1.0)
    traded = [(r["client_order_id"], r["status"], r["quantity"]) for r in street.end() if "status" in r]
    assert traded == [("a", "filled", 0.08), ("b", "partially_filled", pytest.approx(0.02))]


def test_a_cancel_takes_back_what_rests_and_comes_too_late_for_what_has_traded() -> None:
    street = Street(plan())
    street.bar(10.0, 10.0)
    street.end({"client_order_id": "a", "limit_price": 5.0}, {"client_order_id": "b"})
    street.bar(10.0, 10.0)
    cancels = [{"client_order_id": n, "reason": "ROUTE_CANCELLED_BY_TARGET"} for n in ("a", "b")]
    answer = street.end(*cancels)
    assert [(r.get("client_order_id"), r.get("status")) for r in answer[:-1]] == [("b", "filled"), ("a", "cancelled")]


@pytest.mark.parametrize(("tif", "hours", "left"), [("ioc", 1, False), ("day", 1, True), ("day", 24, False)])
def test_time_in_force_ends_what_did_not_trade(tif: str, hours: int, left: bool) -> None:
    street = Street(plan())
    street.bar(10.0, 10.0)
    street.end({"client_order_id": "a", "limit_price": 5.0, "time_in_force": tif})
    street.bar(10.0, 10.0, hours=hours)
    assert ("expired" in statuses(street.end())) is not left


def test_an_order_in_an_unknown_symbol_is_rejected() -> None:
    street = Street(plan())
    street.bar(10.0, 10.0)
    street.venue._symbols.clear()
    assert statuses(street.end({"client_order_id": "a"})) == ["rejected", "clock_tick"]


def test_latency_lets_bars_pass_first() -> None:
    street = Street(plan(latency_cycles=2))
    street.bar(10.0, 10.0)
    street.end({"client_order_id": "a"})
    seen = []
    for _ in range(3):
        street.bar(10.0, 10.0)
        seen.append("filled" in statuses(street.end()))
    assert seen == [False, False, True]


class TestFaults:
    def day(self, **faults: Any) -> list[list[dict[str, Any]]]:
        street = Street(plan(faults=faults))
        answers = []
        for n in range(6):
            street.bar(10.0, 10.0)
            answers.append(street.end(*([{"client_order_id": "a", "quantity": 1.0}] if n == 0 else [])))
        return [[r for r in a if r["type"] != "clock_tick"] for a in answers]

    def test_reject(self) -> None:
        assert statuses(self.day(reject=1.0)[0]) == ["rejected"]

    def test_duplicate_repeats_the_execution_id(self) -> None:
        fills = self.day(duplicate=1.0)[1]
        assert len(fills) == 2
        assert fills[0] == fills[1]

    def test_late_holds_the_fill_back_and_stamps_it_with_the_cycle_that_tells_it(self) -> None:
        days = self.day(late=1.0, late_answers=3)
        assert [len(d) for d in days] == [1, 0, 0, 0, 1, 0]
        assert days[4][0]["ts"] == START + 5 * HOUR

    def test_overfill_adds_a_lot(self) -> None:
        assert self.day(overfill=1.0)[1][0]["quantity"] == pytest.approx(1.01)

    def test_unknown_reports_an_order_that_nobody_sent(self) -> None:
        assert {r["client_order_id"] == "a" for r in self.day(unknown=1.0)[0]} == {True, False}

    def test_silent_never_answers(self) -> None:
        assert self.day(silent=["AAA"]) == [[]] * 6

    def test_the_same_seed_meets_the_same_faults(self) -> None:
        faults = {"reject": 0.3, "duplicate": 0.5, "late": 0.5}
        assert self.day(**faults) == self.day(**faults)


def test_a_restart_in_between_changes_nothing() -> None:
    def run(restarts: bool) -> list[dict[str, Any]]:
        street = Street(plan(participation=0.1, latency_cycles=1, faults={"late": 0.5}))
        for n in range(12):
            street.bar(10.0 + n, 10.5 + n, 1.0)
            if restarts:
                street.restart()
            street.end({"client_order_id": f"o{n}", "quantity": 0.15})
            if restarts:
                street.restart()
        return street.told

    assert run(True) == run(False)


def test_a_gap_in_the_orders_sequence_stops_the_venue() -> None:
    street = Street(plan())
    street.bar(1.0, 1.0)
    street.end({"client_order_id": "a"})
    street.sequence += 1
    street.bar(1.0, 1.0)
    with pytest.raises(ContiguityError, match="expected 1, found 2"):
        street.end()


def test_unknown_types_and_fields_are_ignored() -> None:
    step = OrdersStep(0)
    payloads = [
        b'{"type":"weather","sun":true}',
        b'{"type":"cycle_end","cycle":1,"orders":0,"portfolio":"p","sequence":0,"new":1}',
    ]
    block = RecordBlock("orders", 0, 0, 2, np.arange(2), np.arange(2), payloads)
    (frame,) = step.step(block)
    assert [type(m).__name__ for m in frame.messages] == ["CycleEnd"]


def test_a_snapshot_of_an_unknown_version_is_refused() -> None:
    venue = VenueStep(plan(), 0)
    with pytest.raises(SnapshotError, match="venue of main"):
        venue.restore({**venue.snapshot(), "version": 99})
