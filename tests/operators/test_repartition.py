"""Regrouped snapshots go on as if nothing had happened; what does not stand at one border is refused with its fix."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from operators.frames import DeadLetterRow, OutputBlock
from operators.pipeline import Pipeline
from operators.plan import Plan, compile_plan
from operators.repartition import RepartitionRefused, StepSnapshots, common_border, regroup
from operators.strategy_evaluate.registry import default_registry
from schemas.configuration import Configuration
from tests.regrouping import (
    BORDER,
    CUT,
    HOUR,
    HOURS,
    SYMBOLS,
    Rows,
    block,
    comparable,
    comparable_order,
    configuration,
    control,
    market,
)

LAST = HOURS - 1


def plan_of(given: Configuration) -> Plan:
    return compile_plan(given, default_registry())


class Run:
    """A pipeline with what left it."""

    def __init__(self, partitions: int, **sections: Any) -> None:
        self.plan = plan_of(configuration(partitions, **sections))
        self.pipeline = Pipeline(self.plan)
        self.outputs: list[OutputBlock] = []
        self.letters: list[DeadLetterRow] = []

    def feed_market(self, parts: dict[int, Rows]) -> None:
        for partition, rows in parts.items():
            self._feed("market", partition, rows, 0)

    def feed_control(self, rows: Rows) -> None:
        self._feed("control", 0, rows, rows[0][0])

    def _feed(self, topic: str, partition: int, rows: Rows, start: int) -> None:
        outputs, letters = self.pipeline.feed(block(topic, partition, rows, start))
        self.outputs += outputs
        self.letters += [row for one in letters for row in one.rows]

    def stages(self) -> list[list[Any]]:
        return [list(self.pipeline.groups), list(self.pipeline.pods), list(self.pipeline.portfolios)]

    def snapshots(self) -> StepSnapshots:
        """As recovery keeps them: whole copies."""
        states = [{n: step.snapshot() for n, step in enumerate(of_stage)} for of_stage in self.stages()]
        groups, pods, portfolios = pickle.loads(pickle.dumps(states))
        return StepSnapshots(groups, pods, portfolios)

    def go_on_from(self, snapshots: StepSnapshots, other: Run) -> None:
        saved = (snapshots.groups, snapshots.pods, snapshots.portfolios)
        for of_stage, states in zip(self.stages(), saved, strict=True):
            for number, step in enumerate(of_stage):
                step.restore(states[number])
        for key, side in self.pipeline.sides.items():
            side.restore(other.pipeline.sides[key].snapshot())

    def decisions(self, after: int) -> list[dict[str, Any]]:
        bodies = [msgspec.json.decode(b) for o in self.outputs for b in o.bodies]
        return [comparable(b) for b in bodies if b["cycle"] > after]

    def orders(self, after: int) -> list[dict[str, Any]]:
        orders = [msgspec.json.decode(b) for o in self.outputs for b in o.orders]
        return [comparable_order(o) for o in orders if o["cycle"] > after]


@pytest.fixture(scope="module")
def unsplit() -> Run:
    run = Run(4)
    run.feed_control(control())
    run.feed_market(market(4, 0, LAST))
    return run


def first_half(partitions: int = 4, **sections: Any) -> Run:
    run = Run(partitions, **sections)
    run.feed_control(control()[:2])
    run.feed_market(market(partitions, 0, CUT))
    return run


@pytest.mark.parametrize("partitions", [1, 2, 4, 6, 17])
def test_decisions_after_the_border_are_those_of_the_run_that_was_never_cut(unsplit: Run, partitions: int) -> None:
    before, after = first_half(), Run(partitions)
    after.go_on_from(regroup(after.plan, before.snapshots()), before)
    after.feed_control(control()[2:])
    after.feed_market(market(partitions, CUT + 1, LAST))
    assert after.decisions(BORDER) == unsplit.decisions(BORDER)
    assert after.orders(BORDER) == unsplit.orders(BORDER)
    assert len(after.orders(BORDER)) > 100


def test_an_explicit_map_regroups_just_as_well(unsplit: Run) -> None:
    places = {s: n % 3 for n, s in enumerate(SYMBOLS)}
    topics = {"market": {"partitions": 3, "partitioner": "explicit", "partition_of": places}, "control": {}}
    before, after = first_half(), Run(3, topics=topics)
    after.go_on_from(regroup(after.plan, before.snapshots()), before)
    after.feed_control(control()[2:])
    rows: dict[int, Rows] = {p: [] for p in range(3)}
    for _, ts, payload in (row for part in market(1, CUT + 1, LAST).values() for row in part[:-1]):
        part = rows[places[msgspec.json.decode(payload)["symbol"]]]
        part.append((len(part), ts, payload))
    after.feed_market(rows)
    last = after.decisions(BORDER)[-1]["cycle"]
    assert after.decisions(BORDER) == [d for d in unsplit.decisions(BORDER) if d["cycle"] <= last]
    assert last > BORDER + (LAST - CUT - 3) * HOUR


def test_regrouping_there_and_back_changes_nothing_but_counters(unsplit: Run) -> None:
    before, between, after = first_half(), Run(6), Run(4)
    there = regroup(between.plan, before.snapshots())
    after.go_on_from(regroup(after.plan, there), before)
    after.feed_control(control()[2:])
    after.feed_market(market(4, CUT + 1, LAST))
    assert after.decisions(BORDER) == unsplit.decisions(BORDER)


def test_what_was_seen_before_the_border_is_still_a_duplicate_or_late_after_it() -> None:
    before, after = first_half(), Run(2)
    after.go_on_from(regroup(after.plan, before.snapshots()), before)
    again = {p: rows[-3:-1] for p, rows in market(2, 0, CUT).items()}
    older = {p: rows[:1] for p, rows in market(2, 0, CUT).items()}
    for p in again:
        repeated = [(n, ts, payload) for n, (_, ts, payload) in enumerate(again[p] + older[p])]
        after.feed_market({p: repeated})
    reasons = [(row.offset, row.reason) for row in after.letters]
    assert reasons == [(2, "INPUT_LATE")] * 2


def test_dead_letters_go_on_counting_by_partition_number() -> None:
    before = first_half()
    offset = len(market(4, 0, CUT)[1])
    before._feed("market", 1, [(offset, BORDER, b"no json")], offset)
    two, six = (regroup(plan_of(configuration(n)), before.snapshots()) for n in (2, 6))
    assert [two.groups[p]["letters"] for p in range(2)] == [0, 1]
    assert [six.groups[p]["letters"] for p in range(6)] == [0, 1, 0, 0, 0, 0]
    assert common_border(six) == BORDER


# ---------------------------------------------------------------- refusals
def refusal(run: Run, partitions: int = 2, **sections: Any) -> list[str]:
    with pytest.raises(RepartitionRefused) as refused:
        regroup(plan_of(configuration(partitions, **sections)), run.snapshots())
    return refused.value.problems


def test_partitions_at_different_cycles_are_named_with_their_times() -> None:
    run = Run(4)
    run.feed_control(control()[:2])
    run.feed_market(market(4, 0, CUT) | {0: market(4, 0, CUT - 1)[0]})
    problems = refusal(run)
    assert len(problems) == 1
    # Partition 1 has no symbols: where its time stands does not matter.
    assert "(0 at 2023-11-20T08:00:00Z, 2 at 2023-11-20T09:00:00Z, 3 at 2023-11-20T09:00:00Z)" in problems[0]
    assert "weir seal" in problems[0]


def test_what_lies_beyond_the_border_is_counted() -> None:
    run = Run(4)
    run.feed_control(control()[:2])
    run.feed_market(market(4, 0, CUT) | {3: market(4, 0, CUT + 1)[3][:-2]})
    problems = refusal(run)
    assert any("market partition 3 holds 1 open cycle(s) and" in p and "pending row(s)" in p for p in problems)


def test_a_control_topic_that_lags_behind_is_named() -> None:
    run = Run(4)
    run.feed_control(control()[:1])
    run.feed_market(market(4, 0, CUT))
    problems = refusal(run)
    assert len(problems) == 3
    assert all("it waits for control-0" in p for p in problems)
    assert [p.split(" stands")[0] for p in problems] == ["pod mixed", "pod trend", "portfolio main"]


def test_nothing_but_the_market_topic_may_change() -> None:
    run = first_half()
    other = configuration(2).model_dump(mode="json")
    other["portfolios"][0]["pods"][0]["schedules"][0]["parameters"]["fast"] = 4
    other["quality"]["window"] = 50
    problems = refusal(run, portfolios=other["portfolios"], quality=other["quality"])
    assert len(problems) == 2
    assert "quality.window: it was 200, the configuration says 50" in problems[0]
    assert "pod mixed: its schedules, versions or parameters changed" in problems[1]
    fewer = [i for i in other["instruments"] if i["symbol"] != SYMBOLS[0]]
    portfolios = configuration(2).model_dump(mode="json")["portfolios"]
    problems = refusal(run, instruments=fewer, portfolios=portfolios)
    assert f"instruments: {SYMBOLS[0]} of the snapshot are not configured" in problems[0]


def _older(snapshots: StepSnapshots) -> None:
    snapshots.groups[2]["version"] = 0


def _richer(snapshots: StepSnapshots) -> None:
    snapshots.groups[2]["clock"]["scan"]["novelty"] = 1


@pytest.mark.parametrize(
    ("change", "text"),
    [(_older, "market partition 2: snapshot version 0"), (_richer, "nobody has said how novelty moves")],
)
def test_a_snapshot_that_this_code_does_not_know_is_refused_whole(
    change: Callable[[StepSnapshots], None], text: str
) -> None:
    run = first_half()
    snapshots = run.snapshots()
    change(snapshots)
    with pytest.raises(RepartitionRefused, match=text):
        regroup(run.plan, snapshots)
