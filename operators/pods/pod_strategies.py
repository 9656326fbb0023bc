"""Strategies that see all symbols of a pod: they run in its step, after the barrier (design, "What strategies and pods
may know")."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from operators.bars import BarBlock
from operators.frames import GroupFrame, Int32, Int64, Intents, StrategyEvent
from operators.intents import no_intents
from operators.plan import GroupPlan, Plan
from operators.strategy_evaluate.runtime import EvaluationWatch, StrategyRuntime
from operators.strategy_evaluate.slices import cycles_of

_VALUES = ("open", "high", "low", "close", "volume", "bid", "ask", "bid_size", "ask_size")


class BarJoin:
    """Bars of several key groups that wait for the barrier, and the blocks over the pod's symbols that they make."""

    def __init__(self, plan: Plan, symbols: Int32) -> None:
        self._symbols = len(symbols)
        self._waiting: dict[tuple[int, int], deque[BarBlock]] = {}
        #: columns of a group's shared symbols, and where they go
        self._places: dict[int, tuple[Int64, Int64]] = {}
        for group in plan.groups:
            shared = group.symbols[group.shared]
            taken = np.flatnonzero(np.isin(shared, symbols))
            self._places[group.partition] = (taken, np.searchsorted(symbols, shared[taken]))

    def add(self, frame: GroupFrame) -> None:
        """Keeps what a key group shares."""
        for block in frame.shared:
            self._waiting.setdefault((block.interval, frame.group), deque()).append(block)

    def take(self, to_cycle: int) -> list[BarBlock]:
        """A block for each interval with bars up to ``to_cycle``."""
        due: dict[int, list[tuple[int, BarBlock]]] = {}
        for (interval, group), blocks in sorted(self._waiting.items()):
            while blocks and blocks[0].cycles[0] <= to_cycle:
                block = blocks.popleft()
                rows = int(np.searchsorted(block.cycles, to_cycle, side="right"))
                due.setdefault(interval, []).append((group, cycles_of(block, 0, rows)))
                if rows < len(block):
                    blocks.appendleft(cycles_of(block, rows, len(block)))
        joined = (self._joined(interval, parts) for interval, parts in due.items())
        return [block for block in joined if block.fresh.any()]

    def _joined(self, interval: int, parts: list[tuple[int, BarBlock]]) -> BarBlock:
        with_own = [(group, part) for group, part in parts if part.fresh[:, self._places[group][0]].any()]
        cycles = np.unique(np.concatenate([np.empty(0, np.int64), *(p.cycles for _, p in with_own)]))
        shape = (len(cycles), self._symbols)
        values = {name: np.full(shape, np.nan) for name in _VALUES}
        fresh = np.zeros(shape, np.bool_)
        for group, part in with_own:
            taken, place = self._places[group]
            cells = np.ix_(np.searchsorted(cycles, part.cycles), place)
            fresh[cells] = part.fresh[:, taken]
            for name in _VALUES:
                values[name][cells] = getattr(part, name)[:, taken]
        rows = fresh.any(axis=1)
        return BarBlock(interval, cycles[rows], fresh=fresh[rows], **{n: v[rows] for n, v in values.items()})

    def snapshot(self) -> dict[tuple[int, int], list[BarBlock]]:
        """What waits, by interval and key group."""
        return {key: list(blocks) for key, blocks in self._waiting.items() if blocks}

    def restore(self, snapshot: dict[tuple[int, int], list[BarBlock]]) -> None:
        """Goes on from a snapshot."""
        self._waiting = {key: deque(blocks) for key, blocks in snapshot.items()}


class PodStrategies:
    """The pod-scope schedules of one pod, with the runtime that key groups use: features, warm-up, isolation, circuit,
    quarantine.

    Their features are computed here, once for all of the pod's schedules, since they need bars after the barrier.
    """

    def __init__(
        self, plan: Plan, pod: int, quarantined: Mapping[str, int] | None = None, watch: EvaluationWatch | None = None
    ) -> None:
        schedules = [plan.schedules[s] for s in plan.pods[pod].schedules]
        own = [s for s in schedules if s.strategy.scope == "pod" and s.strategy.driven_by == "bars"]
        self._width = plan.feature_width
        self._join: BarJoin | None = None
        if not own:
            return
        symbols = np.unique(np.concatenate([s.symbols for s in own])).astype(np.int32)
        pairs = tuple((s.index, np.searchsorted(symbols, s.symbols).astype(np.int32)) for s in own)
        self._join = BarJoin(plan, symbols)
        group = GroupPlan(partition=-1, symbols=symbols, schedules=pairs, shared=np.empty(0, np.int32))
        self._runtime = StrategyRuntime(plan, group, quarantined, watch)

    def add(self, frame: GroupFrame) -> None:
        """Keeps a key group's bars until their cycles are due."""
        if self._join is not None:
            self._join.add(frame)

    def step(self, to_cycle: int) -> tuple[Intents, list[StrategyEvent]]:
        """Evaluates every bar up to ``to_cycle``."""
        blocks = [] if self._join is None else self._join.take(to_cycle)
        return self._runtime.step(blocks) if blocks else (no_intents(self._width), [])

    def evaluated(self) -> dict[int, int]:
        """Bars evaluated by schedule index since this object was made, for metrics."""
        return {} if self._join is None else self._runtime.evaluated

    def snapshot(self) -> dict[str, Any] | None:
        """State of the strategies, and bars that wait; None without such schedules."""
        if self._join is None:
            return None
        return {"bars": self._join.snapshot(), "strategies": self._runtime.snapshot()}

    def restore(self, snapshot: dict[str, Any] | None) -> None:
        """Goes on from a snapshot."""
        if self._join is not None and snapshot is not None:
            self._join.restore(snapshot["bars"])
            self._runtime.restore(snapshot["strategies"])
