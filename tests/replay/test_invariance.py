"""Decisions are a pure function of logs and configuration: any cut, interleaving, restart (promises 2 and 3)."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from operators.frames import RecordBlock
from tests.operators.normalize.logs import MINUTE, START, bar, blocks, record, tick
from tests.replay.market import Decisions, Logs, decide, in_order, market_logs, market_plan

PLAN = market_plan(quality={"minimum": 10_000})
SEEDS = st.integers(0, 2**32)


def test_the_market_of_these_tests_makes_decisions_orders_and_dead_letters() -> None:
    made = in_order(PLAN, market_logs(1), list(market_logs(1)))
    assert made.decisions > 20 and made.orders > 20
    assert {r.reason for rows in made.letters.values() for r in rows} >= {"INPUT_LATE", "INPUT_NOT_JSON"}


@settings(max_examples=25, derandomize=True, deadline=None)
@given(market=st.integers(0, 50), seed=SEEDS, most=st.sampled_from([1, 2, 5, 40]))
def test_any_cutting_and_any_interleaving_decides_the_same(market: int, seed: int, most: int) -> None:
    logs = market_logs(market)
    expected = in_order(PLAN, logs, list(logs))
    found = decide(PLAN, logs, seed, most)
    assert found.digest() == expected.digest()
    assert found.letters == expected.letters


@settings(max_examples=8, derandomize=True, deadline=None)
@given(market=st.integers(0, 50), seed=SEEDS)
def test_any_restart_decides_the_same(market: int, seed: int) -> None:
    logs = market_logs(market)
    expected = in_order(PLAN, logs, list(logs))
    found = decide(PLAN, logs, seed, 10, crashes=0.5)
    assert found.digest() == expected.digest()
    assert found.letters == expected.letters


def test_whole_partitions_in_any_order_decide_the_same() -> None:
    logs = market_logs(3)
    digests = {
        in_order(PLAN, logs, order).digest() for order in itertools.islice(itertools.permutations(logs), 0, 120, 7)
    }
    assert len(digests) == 1


def test_an_idle_partition_holds_back_every_decision_until_its_tick() -> None:
    logs = market_logs(4)
    busy: Logs = {place: log for place, log in logs.items() if place != ("market", 0)}
    made = in_order(PLAN, busy, list(busy))
    assert (made.decisions, made.orders) == (0, 0)
    last = START + 40 * MINUTE
    made.feed(_block(("market", 0), [tick(last)]))
    assert made.decisions > 0


def test_a_quiet_side_partition_holds_back_every_decision_until_its_tick() -> None:
    logs = market_logs(4)
    heard = {place: log for place, log in logs.items() if place != ("control", 1)}
    made = in_order(PLAN, heard, list(heard))
    assert made.decisions == 0
    made.feed(_block(("control", 1), [tick(START + 10 * MINUTE)]))
    assert made.decisions > 0


def test_garbage_in_the_log_changes_no_decision() -> None:
    logs = market_logs(5)
    expected = in_order(PLAN, logs, list(logs))
    garbage = [record(g, START) for g in (b"", b"\xff", b"{}", b"[1]", b"null", b'{"type":"bar","symbol":"A"}')]
    garbage += [record(bar("nobody", START + n * MINUTE)) for n in range(3)]
    dirty = {
        place: [r for n, one in enumerate(log) for r in (garbage[n % len(garbage)], one)] for place, log in logs.items()
    }
    found = in_order(PLAN, dirty, list(dirty))
    assert _without_positions(found) == _without_positions(expected)
    added = sum(len(log) for log in logs.values())
    assert sum(map(len, found.letters.values())) == sum(map(len, expected.letters.values())) + added


def _block(place: tuple[str, int], messages: list[dict[str, Any]]) -> RecordBlock:
    return blocks([record(m) for m in messages], [], *place)[0]


def _without_positions(made: Decisions) -> tuple[int, int]:
    return made.decisions, made.orders
