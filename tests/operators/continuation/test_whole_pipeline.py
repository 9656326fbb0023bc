"""The whole pipeline over a change of configuration, stopped where partitions stand unevenly and stages hold frames."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from operators.continuation.carry_over import carry_over, plan_after
from operators.continuation.stopped import StepSnapshots, Stopped
from operators.pipeline import Pipeline
from operators.plan import Plan, compile_plan
from operators.strategy_evaluate.registry import default_registry
from schemas.configuration import Configuration, parse_configuration
from tests.regrouping import (
    BORDER,
    CUT,
    HOURS,
    START,
    SYMBOLS,
    Rows,
    block,
    comparable,
    configuration,
    market,
    tick,
)

PARTITIONS = 4
LAST = HOURS - 1
HOUR = 3_600_000_000_000
Document = dict[str, Any]
#: How many records of each partition are read before the stop: none stands at a border, none where another does.
READ = {0: 150, 1: 1, 2: 390, 3: 310}
#: All of one partition, which is ahead of another: the pod that trades them is ahead of its portfolio.
AHEAD = ["SYM01", "SYM07", "SYM10"]


class Run:
    """A pipeline, how far each topic is read, and the decisions that left."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.pipeline = plan, Pipeline(plan)
        self.read: dict[tuple[str, int], int] = {}
        self.bodies: list[dict[str, Any]] = []
        self.orders: list[dict[str, Any]] = []

    def feed(self, topic: str, partition: int, rows: Rows, to: int) -> None:
        at = self.read.get((topic, partition), 0)
        if to > at:
            outputs, _ = self.pipeline.feed(block(topic, partition, rows[at:to], at))
            self.read[topic, partition] = to
            for output in outputs:
                self.bodies += [msgspec.json.decode(b) for b in output.bodies]
                self.orders += [msgspec.json.decode(o) for o in output.orders]

    def steps(self) -> StepSnapshots:
        p = self.pipeline
        steps = StepSnapshots(
            {n: s.snapshot() for n, s in enumerate(p.groups)},
            {n: s.snapshot() for n, s in enumerate(p.pods)},
            {n: s.snapshot() for n, s in enumerate(p.portfolios)},
            {place: s.snapshot() for place, s in p.sides.items()},
        )
        copied: StepSnapshots = pickle.loads(pickle.dumps(steps))
        return copied

    def changed(self, document: Document) -> Run:
        """The run that goes on with another configuration."""
        stopped = Stopped.of(self.plan.configuration, self.plan.config_hash, self.steps())
        plan = plan_after(stopped, parse_configuration(document), default_registry(), "test")
        after = Run(plan)
        after.read, after.bodies, after.orders = dict(self.read), list(self.bodies), list(self.orders)
        steps = carry_over(stopped, plan)
        for number, group in enumerate(after.pipeline.groups):
            group.restore(steps.groups[number])
        for number, pod in enumerate(after.pipeline.pods):
            pod.restore(steps.pods[number])
        for number, portfolio in enumerate(after.pipeline.portfolios):
            portfolio.restore(steps.portfolios[number])
        for place, side in after.pipeline.sides.items():
            side.restore(steps.sides[place])
        return after


ROWS = market(PARTITIONS, 0, LAST)
CONTROL: Rows = [(n, START + h * HOUR, tick(START + h * HOUR)) for n, h in enumerate(range(0, HOURS + 24, 6))]


def first_half(given: Configuration | None = None) -> Run:
    run = Run(compile_plan(given or parse_configuration(document()), default_registry()))
    for partition, rows in ROWS.items():
        run.feed("market", partition, rows, READ[partition])
    run.feed("control", 0, CONTROL, 15)
    return run


def second_half(run: Run) -> Run:
    for partition in sorted(ROWS, reverse=True):
        run.feed("market", partition, ROWS[partition], len(ROWS[partition]))
    run.feed("control", 0, CONTROL, len(CONTROL))
    return run


def document() -> Document:
    whole = configuration(PARTITIONS).model_dump(mode="json")
    whole["portfolios"][0]["pods"][1]["schedules"][0]["symbols"] = AHEAD
    return whole


def tail(run: Run, after: int) -> list[dict[str, Any]]:
    """Decisions later than ``after``, without what the configuration's hash goes into and what tells of the change."""
    told = ("transitions", "sequence")
    return [comparable({k: v for k, v in b.items() if k not in told}) for b in run.bodies if b["cycle"] > after]


def test_the_stop_is_in_the_middle_of_everything() -> None:
    run = first_half()
    closed = {p: g.clock.closed_to for p, g in enumerate(run.pipeline.groups) if run.plan.groups[p].symbols.size}
    assert len(set(closed.values())) == len(closed), "no two partitions stand at one cycle"
    assert any(s["clock"]["pending"].shape[1] for s in run.steps().groups.values())
    assert any(s["prices"] for s in run.steps().portfolios.values())
    assert any(s["intents"] for s in run.steps().pods.values())
    assert any(s["waiting"] for s in run.steps().portfolios.values()), "pods are ahead of their portfolio"


