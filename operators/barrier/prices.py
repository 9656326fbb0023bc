"""Joins the price frames of several key groups into one block over a consumer's own symbols."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from operators.compiled import compiled
from operators.frames import BEGINNING, Bool, Float64, GroupFrame, Int32, Int64
from operators.intents import no_intents
from operators.plan import Plan


@dataclass(slots=True, frozen=True)
class PriceBlock:
    """Prices of a run of cycles, [C, S] over the consumer's symbols; see GroupFrame for the columns.

    ``first_offset``/``last_offset`` are [C, G] per key group, -1 where a group had nothing in the cycle.
    """

    cycles: Int64
    open: Float64
    close: Float64
    fresh: Bool
    degraded: Bool
    first_offset: Int64
    last_offset: Int64


class PriceJoin:
    """Group frames that wait for the barrier, and the block that they make when it opens."""

    def __init__(self, plan: Plan, symbols: Int32, groups: tuple[int, ...]) -> None:
        self.groups = groups
        self._symbols = len(symbols)
        self._waiting: dict[int, deque[GroupFrame]] = {g: deque() for g in groups}
        # columns of the group's frame, and where they go
        self._columns: dict[int, tuple[Int64, Int64]] = {}
        for group in groups:
            own = plan.groups[group].symbols
            taken = np.flatnonzero(np.isin(own, symbols))
            self._columns[group] = (taken, np.searchsorted(symbols, own[taken]))
        # One key group with just these symbols: its arrays are the block.
        self._is_whole = len(groups) == 1 and np.array_equal(plan.groups[groups[0]].symbols, symbols)

    def add(self, frame: GroupFrame) -> None:
        """Keeps a frame that has cycles with data."""
        if len(frame.cycles):
            self._waiting[frame.group].append(frame)

    def first_cycle(self) -> int | None:
        """The earliest cycle with data that waits."""
        return min((int(frames[0].cycles[0]) for frames in self._waiting.values() if frames), default=None)

    def waiting_cycles(self) -> int:
        """Cycles with data that wait for the barrier, for metrics and bounds."""
        return sum(len(f.cycles) for frames in self._waiting.values() for f in frames)

    def waiting(self) -> Int64:
        """The cycles with data that wait for the barrier, ascending."""
        tables = [frame.cycles for frames in self._waiting.values() for frame in frames]
        return np.unique(np.concatenate([np.empty(0, np.int64), *tables]))

    def take(self, to_cycle: int, extra: Int64) -> PriceBlock:
        """Everything up to ``to_cycle``, with rows for the cycles in ``extra`` too, where something else happens."""
        parts: list[tuple[int, GroupFrame, int]] = []
        for group, frames in self._waiting.items():
            # Frames of a group come in order, so only the first that reaches beyond can be cut.
            while frames and frames[0].cycles[0] <= to_cycle:
                frame = frames.popleft()
                rows = int(np.searchsorted(frame.cycles, to_cycle, side="right"))
                parts.append((group, frame, rows))
                if rows < len(frame.cycles):
                    frames.appendleft(_tail(frame, rows))
        if len(parts) == 1 and (len(extra) == 0 or _holds(parts[0], extra)):
            _, frame, rows = parts[0]
            if self._is_whole:
                return _whole(frame, rows)
            cycles = frame.cycles[:rows]
        else:
            cycles = np.unique(np.concatenate([extra, *(f.cycles[:n] for _, f, n in parts)]))
        shape = (len(cycles), self._symbols)
        block = PriceBlock(
            cycles=cycles,
            open=np.full(shape, np.nan),
            close=np.full(shape, np.nan),
            fresh=np.zeros(shape, np.bool_),
            degraded=np.zeros(shape, np.bool_),
            first_offset=np.full((len(cycles), len(self.groups)), -1, np.int64),
            last_offset=np.full((len(cycles), len(self.groups)), -1, np.int64),
        )
        for group, frame, rows in parts:
            self._place(block, group, frame, rows)
        return block

    def _place(self, block: PriceBlock, group: int, frame: GroupFrame, rows: int) -> None:
        at = np.searchsorted(block.cycles, frame.cycles[:rows])
        source, target = self._columns[group]
        place_prices(
            at, source, target, frame.open, frame.close, frame.fresh, frame.degraded,
            block.open, block.close, block.fresh, block.degraded,
        )  # fmt: skip
        column = self.groups.index(group)
        block.first_offset[at, column] = frame.first_offset[:rows]
        block.last_offset[at, column] = frame.last_offset[:rows]

    def snapshot(self) -> list[dict[str, Any]]:
        """The waiting frames' price columns."""
        names = ("group", "cycles", "first_offset", "last_offset", "open", "close", "fresh", "degraded")
        return [{n: getattr(f, n) for n in names} for frames in self._waiting.values() for f in frames]

    def restore(self, snapshot: list[dict[str, Any]], nothing: GroupFrame) -> None:
        """Goes on from a snapshot; ``nothing`` is an empty frame that lends the columns which prices do not need."""
        for saved in snapshot:
            frame = GroupFrame(
                group=saved["group"], counter=0, after_cycle=BEGINNING, to_cycle=BEGINNING, cycles=saved["cycles"],
                first_offset=saved["first_offset"], last_offset=saved["last_offset"], open=saved["open"],
                close=saved["close"], volume=nothing.volume, fresh=saved["fresh"], degraded=saved["degraded"],
                intents=nothing.intents, events=[],
            )  # fmt: skip
            self._waiting[frame.group].append(frame)


