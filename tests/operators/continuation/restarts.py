"""A trading desk that stops cleanly and goes on with another configuration."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Mapping
from typing import Any

from operators.continuation.carry_over import carry_over, plan_after
from operators.continuation.stopped import StepSnapshots, Stopped
from operators.normalize.group_step import GroupStep
from operators.normalize.scan import CLOSED_TO, PASSED
from operators.plan import Plan
from operators.side.side_step import SideStep
from operators.strategy_evaluate.registry import default_registry
from schemas.configuration import parse_configuration
from tests.operators.desk import START, Desk


def stopped(desk: Desk) -> Stopped:
    """What a clean stop of the desk leaves; its key groups have closed what it played."""
    groups: dict[int, dict[str, Any]] = {}
    for group in desk.plan.groups:
        snapshot = GroupStep(desk.plan, group.partition).snapshot()
        snapshot["clock"]["scan"]["clock"][[PASSED, CLOSED_TO]] = desk._last
        groups[group.partition] = {**snapshot, "frames": desk._counters[group.partition]}
    side = {**SideStep(desk.plan, "control", 0).snapshot(), "passed": desk._last, "frames": desk._side_frames}
    steps = StepSnapshots(
        groups,
        {n: step.snapshot() for n, step in enumerate(desk.pods)},
        {n: step.snapshot() for n, step in enumerate(desk.portfolios)},
        {("control", 0): side},
    )
    copied: StepSnapshots = pickle.loads(pickle.dumps(steps))
    return Stopped.of(desk.plan.configuration, desk.plan.config_hash, copied)


def next_plan(desk: Desk, document: Mapping[str, Any]) -> Plan:
    """The plan with which the desk would go on; raises what refuses it."""
    return plan_after(stopped(desk), parse_configuration(dict(document)), default_registry(), "test")


def restarted(desk: Desk, document: Mapping[str, Any]) -> Desk:
    """The desk after a clean stop, with another configuration."""
    plan = next_plan(desk, document)
    steps = carry_over(stopped(desk), plan)
    after = Desk(plan)
    for number, pod in enumerate(after.pods):
        pod.restore(steps.pods[number])
    for number, portfolio in enumerate(after.portfolios):
        portfolio.restore(steps.portfolios[number])
    after._counters = [steps.groups[g]["frames"] for g in range(len(plan.groups))]
    after._side_frames, after._last = desk._side_frames, desk._last
    after.bodies = {name: list(bodies) for name, bodies in desk.bodies.items()}
    after.orders = list(desk.orders)
    after._ids = itertools.count(1000)
    assert after._last > START
    return after
