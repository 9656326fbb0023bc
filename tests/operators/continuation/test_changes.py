"""A changed configuration goes on after a clean stop: what is equal continues, what is new starts, the rest is sold."""

from __future__ import annotations

from typing import Any

import pytest

from operators.continuation.change import differences
from operators.continuation.stopped import ContinuationRefused
from schemas.decision import DecisionBody
from tests.operators.continuation.restarts import next_plan, restarted
from tests.operators.desk import HOUR, Desk, clips, configuration, decoded, plan_of, pod, quantities, weights

BOTH = ("AAA", "BBB")
FLAT = dict.fromkeys(BOTH, 100.0)


def trading(*pods: dict[str, Any], symbols: Any = BOTH, **more: Any) -> tuple[Desk, dict[str, Any]]:
    """A desk and its document; every pod holds half its capital in each symbol, or what its symbols make of it."""
    document = configuration(*pods, symbols=symbols, **more)
    desk = Desk(plan_of(document))
    prices = dict.fromkeys(desk.plan.symbols, 100.0)
    desk.cycle(prices, {s.id: {desk.plan.symbols[n]: 1.0 for n in s.symbols} for s in desk.plan.schedules})
    desk.cycle(prices)
    return desk, document


def transitions(decision: DecisionBody | None) -> dict[str, tuple[str, Any]]:
    """(reason, evidence) by subject."""
    assert decision is not None
    return {t["subject"]: (t["reason"], t["evidence"]) for t in decision.transitions or []}


def orders_of(desk: Desk, decision: DecisionBody | None) -> list[dict[str, Any]]:
    assert decision is not None
    return [o for o in desk.orders if o["decision_id"] == decision.decision_id]


# ---------------------------------------------------------------- limits
def test_a_limit_changes_and_nothing_else_happens() -> None:
    desk, document = trading(pod("alpha"), pod("beta"))
    document["portfolios"][0]["guards"] = {"max_position": 1e9}
    after = restarted(desk, document)
    first = after.cycle(FLAT)
    assert first is not None and first.orders is None and first.targets is None
    reason, evidence = transitions(first)["configuration"]
    assert reason == "CONFIG_CHANGED" and evidence["more"] == 0
    assert evidence["changed"] == [{"key": "portfolios.main.guards.max_position", "before": None, "after": 1e9}]
    whole = first.transitions[0]  # type: ignore[index]
    assert (whole["before"], whole["after"]) == (desk.plan.config_hash, after.plan.config_hash)
    assert first.previous == decoded(desk.bodies["main"][-1]).previous or first.sequence == 3
    assert after.cycle(FLAT) is None, "the change is told once"


def test_a_tighter_leverage_is_obeyed_at_once() -> None:
    desk, document = trading(pod("alpha"))
    document["portfolios"][0]["max_gross_leverage"] = 0.5
    first = restarted(desk, document).cycle(FLAT)
    assert quantities(first) == {"AAA": [-2500.0], "BBB": [-2500.0]}
    document["portfolios"][0]["max_gross_leverage"] = 3.0
    document["portfolios"][0]["pods"][0]["max_leverage"] = 0.5
    assert weights(restarted(desk, document).cycle(FLAT)) == {("alpha", "AAA"): 0.25, ("alpha", "BBB"): 0.25}


# ---------------------------------------------------------------- pods
def test_a_removed_pods_holdings_are_sold_by_an_order_of_its_own() -> None:
    desk, document = trading(pod("alpha"), pod("beta"))
    document["portfolios"][0]["pods"].pop(0)
    after = restarted(desk, document)
    first = after.cycle(FLAT)
    told = transitions(first)
    assert told["pod:alpha"] == ("CONFIG_POD_REMOVED", {"holds": ["AAA", "BBB"]})
    assert told["schedule:alpha"] == ("CONFIG_SCHEDULE_REMOVED", {"pod": "alpha"})
    assert ("CONFIG_TARGET_WITHDRAWN", "AAA", 0.5, 0.0) in clips(first)
    # beta has the whole capital now and buys what alpha sells: the two cross, and no order leaves.
    assert quantities(first) == {}
    after.cycle(FLAT)
    assert after.ledger().attributed.tolist() == [[5000.0, 5000.0], [0.0, 0.0]]
    assert after.plan.pods[1].retired and after.plan.pods[1].id == "alpha"


