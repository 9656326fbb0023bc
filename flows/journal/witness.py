"""Replays recorded inputs up to one cycle and tells what was seen of a symbol there, and what each strategy said.

The operators are those of the flow. A strategy is listened to from outside: its answers are noted, never changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from flows.dump.layout import Dump, open_dump
from flows.dump.slabs import slab_borders
from flows.dump.source import DumpSource
from flows.errors import InvalidInput
from flows.journal.why import StrategySeen, Witnessed
from flows.resolve import resolve
from flows.topics import input_partitions
from operators.bars import BarBlock
from operators.frames import Bool, Float64, GroupFrame, RecordBlock
from operators.normalize.decode import MarketDecoder
from operators.normalize.group_step import GroupStep
from operators.plan import Plan, SchedulePlan, compile_plan
from operators.strategy_evaluate.registry import default_registry
from operators.strategy_evaluate.strategy import Strategy, Targets
from schemas.configuration import Configuration


@dataclass(slots=True)
class _Heard:
    """What a schedule saw of one symbol in one cycle, and what it said."""

    cycle: int
    column: int
    features: list[float | None] = field(default_factory=list)
    ready: bool = False
    value: float | None = None
    confidence: float | None = None

    def note(self, bars: BarBlock, features: tuple[Float64, ...], ready: Bool, targets: Targets) -> None:
        """Keeps what concerns the cycle."""
        row = int(np.searchsorted(bars.cycles, self.cycle))
        if row >= len(bars) or int(bars.cycles[row]) != self.cycle:
            return
        self.features = [_known(column[row, self.column]) for column in features]
        self.ready = bool(ready[row, self.column])
        stated = self.ready and bool(targets.emit[row, self.column])
        self.value = float(targets.value[row, self.column]) if stated else None
        self.confidence = float(targets.confidence[row, self.column]) if stated else None


class _Listening:
    """A strategy whose answers are noted; everything else is the strategy's own."""

    def __init__(self, strategy: Strategy, heard: _Heard) -> None:
        self._strategy = strategy
        self._heard = heard

    def __getattr__(self, name: str) -> Any:
        return getattr(self._strategy, name)

    def step(self, bars: BarBlock, features: tuple[Float64, ...], ready: Bool, state: Any) -> Targets:
        """The strategy's own answer."""
        targets = self._strategy.step(bars, features, ready, state)
        self._heard.note(bars, features, ready, targets)
        return targets


def witness(dump_path: Path, configuration: Configuration, scratch: Path, symbol: str, at: int) -> Witnessed:
    """What was seen of ``symbol`` in the last cycle up to ``at`` (UTC ns).

    Args:
        dump_path: the recorded inputs.
        configuration: what the run used.
        scratch: folder for what opening a foreign dump needs.

    Raises:
        InvalidInput: the configuration has no such symbol.
        ConfigurationError: the configuration does not fit the dump.
    """
    dump = open_dump(dump_path, scratch)
    plan = compile_plan(resolve(configuration, dump), default_registry())
    if symbol not in plan.symbol_index:
        raise InvalidInput(f"symbol {symbol!r}: the configuration has none of this name")
    cycle = at // plan.cycle_ns * plan.cycle_ns
    number = plan.symbol_index[symbol]
    group = int(plan.group_of[number])
    column = int(np.searchsorted(plan.groups[group].symbols, number))
    heard = _hearers(plan, group, column, cycle)
    frame = _frame_of(dump, plan, GroupStep(_listened_to(plan, heard), group), group, cycle)
    return _witnessed(plan, frame, column, cycle, number, heard)


def _hearers(plan: Plan, group: int, column: int, cycle: int) -> dict[int, _Heard]:
    """One for each schedule of the group that trades the symbol."""
    found: dict[int, _Heard] = {}
    for index, local in plan.groups[group].schedules:
        own = np.flatnonzero(local == column)
        if len(own):
            found[index] = _Heard(cycle, int(own[0]))
    return found


def _listened_to(plan: Plan, heard: dict[int, _Heard]) -> Plan:
    def listened(schedule: SchedulePlan) -> SchedulePlan:
        if schedule.index not in heard:
            return schedule
        listening: Any = _Listening(schedule.strategy, heard[schedule.index])
        return replace(schedule, strategy=listening)

    return replace(plan, schedules=tuple(listened(schedule) for schedule in plan.schedules))


def _frame_of(dump: Dump, plan: Plan, step: GroupStep, group: int, cycle: int) -> GroupFrame | None:
    """The group's frame that holds the cycle, None where the dump ends before it."""
    decoder = MarketDecoder(plan, group)
    for block in _market_blocks(dump, plan, plan.groups[group].partition):
        for frame in step.step(decoder.decode(block))[0]:
            if frame.after_cycle < cycle <= frame.to_cycle:
                return frame
    return None


def _market_blocks(dump: Dump, plan: Plan, partition: int) -> Iterator[RecordBlock]:
    borders = slab_borders(dump.manifest)
    source = DumpSource(dump, "market", borders)
    names = source.list_parts()
    if len(names) != input_partitions(plan.configuration)["market"]:
        raise InvalidInput(f"{dump.folder}: it has {len(names)} market partitions, the configuration another number")
    part = source.build_part("witness", names[partition], None)
    try:
        while True:
            yield from part.next_batch()
    except StopIteration:
        return
    finally:
        part.close()


def _witnessed(
    plan: Plan, frame: GroupFrame | None, column: int, cycle: int, symbol: int, heard: dict[int, _Heard]
) -> Witnessed:
    row = -1 if frame is None else int(np.searchsorted(frame.cycles, cycle))
    if frame is None or row >= len(frame.cycles) or int(frame.cycles[row]) != cycle:
        ended = "the recording ends before this cycle" if frame is None else "nothing of its partition came in it"
        return Witnessed(cycle=cycle, close=None, fresh=False, degraded=False, strategies=[], events=[ended])
    return Witnessed(
        cycle=cycle,
        close=_known(frame.close[row, column]),
        fresh=bool(frame.fresh[row, column]),
        degraded=bool(frame.degraded[row, column]),
        strategies=[_seen(plan, index, one) for index, one in sorted(heard.items())],
        events=[
            f"{plan.schedules[event.schedule].id}: {event.reason}: {event.detail}"
            for event in frame.events
            if event.cycle == cycle and event.symbol in (-1, symbol) and event.schedule in heard
        ],
    )


def _seen(plan: Plan, index: int, one: _Heard) -> StrategySeen:
    schedule = plan.schedules[index]
    names = [str(feature) for feature in schedule.strategy.features()]
    return StrategySeen(
        pod=plan.pods[schedule.pod].id,
        schedule=schedule.id,
        ready=one.ready,
        value=one.value,
        confidence=one.confidence,
        features=dict(zip(names, one.features or [None] * len(names), strict=True)),
    )


def _known(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
