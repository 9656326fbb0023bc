"""``cross_exchange_arbitrage(entry 0.0015, exit 0.0005, max notional 50,000, 120 s)``: both legs or none (spec 3)."""

from __future__ import annotations

from typing import Any

import pytest

from operators.pipeline import Pipeline
from operators.plan import Plan, compile_plan
from operators.strategy_evaluate.registry import default_registry
from schemas.configuration import ConfigurationError, parse_configuration
from schemas.decision import DecisionBody
from tests.operators.desk import decoded
from tests.operators.normalize.logs import SECOND, START, Record, blocks, quote, record, tick

LEGS = ("A.X", "B.Y")
#: Bid and ask of a venue around a price, 1 basis point wide.
HALF = 0.5e-4

Row = tuple[float | None, float | None]


def plan_of(*, fee: float = 0.0, shortable: bool = True, symbols: tuple[str, ...] = LEGS, **parameters: Any) -> Plan:
    """Cycles of a second; each venue in a key group of its own."""
    schedule = {
        "id": "pair", "strategy": "cross_exchange_arbitrage", "symbols": list(symbols), "parameters": parameters,
    }  # fmt: skip
    market = {"partitions": 2, "partitioner": "explicit", "partition_of": {"A.X": 0, "B.Y": 1, "C": 1}}
    document = {
        "time": {"cycle_seconds": 1, "allowed_lateness_seconds": 0, "side_lag_seconds": 0},
        "topics": {"market": {**market, "close_on": "watermark"}, "control": {}},
        "instruments": [
            {"symbol": s, "lot": 1e-6, "fee_rate": fee, "shortable": shortable or s != "A.X"} for s in (*LEGS, "C")
        ],
        "quality": {"minimum": 100_000},
        "portfolios": [
            {"id": "main", "heartbeat_cycles": 0, "pods": [{"id": "pairs", "slippage_bps": 0, "schedules": [schedule]}]}
        ],
    }
    return compile_plan(parse_configuration(document), default_registry())


def trade(plan: Plan, rows: list[Row], commands: dict[int, dict[str, Any]] | None = None) -> list[DecisionBody]:
    """Decisions over mid prices of both venues, second by second; None is no quote in that second."""
    logs: dict[tuple[str, int], list[Record]] = {("market", 0): [], ("market", 1): [], ("control", 0): []}
    for second, prices in enumerate(rows, 1):
        at = START + second * SECOND
        for leg, (name, price) in enumerate(zip(LEGS, prices, strict=True)):
            if price is not None:
                logs["market", leg].append(record(quote(name, at, price * (1 - HALF), price * (1 + HALF))))
        if second in (commands or {}):
            logs["control", 0].append(record({**(commands or {})[second], "ts": at}))
    pipeline, found = Pipeline(plan), list[DecisionBody]()
    for (topic, partition), log in logs.items():
        log.append(record(tick(START + (len(rows) + 1) * SECOND)))
        outputs, letters = pipeline.feed(blocks(log, [], topic, partition)[0])
        assert not letters
        found += [decoded(body) for output in outputs for body in output.bodies]
    return found


