"""``external_signal``: views of the signals topic at their cycle, expiry on event time (spec 3)."""

from __future__ import annotations

from typing import Any

import pytest

from operators.pipeline import Pipeline
from operators.plan import Plan, compile_plan
from operators.strategy_evaluate.registry import default_registry
from schemas.configuration import ConfigurationError, parse_configuration
from schemas.decision import DecisionBody
from tests.operators.desk import decoded
from tests.operators.normalize.logs import MINUTE, SECOND, START, Record, bar, blocks, record, tick

LAST = 12


def plan_of(signals: dict[str, Any] | None = None, lag: float = 0.0, **parameters: Any) -> Plan:
    """Cycles of a minute, two symbols, one follower."""
    schedule = {"id": "views", "strategy": "external_signal", "symbols": ["AAA"], "parameters": parameters}
    topics = {"market": {"partitions": 1}, "signals": {"partitions": 1} if signals is None else signals}
    document = {
        "time": {"cycle_seconds": 60, "side_lag_seconds": lag},
        "topics": {k: v for k, v in topics.items() if v != {"off": True}},
        "instruments": [{"symbol": s, "lot": 0.01, "interval": "1m"} for s in ("AAA", "BBB")],
        "portfolios": [{"id": "main", "heartbeat_cycles": 0, "pods": [{"id": "outside", "schedules": [schedule]}]}],
    }
    return compile_plan(parse_configuration(document), default_registry())


def view(at: float, strength: float = 1.0, symbol: str = "AAA", **more: Any) -> dict[str, Any]:
    """A view with event time ``at`` minutes after the start."""
    ts = START + round(at * 60) * SECOND
    return {"type": "signal", "model": "outside", "symbol": symbol, "ts": ts, "strength": strength, **more}


def follow(plan: Plan, views: list[dict[str, Any]], first_bar: int = 1) -> list[DecisionBody]:
    """Decisions over a bar a minute, and these views."""
    market = [record(bar(s, START + m * MINUTE, interval="1m")) for m in range(first_bar, LAST) for s in ("AAA", "BBB")]
    logs: dict[str, list[Record]] = {"market": market, "signals": [record(v) for v in views]}
    pipeline, found = Pipeline(plan), list[DecisionBody]()
    for topic, log in logs.items():
        outputs, _ = pipeline.feed(blocks([*log, record(tick(START + LAST * MINUTE))], [], topic, 0)[0])
        found += [decoded(body) for output in outputs for body in output.bodies]
    return found


def stated(decisions: list[DecisionBody]) -> list[tuple[int, float, float]]:
    """(minute, strength, confidence) of every intent."""
    return [
        ((d.cycle - START) // MINUTE, value, confidence)
        for d in decisions
        if d.intents is not None
        for value, confidence in zip(d.intents.value, d.intents.confidence, strict=True)
    ]


def told(decisions: list[DecisionBody]) -> list[tuple[int, str]]:
    return [((d.cycle - START) // MINUTE, e["reason"]) for d in decisions for e in d.events or []]


def test_a_view_is_passed_through_at_its_cycle() -> None:
    assert stated(follow(plan_of(), [view(2.5, 0.7, confidence=0.6)])) == [(3, 0.7, 0.6)]
    assert stated(follow(plan_of(), [view(3, 0.7)])) == [(3, 0.7, 1.0)], "at the border: of the cycle that ends there"


def test_the_side_topics_lag_counts() -> None:
    assert stated(follow(plan_of(lag=1.0), [view(3)])) == [(4, 1.0, 1.0)]


def test_it_becomes_an_order() -> None:
    decisions = follow(plan_of(), [view(2)])
    assert [((d.cycle - START) // MINUTE, d.orders.quantity) for d in decisions if d.orders] == [(2, [10_000.0])]


def test_of_several_views_in_one_cycle_the_last_counts() -> None:
    assert stated(follow(plan_of(), [view(2.1, 1.0), view(2.2, -0.5), view(2.3, 0.25)])) == [(3, 0.25, 1.0)]


def test_the_same_view_again_is_no_intent_but_renews_it() -> None:
    decisions = follow(plan_of(ttl_seconds=120), [view(2), view(3), view(4)])
    assert stated(decisions) == [(2, 1.0, 1.0), (6, 0.0, 1.0)]


class TestExpiry:
    def test_after_its_time_to_live_the_target_is_flat(self) -> None:
        decisions = follow(plan_of(ttl_seconds=150), [view(2)])
        assert stated(decisions) == [(2, 1.0, 1.0), (5, 0.0, 1.0)]
        assert told(decisions) == [(5, "SIGNAL_EXPIRED")]

    def test_it_counts_from_the_views_own_event_time(self) -> None:
        """In force while now < ts + ttl: 2.5 + 2 min ends at 4.5, so cycle 5 is the first without it."""
        assert stated(follow(plan_of(ttl_seconds=120), [view(2.5)])) == [(3, 1.0, 1.0), (5, 0.0, 1.0)]

    def test_a_views_own_expiry_wins(self) -> None:
        expires = START + 4 * MINUTE
        assert stated(follow(plan_of(), [view(2, expires_at=expires)])) == [(2, 1.0, 1.0), (4, 0.0, 1.0)]

    def test_a_view_that_comes_expired_changes_nothing_and_is_told(self) -> None:
        decisions = follow(plan_of(), [view(2), view(3, -1.0, expires_at=START + 3 * MINUTE)])
        assert stated(decisions) == [(2, 1.0, 1.0)]
        assert told(decisions) == [(3, "SIGNAL_EXPIRED")]

    def test_it_expires_in_a_cycle_without_a_price(self) -> None:
        decisions = follow(plan_of(ttl_seconds=90), [view(11)], first_bar=9)
        assert stated(decisions) == [(11, 1.0, 1.0)]
        decisions = follow(plan_of(ttl_seconds=60), [view(1)], first_bar=4)
        assert stated(decisions) == [(1, 1.0, 1.0), (2, 0.0, 1.0)]


class TestWhomItHears:
    @pytest.mark.parametrize(
        ("parameters", "hears"),
        [
            ({}, True),
            ({"model": "outside"}, True),
            ({"model": "other"}, False),
            ({"horizon": "1h"}, True),
            ({"horizon": "1d"}, False),
        ],
        ids=str,
    )
    def test_model_and_horizon(self, parameters: dict[str, Any], hears: bool) -> None:
        assert bool(stated(follow(plan_of(**parameters), [view(2, horizon="1h")]))) is hears

    def test_views_of_symbols_that_it_does_not_trade_are_passed_over(self) -> None:
        assert stated(follow(plan_of(), [view(2, symbol="BBB")])) == []

    def test_a_view_with_too_little_confidence_is_flat(self) -> None:
        views = [view(2, 1.0, confidence=0.9), view(4, 1.0, confidence=0.4)]
        assert stated(follow(plan_of(min_confidence=0.5), views)) == [(2, 1.0, 0.9), (4, 0.0, 0.4)]


def test_a_view_before_the_first_price_is_sized_when_the_price_is_there() -> None:
    decisions = follow(plan_of(), [view(2)], first_bar=5)
    assert stated(decisions) == [(2, 1.0, 1.0)]
    assert [(d.cycle - START) // MINUTE for d in decisions if d.orders] == [5]


def test_it_needs_the_signals_topic() -> None:
    with pytest.raises(ConfigurationError, match=r"configure topics\.signals"):
        plan_of(signals={"off": True})