def test_what_only_a_removed_pod_traded_leaves_by_order_with_its_attribution() -> None:
    own = pod("alpha", {"id": "alpha", "symbols": ["AAA"]})
    desk, document = trading(own, pod("beta", {"id": "beta", "symbols": ["BBB"]}))
    document["portfolios"][0]["pods"].pop(0)
    document["portfolios"][0]["capital"] = {"name": "fixed_weight", "weights": {"beta": 0.5}}
    after = restarted(desk, document)
    first = after.cycle(FLAT)
    assert quantities(first) == {"AAA": [-5000.0]}
    (order,) = orders_of(after, first)
    assert order["attribution"] == {"alpha": 1.0} and order["reducing"]
    after.cycle(FLAT)
    assert after.position("AAA") == 0.0 and after.position("BBB") == 5000.0
    assert after.book(1).quantity.tolist() == [0.0], "its own book is closed too"
    # The next change finds it flat, and it is gone.
    document["portfolios"][0]["guards"] = {"max_position": 1e9}
    again = restarted(after, document)
    assert [p.id for p in again.plan.pods] == ["beta"] and again.plan.retired == ()
    told = transitions(again.cycle(FLAT))
    assert told["pod:alpha"] == ("CONFIG_POD_REMOVED", {"holds": []})


def test_a_pod_on_its_way_out_survives_another_stop() -> None:
    own = pod("alpha", {"id": "alpha", "symbols": ["AAA"]})
    desk, document = trading(own, pod("beta", {"id": "beta", "symbols": ["BBB"]}))
    document["portfolios"][0]["pods"].pop(0)
    after = restarted(desk, document)
    document["portfolios"][0]["guards"] = {"max_position": 1e9}
    again = restarted(after, document)
    first = again.cycle(FLAT)
    assert quantities(first)["AAA"] == [-5000.0]
    assert list(transitions(first)) == ["configuration", "pod:alpha", "schedule:alpha"]
    assert len([t for t in first.transitions or [] if t["subject"] == "configuration"]) == 2  # type: ignore[union-attr]


def test_a_new_pod_begins_with_a_book_of_its_own_and_capital_at_once() -> None:
    desk, document = trading(pod("alpha"))
    document["portfolios"][0]["pods"].append(pod("beta"))
    after = restarted(desk, document)
    first = after.cycle(FLAT)
    assert transitions(first)["pod:beta"][0] == "CONFIG_POD_ADDED"
    assert transitions(first)["schedule:beta"][0] == "CONFIG_SCHEDULE_STARTED"
    assert first is not None and first.pods.fraction == [0.5, 0.5] and first.pods.equity == [1.0, 1.0]
    assert quantities(first) == {"AAA": [-2500.0], "BBB": [-2500.0]}
    after.cycle(FLAT, {"beta": {"AAA": 1.0}})
    after.cycle(FLAT)
    assert after.ledger().attributed.tolist() == [[2500.0, 2500.0], [2500.0, 0.0]]


def test_a_new_pod_obeys_switches_that_were_set_before_it_came() -> None:
    desk, document = trading(pod("alpha"))
    desk.command("kill", "symbol", "AAA", mode="flatten")
    desk.cycle(FLAT)
    document["portfolios"][0]["pods"].append(pod("beta"))
    after = restarted(desk, document)
    after.cycle(FLAT, {"beta": {"AAA": 1.0, "BBB": 1.0}})
    after.cycle(FLAT)
    assert after.ledger().attributed[1].tolist() == [0.0, 2500.0]


# ---------------------------------------------------------------- schedules
def test_a_schedule_with_other_parameters_starts_cold_and_the_others_stay() -> None:
    desk, document = trading(pod("alpha", "one", "two"))
    two = document["portfolios"][0]["pods"][0]["schedules"][1]
    two["parameters"] = {"fast": 5, "slow": 9}
    after = restarted(desk, document)
    first = after.cycle(FLAT)
    assert transitions(first)["schedule:two"][0] == "CONFIG_SCHEDULE_RESTARTED"
    assert weights(first) == {("alpha", "AAA"): 0.25, ("alpha", "BBB"): 0.25}
    assert quantities(first) == {"AAA": [-2500.0], "BBB": [-2500.0]}
    assert clips(first)[:2] == [(("CONFIG_TARGET_WITHDRAWN"), s, 0.25, 0.0) for s in BOTH]


