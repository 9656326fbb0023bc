"""The key-group step: market blocks in, group frames with intents out (design, "Data flow").

normalize and strategy-evaluate share one step because they share one key: per-symbol state never crosses a group.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from operators.bars import BarBlock
from operators.contiguity import ContiguityError, SnapshotError
from operators.frames import (
    CLOSE,
    HIGH,
    LOW,
    OPEN,
    VOLUME,
    DeadLetters,
    GroupFrame,
    Int64,
    MarketBlock,
    StrategyEvent,
)
from operators.intents import no_intents
from operators.normalize.fold import Folded, mark_fresh
from operators.normalize.group_clock import GroupClock
from operators.normalize.shared_bars import SharedBars
from operators.plan import Plan
from operators.strategy_evaluate.runtime import EvaluationWatch, StrategyRuntime
from schemas.reasons import Reason

#: Version of the group snapshot's layout.
GROUP_SNAPSHOT = 2


class GroupStep:
    """State and step of one key group."""

    def __init__(
        self,
        plan: Plan,
        group: int,
        quarantined: Mapping[str, int] | None = None,
        watch: EvaluationWatch | None = None,
    ) -> None:
        self._plan = plan
        self._group = group
        self._symbols = [plan.symbols[s] for s in plan.groups[group].symbols]
        self._clock = GroupClock(plan, group)
        self._runtime = StrategyRuntime(plan, group, quarantined, watch)
        self._shared = SharedBars(plan, group)
        self._position: int | None = None
        self._frames = 0
        self._letters = 0
        #: [S] corporate actions that schedules were told of
        self._actions = np.zeros(len(self._symbols), np.int64)
        #: duplicates dropped since this object was made: for metrics, no part of the state
        self.duplicates = 0

    def evaluated_bars(self) -> dict[int, int]:
        """Bars evaluated by schedule index since this object was made, for metrics."""
        return self._runtime.evaluated

    @property
    def clock(self) -> GroupClock:
        """The group's time, for metrics and the report of open cycles."""
        return self._clock

    def step(self, block: MarketBlock) -> tuple[list[GroupFrame], DeadLetters | None]:
        """Takes the next block; raises ContiguityError when it does not follow the last one."""
        if self._position is not None and block.start != self._position:
            raise ContiguityError(f"market-{block.partition}", self._position, block.start)
        self._position = block.next
        if block.integers.shape[1] == 0 and not block.dead_letters:
            return [], None
        closed = self._clock.step(block)
        self.duplicates += closed.duplicates
        frames: list[GroupFrame] = []
        after = closed.after_cycle
        for number, (folded, degraded, actions) in enumerate(closed.parts):
            to_cycle = closed.to_cycle if number == len(closed.parts) - 1 else int(folded.cycles[-1])
            frames.append(self._frame(after, to_cycle, folded, degraded != 0, actions))
            after = to_cycle
        if not frames and closed.to_cycle > closed.after_cycle:
            frames.append(self._empty_frame(after, closed.to_cycle))
        letters = None
        if closed.dead_letters:
            self._letters += 1
            letters = DeadLetters("market", block.partition, self._letters, closed.dead_letters)
        return frames, letters

    def _frame(self, after: int, to_cycle: int, folded: Folded, degraded: np.ndarray, actions: Int64) -> GroupFrame:
        intents, events = self._runtime.step(self._bar_blocks(folded))
        if (actions[-1] > self._actions).any():
            events = sorted(
                [*events, *self._action_events(folded.cycles, actions)], key=lambda e: (e.cycle, e.schedule)
            )
        self._frames += 1
        return GroupFrame(
            group=self._group,
            counter=self._frames,
            after_cycle=after,
            to_cycle=to_cycle,
            cycles=folded.cycles,
            first_offset=folded.first_offset,
            last_offset=folded.last_offset,
            open=folded.open,
            close=folded.close,
            volume=folded.volume,
            fresh=folded.fresh,
            degraded=degraded,
            intents=intents,
            events=events,
            shared=self._shared.blocks(folded),
        )

    def _action_events(self, cycles: Int64, actions: Int64) -> list[StrategyEvent]:
        """One for each schedule and symbol, in the first cycle with data after a corporate action was read."""
        detail = "a corporate action was read and is not applied; settle it by hand, then arm or flatten the symbol"
        found: list[StrategyEvent] = []
        own = self._plan.groups[self._group]
        for row, cycle in enumerate(cycles.tolist()):
            fresh = actions[row] > self._actions
            self._actions = actions[row].copy()
            for schedule, places in own.schedules if fresh.any() else ():
                for place in places[fresh[places]].tolist():
                    symbol = int(own.symbols[place])
                    reason = Reason.QUALITY_CORPORATE_ACTION.name
                    found.append(StrategyEvent(cycle, schedule, symbol, reason, detail))
        return found

    def _empty_frame(self, after: int, to_cycle: int) -> GroupFrame:
        self._frames += 1
        symbols = len(self._symbols)
        none, empty = np.empty(0, np.int64), np.empty((0, symbols))
        nowhere = np.empty((0, symbols), np.bool_)
        return GroupFrame(
            self._group, self._frames, after, to_cycle, none, none, none, empty, empty, empty, nowhere, nowhere,
            no_intents(self._plan.feature_width), [],
        )  # fmt: skip

    def _bar_blocks(self, folded: Folded) -> list[BarBlock]:
        """The folded bars by interval, each over the cycles that have any."""
        blocks: list[BarBlock] = []
        for interval in range(len(self._plan.intervals)):
            bars, quotes, cycles = folded.bars[interval], folded.quotes, folded.cycles
            fresh = np.empty(bars.shape[1:], np.bool_)
            with_bars = mark_fresh(bars[CLOSE], fresh)
            if with_bars == 0:
                continue
            if with_bars < len(cycles):
                rows = fresh.any(axis=1)
                bars, fresh, quotes, cycles = bars[:, rows], fresh[rows], quotes[:, rows], cycles[rows]
            blocks.append(
                BarBlock(interval, cycles, bars[OPEN], bars[HIGH], bars[LOW], bars[CLOSE], bars[VOLUME], fresh, *quotes)
            )
        return blocks

    # ------------------------------------------------------------ state
    def snapshot(self) -> dict[str, Any]:
        """A versioned snapshot of the whole group; see :meth:`restore`."""
        return {
            "version": GROUP_SNAPSHOT,
            "symbols": self._symbols,
            "intervals": list(self._plan.intervals),
            "position": self._position,
            "frames": self._frames,
            "letters": self._letters,
            "actions": self._actions.copy(),
            "clock": self._clock.snapshot(),
            "strategies": self._runtime.snapshot(),
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Goes on from a snapshot; raises SnapshotError for an unknown version or other symbols or intervals."""
        if snapshot.get("version") != GROUP_SNAPSHOT:
            raise SnapshotError(f"group {self._group}", snapshot.get("version"), GROUP_SNAPSHOT)
        if snapshot["symbols"] != self._symbols or snapshot["intervals"] != list(self._plan.intervals):
            raise SnapshotError.layout(f"group {self._group}", "symbols or intervals")
        self._position = snapshot["position"]
        self._frames = snapshot["frames"]
        self._letters = snapshot["letters"]
        self._actions = snapshot["actions"].copy()
        self._clock.restore(snapshot["clock"])
        self._runtime.restore(snapshot["strategies"])