def _looser_limit(d: Document) -> None:
    d["portfolios"][0]["guards"]["max_position"] = 1e12


def _wider_window(d: Document) -> None:
    d["quality"]["window"] = 400


def _a_symbol_that_nobody_trades(d: Document) -> None:
    d["portfolios"][0]["pods"][0]["schedules"][0]["symbols"] = list(SYMBOLS)
    d["portfolios"][0]["pods"][0]["schedules"][1]["symbols"] = list(SYMBOLS)
    d["instruments"].append({"symbol": "AAA", "interval": "1h", "lot": 0.001, "calendar": "never"})
    d["calendars"] = {"never": {"sessions": []}}


@pytest.mark.parametrize("change", [_looser_limit, _wider_window, _a_symbol_that_nobody_trades])
def test_what_does_not_matter_changes_no_decision(change: Callable[[Document], None]) -> None:
    whole, changed = document(), document()
    change(changed)
    run = first_half()
    cut = run.bodies[-1]["cycle"]
    after = second_half(run.changed(changed))
    expected = second_half(first_half(parse_configuration(whole)))
    assert len(tail(after, cut)) > 50
    told = next(b for b in after.bodies if b["cycle"] > cut)
    assert told["transitions"][0]["reason"] == "CONFIG_CHANGED"
    assert [b for b in tail(after, cut) if b["cycle"] != told["cycle"]] == [
        b for b in tail(expected, cut) if b["cycle"] != told["cycle"]
    ]
    assert _orders(after, cut) == _orders(expected, cut)
    assert _chain_holds(after)


def test_a_pod_goes_and_the_other_goes_on_as_if_alone() -> None:
    changed = document()
    changed["portfolios"][0]["pods"].pop(1)
    run = first_half()
    cut = run.bodies[-1]["cycle"]
    after = second_half(run.changed(changed))
    expected = second_half(first_half())
    assert {"mixed"} == {p for b in after.bodies if b["cycle"] > cut for p in (b.get("intents") or {"pod": []})["pod"]}
    assert _intents(after, "mixed", cut) == _intents(expected, "mixed", cut), "its strategies kept their state"
    assert _equity(after, "mixed")[-1] == _equity(expected, "mixed")[-1], "its book went on"
    own = after.plan.portfolios[0]
    retired = next(n for n, p in enumerate(own.pods) if after.plan.pods[p].retired)
    assert not after.pipeline.portfolios[0]._ledger.attributed[retired].any()
    assert _chain_holds(after)


def test_a_schedule_with_other_parameters_warms_up_before_it_wants_anything() -> None:
    changed = document()
    changed["portfolios"][0]["pods"][0]["schedules"][0] |= {"parameters": {"fast": 4, "slow": 30}, "warmup_bars": 20}
    run = first_half()
    border = run.bodies[-1]["cycle"]
    after = second_half(run.changed(changed))
    first = min(b["cycle"] for b in after.bodies if b["cycle"] > border and "fast" in _schedules(b))
    assert first >= border + 20 * HOUR
    expected = second_half(first_half())
    assert _intents(after, "trend", border) == _intents(expected, "trend", border)


def test_it_does_not_matter_how_the_log_is_cut_after_the_change() -> None:
    changed = document()
    changed["portfolios"][0]["pods"].pop(1)
    changed["portfolios"][0]["pods"].append({"id": "late", "schedules": [{"id": "l", "strategy": "sma_cross"}]})
    run = first_half()
    one, other = second_half(run.changed(changed)), run.changed(changed)
    for step in range(7):
        for partition, rows in ROWS.items():
            other.feed("market", partition, rows, max(READ[partition], len(rows) * step // 6))
        other.feed("control", 0, CONTROL, max(15, len(CONTROL) * step // 6))
    assert [b["cycle"] for b in one.bodies][-1] > BORDER > START + CUT
    assert one.bodies == other.bodies
    assert one.orders == other.orders


# ---------------------------------------------------------------- looking
def _orders(run: Run, after: int) -> list[tuple[Any, ...]]:
    return [(o["cycle"], o["symbol"], o["side"], o["quantity"]) for o in run.orders if o["cycle"] > after]


def _schedules(body: dict[str, Any]) -> list[str]:
    found: list[str] = (body.get("intents") or {"schedule": []})["schedule"]
    return found


def _intents(run: Run, pod: str, after: int) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for body in run.bodies:
        t = body.get("intents")
        if t is not None and body["cycle"] > after:
            rows = zip(t["pod"], t["schedule"], t["symbol"], t["value"], strict=True)
            found += [(body["cycle"], *row[1:]) for row in rows if row[0] == pod]
    return found


def _equity(run: Run, pod: str) -> list[float]:
    return [b["pods"]["equity"][b["pods"]["pod"].index(pod)] for b in run.bodies if pod in b["pods"]["pod"]]


def _chain_holds(run: Run) -> bool:
    return [b["sequence"] for b in run.bodies] == list(range(1, len(run.bodies) + 1))