@compiled
def place_prices(
    at: Int64,
    source: Int64,
    target: Int64,
    opened: Float64,
    closed: Float64,
    fresh: Bool,
    degraded: Bool,
    into_open: Float64,
    into_close: Float64,
    into_fresh: Bool,
    into_degraded: Bool,
) -> None:
    """Copies the first ``len(at)`` cycles of a frame to rows ``at`` of a block, columns ``source`` to ``target``."""
    for row in range(len(at)):
        for n in range(len(source)):
            into_open[at[row], target[n]] = opened[row, source[n]]
            into_close[at[row], target[n]] = closed[row, source[n]]
            into_fresh[at[row], target[n]] = fresh[row, source[n]]
            into_degraded[at[row], target[n]] = degraded[row, source[n]]


def _holds(part: tuple[int, GroupFrame, int], extra: Int64) -> bool:
    """True when every cycle in ``extra`` (ascending) is one of the part's."""
    _, frame, rows = part
    cycles = frame.cycles[:rows]
    at = np.searchsorted(cycles, extra)
    return bool(at[-1] < rows and np.array_equal(cycles[at], extra))


def _whole(frame: GroupFrame, rows: int) -> PriceBlock:
    """A frame's first rows as they stand: who takes a block only reads it."""
    return PriceBlock(
        cycles=frame.cycles[:rows],
        open=frame.open[:rows],
        close=frame.close[:rows],
        fresh=frame.fresh[:rows],
        degraded=frame.degraded[:rows],
        first_offset=frame.first_offset[:rows, None],
        last_offset=frame.last_offset[:rows, None],
    )


def _tail(frame: GroupFrame, rows: int) -> GroupFrame:
    return GroupFrame(
        group=frame.group, counter=frame.counter, after_cycle=frame.after_cycle, to_cycle=frame.to_cycle,
        cycles=frame.cycles[rows:], first_offset=frame.first_offset[rows:], last_offset=frame.last_offset[rows:],
        open=frame.open[rows:], close=frame.close[rows:], volume=frame.volume, fresh=frame.fresh[rows:],
        degraded=frame.degraded[rows:], intents=frame.intents, events=frame.events,
    )  # fmt: skip


def empty_group_frame(feature_width: int) -> GroupFrame:
    """A group frame with nothing in it."""
    none, empty, nowhere = np.empty(0, np.int64), np.empty((0, 0)), np.empty((0, 0), np.bool_)
    return GroupFrame(
        0, 0, BEGINNING, BEGINNING, none, none, none, empty, empty, empty, nowhere, nowhere,
        no_intents(feature_width), [],
    )  # fmt: skip