def stated(decisions: list[DecisionBody]) -> list[tuple[int, str, float]]:
    """(second, symbol, notional) of every intent."""
    return [
        ((d.cycle - START) // SECOND, symbol, value)
        for d in decisions
        if d.intents is not None
        for symbol, value in zip(d.intents.symbol, d.intents.value, strict=True)
    ]


def both(second: int, notional: float) -> list[tuple[int, str, float]]:
    return [(second, "A.X", notional), (second, "B.Y", -notional)]


EVEN: Row = (100.0, 100.0)
#: B dearer by 0.2 % of the mid; executable after both half spreads: 0.19 %.
WIDE: Row = (99.9, 100.1)


def test_defaults() -> None:
    parameters = default_registry().build("cross_exchange_arbitrage", {}).parameters
    assert (parameters.entry, parameters.exit, parameters.max_notional, parameters.max_open_seconds) == (
        0.0015, 0.0005, 50_000.0, 120.0,
    )  # fmt: skip


class TestEntryAndExit:
    def test_buys_the_cheap_venue_and_sells_the_dear_one_in_one_cycle(self) -> None:
        assert stated(trade(plan_of(), [EVEN, WIDE, WIDE])) == both(2, 50_000.0)

    def test_the_other_way_round(self) -> None:
        assert stated(trade(plan_of(), [EVEN, (100.1, 99.9)])) == both(2, -50_000.0)

    def test_it_leaves_both_when_the_mids_have_met(self) -> None:
        decisions = trade(plan_of(), [WIDE, WIDE, (99.97, 100.03), (99.98, 100.02), EVEN])
        assert stated(decisions) == [*both(1, 50_000.0), *both(4, 0.0)]

    def test_it_leaves_both_after_120_seconds(self) -> None:
        decisions = trade(plan_of(), [WIDE] * 130)
        assert [s for s, *_ in stated(decisions)] == [1, 1, 121, 121, 122, 122], "and may enter again"

    def test_the_spread_is_what_can_be_had_at_bid_and_ask(self) -> None:
        """0.16 % between the mids, of which the half spreads leave 0.15 %: just not enough in floats above 0.0015."""
        assert stated(trade(plan_of(), [(99.925, 100.075)])) == []

    @pytest.mark.parametrize(("fee", "enters"), [(0.00009, True), (0.00011, False)])
    def test_fees_of_both_legs_in_and_out_are_inside_the_entry_test(self, fee: float, enters: bool) -> None:
        """0.19 % executable less 4 fees must leave 0.15 %; the fees are the instruments'."""
        assert bool(stated(trade(plan_of(fee=fee), [WIDE]))) is enters

    def test_configured_fees_win(self) -> None:
        assert stated(trade(plan_of(fee=0.001, fee_rates=[0.0, 0.0]), [WIDE]))


class TestBothLegsOrNone:
    def test_no_entry_while_one_venue_is_silent(self) -> None:
        assert stated(trade(plan_of(), [(99.9, None)] * 3)) == []

    def test_no_entry_on_a_quote_that_is_too_old(self) -> None:
        rows: list[Row] = [(100.1, 100.1), *[(100.1, None)] * 5, (99.9, None)]
        assert stated(trade(plan_of(max_delay_seconds=5), rows)) == []
        assert stated(trade(plan_of(max_delay_seconds=6), rows)) == both(7, 50_000.0)

    def test_a_lone_leg_is_unwound(self) -> None:
        """A fills at second 2; B has not by second 2 + 3 and falls out together with it."""
        rows: list[Row] = [WIDE, *[(99.9, None)] * 5]
        assert stated(trade(plan_of(max_delay_seconds=3), rows)) == [*both(1, 50_000.0), *both(6, 0.0)]

    def test_two_legs_that_fill_one_after_the_other_stand(self) -> None:
        rows: list[Row] = [WIDE, (99.9, None), (99.9, None), WIDE, WIDE, WIDE, WIDE, WIDE]
        assert stated(trade(plan_of(max_delay_seconds=3), rows)) == both(1, 50_000.0)

    def test_defect_a_position_never_changes_at_the_moment_of_emission(self) -> None:
        """The quotes that state the entry do not fill it: with nothing after them no leg stands alone."""
        rows: list[Row] = [WIDE, (None, None), (None, None), (None, None), (None, None), WIDE]
        assert stated(trade(plan_of(max_delay_seconds=2), rows)) == both(1, 50_000.0)

    @pytest.mark.parametrize("limit", [0, 1])
    def test_a_limit_that_has_no_room_for_both_holds_both(self, limit: int) -> None:
        command = {"command": "set_limit", "target": {"scope": "strategy", "name": "cross_exchange_arbitrage"}}
        decisions = trade(plan_of(), [EVEN, WIDE], {1: _command(command, risk_profile="balanced", limit=limit)})
        assert len(stated(decisions)) == 2
        clipped = [(c.reason, c.symbol) for c in (d.clips for d in decisions) if c is not None]
        assert clipped == [(["SIGNAL_LIMITED"] * 2, list(LEGS))]
        assert all(d.targets is None and d.orders is None for d in decisions)

    @pytest.mark.parametrize("mode", ["freeze", "flatten"])
    def test_a_kill_switch_on_one_leg_counts_for_both(self, mode: str) -> None:
        kill = _command({"command": "kill", "target": {"scope": "symbol", "name": "A.X"}}, mode=mode)
        decisions = trade(plan_of(), [EVEN, WIDE, WIDE, EVEN, EVEN], {1: kill})
        assert all(d.orders is None for d in decisions)
        decisions = trade(plan_of(), [WIDE, WIDE, WIDE, EVEN, EVEN, EVEN], {3: kill})
        traded = {s: sum(q for x, q in _orders(decisions) if x == s) for s in LEGS}
        if mode == "freeze":
            assert traded["A.X"] > 0 > traded["B.Y"], "neither leg moves"
        else:
            assert traded == {"A.X": pytest.approx(0.0), "B.Y": pytest.approx(0.0)}

    def test_a_suspended_pair_still_leaves(self) -> None:
        suspend = _command({"command": "suspend", "target": {"scope": "schedule", "name": "pair"}})
        decisions = trade(plan_of(), [WIDE, WIDE, EVEN, EVEN, EVEN, WIDE], {2: suspend})
        assert {s: sum(q for x, q in _orders(decisions) if x == s) for s in LEGS} == {
            "A.X": pytest.approx(0.0), "B.Y": pytest.approx(0.0),
        }  # fmt: skip

    def test_degraded_data_of_one_leg_lets_neither_take_new_risk(self) -> None:
        plan = plan_of()
        quality = plan.configuration.quality.model_copy(update={"minimum": 20, "staleness_seconds": 0.5})
        stale = plan.configuration.model_copy(update={"quality": quality})
        slow = compile_plan(stale, default_registry())
        logs = {leg: [] for leg in range(2)}
        for second in range(1, 40):
            at = START + second * SECOND
            for leg, price in enumerate(EVEN if second < 39 else WIDE):
                written = at + (SECOND if leg == 0 else 0)
                logs[leg].append(record(quote(LEGS[leg], at, price * (1 - HALF), price * (1 + HALF)), written))
        pipeline, found = Pipeline(slow), list[DecisionBody]()
        for topic, partition, log in (("control", 0, []), ("market", 0, logs[0]), ("market", 1, logs[1])):
            outputs, _ = pipeline.feed(blocks([*log, record(tick(START + 41 * SECOND))], [], topic, partition)[0])
            found += [decoded(body) for output in outputs for body in output.bodies]
        reasons = [r for d in found if d.clips is not None for r in d.clips.reason]
        assert reasons == ["SIGNAL_LEG_DEGRADED"] * 2


def _command(given: dict[str, Any], **body: Any) -> dict[str, Any]:
    shared = {"type": "control", "operator": "ada", "note": "checked", "portfolio": "main"}
    return {"id": "c", **shared, **given, "body": body}


def _orders(decisions: list[DecisionBody]) -> list[tuple[str, float]]:
    return [
        (symbol, quantity)
        for d in decisions
        if d.orders is not None
        for symbol, quantity in zip(d.orders.symbol, d.orders.quantity, strict=True)
    ]


class TestConfiguration:
    @pytest.mark.parametrize(
        ("given", "problem"),
        [
            ({"symbols": ("A.X",)}, "trades 2 legs, 1 given"),
            ({"symbols": (*LEGS, "C")}, "trades 2 legs, 3 given"),
            ({"shortable": False}, "shortable: false"),
            ({"primary": "C"}, "is none of A.X, B.Y"),
            ({"entry": 0.0004}, "must lie below entry"),
        ],
        ids=str,
    )
    def test_what_cannot_work_is_refused_before_it_starts(self, given: dict[str, Any], problem: str) -> None:
        with pytest.raises(ConfigurationError, match=problem):
            plan_of(**given)


def test_it_measures_what_seed_004_names() -> None:
    plan = plan_of(max_delay_seconds=5)
    trade(plan, [(99.9, 100.1), EVEN])
    found = plan.schedules[0].strategy.measures(None, None, None)  # type: ignore[arg-type]
    assert found == {"secondary_delay_ms": 0.0, "spread_capture_bps": pytest.approx(19.0, abs=0.01)}
