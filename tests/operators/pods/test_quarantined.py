"""A schedule that hung in one key group, in the pod that waited for it (design, "Overrun and hang")."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from operators.frames import GroupFrame, Intents, PodFrame, SideFrame, StrategyEvent
from operators.intents import no_intents
from operators.plan import Plan
from operators.pods.pod_step import PodStep
from schemas.partitioning import murmur2_partition
from tests.operators.desk import HOUR, START, configuration, plan_of, pod

PARTITIONS = 2
#: One symbol in each key group.
SYMBOLS = [next(f"S{n}" for n in range(99) if murmur2_partition(f"S{n}".encode(), PARTITIONS) == p) for p in (0, 1)]
#: The schedule hung in the first key group's fourth cycle; the second had gone on to the sixth.
HUNG = 4
HOLDS: dict[str, Any] = {"id": "stuck"}
GOES_FLAT: dict[str, Any] = {"id": "stuck", "on_silence": "flat"}


def made(schedule: dict[str, Any]) -> Plan:
    symbols = sorted(SYMBOLS)
    return plan_of(configuration(pod("alpha", schedule, "sound"), symbols=symbols, partitions=PARTITIONS))


def frame(
    plan: Plan, group: int, counter: int, first: int, last: int, wants: dict[tuple[int, str], float]
) -> GroupFrame:
    """Cycles ``first`` .. ``last`` of a group's one symbol; ``wants`` strength by cycle and schedule."""
    cycles = np.array([START + n * HOUR for n in range(first, last + 1)], np.int64)
    numbers, symbol = {s.id: s.index for s in plan.schedules}, int(plan.groups[group].symbols[0])
    given = sorted((START + n * HOUR, numbers[s], value) for (n, s), value in wants.items() if first <= n <= last)
    close = 100.0 + np.arange(first, last + 1, dtype=np.float64)[:, None]
    intents = no_intents(plan.feature_width)
    if given:
        cycle, schedule, value = (np.array(column) for column in zip(*given, strict=True))
        n = len(given)
        intents = Intents(
            cycle.astype(np.int64), schedule.astype(np.int32), np.full(n, symbol, np.int32), value.astype(np.float64),
            np.full(n, np.nan), np.ones(n), np.full(n, 100.0), np.zeros((n, plan.feature_width)),
        )  # fmt: skip
    events = [StrategyEvent(c, s, symbol, "STRATEGY_ERROR", "one") for c, s, _ in given]
    return GroupFrame(
        group, counter, START + (first - 1) * HOUR, int(cycles[-1]), cycles, cycles // HOUR, cycles // HOUR,
        close, close, np.full(close.shape, np.nan), np.ones(close.shape, np.bool_), np.zeros(close.shape, np.bool_),
        intents, events,
    )  # fmt: skip


#: What both schedules want in every cycle in which nothing is quarantined.
ALL = {(n, s): 0.5 + 0.01 * n for n in range(1, 9) for s in ("stuck", "sound")}
#: What key groups send that have left the schedule out from the start.
LEFT_OUT = {key: value for key, value in ALL.items() if key[1] == "sound" or key[0] < HUNG}


def quarantine() -> dict[str, int]:
    return {"main/stuck": START + HUNG * HOUR}


def close_control(step: PodStep, counter: int, to: int) -> list[PodFrame | None]:
    return [step.step(SideFrame("control", 0, counter, START + to * HOUR, []))]


def replayed(plan: Plan) -> list[PodFrame]:
    """The log from its beginning, with the quarantine known."""
    step = PodStep(plan, 0, quarantine())
    found = close_control(step, 1, 8)
    found += [step.step(frame(plan, group, 1, 1, 8, LEFT_OUT)) for group in (0, 1)]
    return [one for one in found if one is not None]


def live(plan: Plan) -> list[PodFrame]:
    """Hung in group 0's fourth cycle while group 1 was past it; restarted from a snapshot of that moment."""
    step = PodStep(plan, 0)
    found = close_control(step, 1, 8)
    found.append(step.step(frame(plan, 0, 1, 1, HUNG - 1, ALL)))
    found.append(step.step(frame(plan, 1, 1, 1, 6, ALL)))
    saved = pickle.loads(pickle.dumps(step.snapshot()))
    step = PodStep(plan, 0, quarantine())
    step.restore(saved)
    found.append(step.step(frame(plan, 0, 2, HUNG, 8, LEFT_OUT)))
    found.append(step.step(frame(plan, 1, 2, 7, 8, LEFT_OUT)))
    return [one for one in found if one is not None]


def told(frames: list[PodFrame]) -> dict[str, Any]:
    """Everything that frames tell their portfolio, however it was cut."""
    tables = {
        "intents": [f.intents for f in frames],
        "changes": [f.changes for f in frames],
        "clips": [f.clips for f in frames],
    }
    columns = {
        f"{name}.{column}": np.concatenate([getattr(t, column) for t in tables[name]]).tolist()
        for name, names in (
            ("intents", ("cycle", "schedule", "symbol", "strength", "confidence", "price")),
            ("changes", ("cycle", "symbol", "net", "gross", "weight", "conflict")),
            ("clips", ("cycle", "symbol", "reason", "before", "after")),
        )
        for column in names
    }
    columns["weight"] = np.concatenate([f.intent_weight for f in frames]).tolist()
    columns["equity"] = np.concatenate([f.book_equity for f in frames]).tolist()
    return columns | {"events": [(e.cycle, e.schedule, e.reason) for f in frames for e in f.events]}


@pytest.mark.parametrize("schedule", [HOLDS, GOES_FLAT], ids=["hold", "flat"])
def test_defect_a_group_past_the_quarantines_first_cycle_kept_what_the_schedule_did_there(
    schedule: dict[str, Any],
) -> None:
    plan = made(schedule)
    assert told(live(plan)) == told(replayed(plan))


def test_it_is_told_once_and_the_other_schedule_goes_on() -> None:
    plan = made(HOLDS)
    frames = live(plan)
    events = [(e.cycle, e.reason) for f in frames for e in f.events if e.reason == "STRATEGY_QUARANTINED"]
    assert events == [(START + HUNG * HOUR, "STRATEGY_QUARANTINED")]
    last = {
        plan.schedules[s].id: (c - START) // HOUR
        for f in frames
        for c, s in zip(f.intents.cycle.tolist(), f.intents.schedule.tolist(), strict=True)
    }
    assert last == {"stuck": HUNG - 1, "sound": 8}


def test_with_on_silence_flat_every_symbol_of_it_goes_to_zero_in_the_quarantines_first_cycle() -> None:
    plan = made(GOES_FLAT)
    stuck = next(s.index for s in plan.schedules if s.id == "stuck")
    last = [
        (c, v)
        for f in live(plan)
        for c, s, v in zip(
            f.intents.cycle.tolist(), f.intents.schedule.tolist(), f.intents.strength.tolist(), strict=True
        )
        if s == stuck
    ][-2:]
    assert last == [(START + HUNG * HOUR, 0.0)] * 2
