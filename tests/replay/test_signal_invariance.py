"""Pod-scope strategies, outside views and what holds signals back: the same for any cut, interleaving and restart."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.decision import DecisionBody
from tests.operators.desk import decoded
from tests.operators.normalize.logs import blocks
from tests.replay.market import Decisions, decide, in_order
from tests.replay.signals_market import signals_logs, signals_plan

PLAN = signals_plan()


def bodies(seed: int) -> list[DecisionBody]:
    found: list[DecisionBody] = []
    made = Decisions(PLAN)
    logs = signals_logs(seed)
    for (topic, partition), log in logs.items():
        outputs, _ = made.pipeline.feed(blocks(log, [], topic, partition)[0])
        found += [decoded(body) for output in outputs for body in output.bodies]
    return found


def test_this_market_meets_all_that_these_tests_are_about() -> None:
    told: Counter[str] = Counter()
    letters: set[str] = set()
    for seed in range(6):
        for body in bodies(seed):
            told.update(e["reason"] for e in body.events or [])
            told.update(body.clips.reason if body.clips is not None else [])
            told.update(body.intents.schedule if body.intents is not None else [])
        logs = signals_logs(seed)
        letters |= {r.reason for rows in in_order(PLAN, logs, list(logs)).letters.values() for r in rows}
    assert {
        "SIGNAL_LIMITED", "SIGNAL_SUSPENDED", "SIGNAL_OUTSIDE_WINDOW", "SIGNAL_EXPIRED", "STRATEGY_DRIFT",
        "SCHEDULE_SUSPENDED", "SCHEDULE_RESUMED", "SCHEDULE_SUSPENSION_EXPIRED", "SIGNAL_LIMIT_SET",
        "SIGNAL_LIMIT_CLEARED", "SIGNAL_LIMIT_EXPIRED", "pair", "views", "limited", "tagged", "hours",
    } <= set(told)  # fmt: skip
    assert "INPUT_UNKNOWN_SYMBOL" in letters


@settings(max_examples=12, derandomize=True, deadline=None)
@given(market=st.integers(0, 30), seed=st.integers(0, 2**32), most=st.sampled_from([1, 2, 5, 40]))
def test_any_cutting_and_any_interleaving_decides_the_same(market: int, seed: int, most: int) -> None:
    logs = signals_logs(market)
    expected = in_order(PLAN, logs, list(logs))
    found = decide(PLAN, logs, seed, most)
    assert found.digest() == expected.digest()
    assert found.letters == expected.letters


@settings(max_examples=6, derandomize=True, deadline=None)
@given(market=st.integers(0, 30), seed=st.integers(0, 2**32))
def test_any_restart_decides_the_same(market: int, seed: int) -> None:
    logs = signals_logs(market)
    expected = in_order(PLAN, logs, list(logs))
    assert decide(PLAN, logs, seed, 10, crashes=0.3).digest() == expected.digest()