def test_a_schedule_that_joins_shares_the_pod_and_standing_targets_follow() -> None:
    desk, document = trading(pod("alpha", "one"))
    document["portfolios"][0]["pods"][0]["schedules"].append({"id": "two", "strategy": "sma_cross"})
    first = restarted(desk, document).cycle(FLAT)
    assert weights(first) == {("alpha", "AAA"): 0.25, ("alpha", "BBB"): 0.25}, "half the pod is two's now"


def test_a_schedule_that_moves_to_another_pod_is_sold_there_and_starts_here() -> None:
    desk, document = trading(pod("alpha", "one", "two"), pod("beta"))
    pods = document["portfolios"][0]["pods"]
    pods[1]["schedules"].append(pods[0]["schedules"].pop(1))
    first = restarted(desk, document).cycle(FLAT)
    evidence = transitions(first)["schedule:two"][1]
    assert (evidence["pod_before"], evidence["pod_after"]) == ("alpha", "beta")
    changed = weights(first)
    assert changed["beta", "AAA"] == 0.25 and ("alpha", "AAA") not in changed, "one has all of alpha, as two had half"


# ---------------------------------------------------------------- symbols
def test_a_symbol_that_nobody_trades_any_more_is_sold() -> None:
    desk, document = trading(pod("alpha"))
    document["portfolios"][0]["pods"][0]["schedules"][0]["symbols"] = ["BBB"]
    after = restarted(desk, document)
    first = after.cycle(FLAT)
    assert transitions(first)["schedule:alpha"] == (
        "CONFIG_SYMBOL_WITHDRAWN",
        {"pod": "alpha", "symbols": ["AAA"]},
    )
    # The pod's capital is spread over one symbol now: BBB has the weight that both had.
    assert quantities(first) == {"AAA": [-5000.0], "BBB": [5000.0]}
    after.cycle(FLAT)
    assert (after.position("AAA"), after.position("BBB")) == (0.0, 10_000.0)
    assert [r.symbols for r in after.plan.retired] == [("AAA",)]


def test_a_new_symbol_joins_without_a_position() -> None:
    desk, document = trading(pod("alpha"))
    document["instruments"].append({"symbol": "ABB", "lot": 0.01, "interval": "1h"})
    after = restarted(desk, document)
    three = {**FLAT, "ABB": 10.0}
    first = after.cycle(three)
    assert weights(first) == {("alpha", "AAA"): round(1 / 3, 9), ("alpha", "BBB"): round(1 / 3, 9)}
    after.cycle(three, {"alpha": {"ABB": -1.0}})
    after.cycle(three)
    assert after.position("ABB") == -33_333.33
    assert after.position("AAA") == 3333.34, "positions kept their symbol, though its number changed"


def test_an_order_that_was_open_at_the_stop_is_filled_after_it() -> None:
    document = configuration(pod("alpha"), symbols=BOTH)
    desk = Desk(plan_of(document))
    sent = desk.cycle(FLAT, {"alpha": {"BBB": 1.0}})
    document["instruments"].append({"symbol": "ABB", "lot": 0.01, "interval": "1h"})
    after = restarted(desk, document)
    filled = after.cycle(FLAT)
    assert sent is not None and sent.orders is not None
    assert filled is not None and filled.fills is not None
    assert filled.fills.client_order_id == sent.orders.client_order_id
    assert filled.fills.symbol == ["BBB"]


# ---------------------------------------------------------------- time
def test_the_cycle_length_changes_at_a_border_of_both() -> None:
    desk, document = trading(pod("alpha"))
    document["time"]["cycle_seconds"] = 7200
    assert next_plan(desk, document).cycle_ns == 2 * HOUR
    desk.cycle(FLAT)
    with pytest.raises(ContinuationRefused, match=r"time\.cycle_seconds: it was 3600, now 7200.* is no border of that"):
        next_plan(desk, document)


def test_another_lag_of_side_topics_holds_for_what_comes_after() -> None:
    desk, document = trading(pod("alpha"))
    document["time"]["side_lag_seconds"] = 3600
    after = restarted(desk, document)
    after.command("kill", "pod", "alpha", mode="flatten")
    first, second = after.cycle(FLAT), after.cycle(FLAT)
    assert first is not None and first.commands is None
    assert second is not None and [c["command"] for c in second.commands or []] == ["kill"]


def test_a_command_that_waits_at_the_stop_never_takes_effect_in_a_cycle_that_is_decided() -> None:
    document = configuration(pod("alpha"), symbols=BOTH)
    document["time"]["side_lag_seconds"] = 7200
    desk = Desk(plan_of(document))
    desk.cycle(FLAT)
    desk.command("kill", "pod", "alpha", mode="flatten")
    desk.cycle(FLAT)
    desk.cycle(FLAT)
    document["time"]["side_lag_seconds"] = 0
    after = restarted(desk, document)
    first = after.cycle(FLAT)
    assert first is not None and [c["command"] for c in first.commands or []] == ["kill"]
    assert first.cycle == desk._last + HOUR, "by the new lag it was due an hour before the stop"


# ---------------------------------------------------------------- refusals
def refusals(desk: Desk, document: dict[str, Any]) -> list[str]:
    with pytest.raises(ContinuationRefused) as refused:
        next_plan(desk, document)
    return refused.value.problems


def test_every_refusal_names_its_key_and_the_fix() -> None:
    desk, document = trading(pod("alpha"), symbols=("AAA", "BBB", "CCC"))
    document["instruments"] = [{**i, "lot": 0.1 if i["symbol"] == "BBB" else 0.01} for i in document["instruments"][1:]]
    document["portfolios"][0]["base_currency"] = "EUR"
    document["portfolios"][0]["execution"] = {"account": "other", "slippage_bps": 0}
    document["topics"]["control"] = {"partitions": 2}
    problems = refusals(desk, document)
    assert [p.split(": ")[0] for p in problems] == [
        "portfolios.main.base_currency", "portfolios.main.execution.account", "instruments.AAA", "instruments.BBB.lot",
        "topics.control.partitions",
    ]  # fmt: skip
    assert all(";" in p for p in problems), "each says what to do"


def test_a_portfolio_is_removed_only_when_it_is_flat() -> None:
    alone = {"id": "second", "pods": [pod("gamma")]}
    document = configuration(portfolios=[{"id": "main", "pods": [pod("alpha")]}, alone], symbols=BOTH)
    desk = Desk(plan_of(document))
    desk.cycle(FLAT, {"alpha": {"AAA": 1.0}, "gamma": {"AAA": 1.0}})
    one = configuration(pod("alpha"), symbols=BOTH)
    assert refusals(desk, one)[0].startswith("portfolios.second: removed, but it holds AAA")
    desk.cycle(FLAT, {"gamma": {"AAA": 0.0}})
    desk.cycle(FLAT)
    desk.cycle(FLAT)
    after = restarted(desk, one)
    assert transitions(after.cycle(FLAT))["configuration"][0] == "CONFIG_CHANGED"
    third = {"id": "third", "pods": [pod("gamma")]}
    back = restarted(after, configuration(portfolios=[{"id": "main", "pods": [pod("alpha")]}, third], symbols=BOTH))
    back.cycle(FLAT, {"gamma": {"AAA": 1.0}})
    back.cycle(FLAT)
    assert back.position("AAA", 1) == 5000.0
    swapped = {**document, "portfolios": document["portfolios"][::-1]}
    assert "it was number 1 in the list, now it is 2" in refusals(desk, swapped)[0]


def test_other_partitions_and_places_of_symbols_are_for_repartition() -> None:
    desk, document = trading(pod("alpha"), partitions=2)
    document["topics"]["market"] = {"partitions": 3}
    assert refusals(desk, document) == ["topics.market.partitions: it was 2, now 3; run: weir state repartition"]
    places = {s: 1 - int(desk.plan.group_of[n]) for n, s in enumerate(desk.plan.symbols)}
    document["topics"]["market"] = {"partitions": 2, "partitioner": "explicit", "partition_of": places}
    assert all("run: weir state repartition" in p for p in refusals(desk, document))


def test_the_control_topic_is_not_removed_under_a_switch() -> None:
    desk, document = trading(pod("alpha"))
    desk.command("kill", "symbol", "AAA", mode="freeze")
    desk.cycle(FLAT)
    document["topics"]["control"] = None
    assert "kill switches are set (symbol AAA)" in refusals(desk, document)[0]


# ---------------------------------------------------------------- what differs
def test_lists_of_named_things_are_compared_by_name() -> None:
    before = {"pods": [{"id": "a", "x": 1}, {"id": "b", "x": 1}], "n": [1, 2]}
    after = {"pods": [{"id": "b", "x": 2}, {"id": "c", "x": 1}], "n": [1]}
    assert list(differences(before, after)) == [
        ("n", [1, 2], [1]),
        ("pods.a", {"id": "a", "x": 1}, "(absent)"),
        ("pods.b.x", 1, 2),
        ("pods.c", "(absent)", {"id": "c", "x": 1}),
    ]
