"""A key group's clock: market blocks in, closed and folded cycles out (design, "Time").

Holds the rows of open cycles and everything that :mod:`operators.normalize.scan` needs between blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from operators.frames import (
    BEGINNING,
    CYCLE,
    INTEGER_COLUMNS,
    OFFSET,
    RECORD,
    RECORD_TS,
    TS,
    Bool,
    DeadLetterRow,
    Float64,
    Int64,
    MarketBlock,
)
from operators.normalize.calendar import expectations
from operators.normalize.fold import Folded, fold, mark_fresh
from operators.normalize.jumps import HeldRow, JumpGate, PassedRows
from operators.normalize.scan import (
    ACCEPTED,
    CLOSED_TO,
    DUPLICATE,
    FLAWS,
    LATE,
    OPEN_CYCLES,
    PASSED,
    Closings,
    ScanRules,
    ScanState,
    scan,
)
from operators.plan import Plan
from schemas.configuration.base import seconds_to_nanoseconds
from schemas.reasons import Reason

_OPEN_CYCLE_ROWS = 8
_STATUSES = 4
_CLOSINGS_AT_ONCE = 1024
#: cells (cycles x symbols x intervals) folded at once
_CELLS_AT_ONCE = 1_000_000


@dataclass(slots=True)
class Closed:
    """What a block closed: cycles (after_cycle, to_cycle].

    ``parts`` are the cycles with data, folded, each with its quality verdicts [C, S]: the flaw bits that were over
    their limit when the cycle closed; and how many corporate actions [C, S] there had been. Sparse data over many
    symbols comes in several parts, so that memory stays bounded.
    """

    after_cycle: int
    to_cycle: int
    parts: list[tuple[Folded, np.ndarray, Int64]]
    duplicates: int
    dead_letters: list[DeadLetterRow]


class GroupClock:
    """Time and pending rows of one key group."""

    def __init__(self, plan: Plan, group: int) -> None:
        time, quality = plan.configuration.time, plan.configuration.quality
        self._partition = plan.groups[group].partition
        self._symbols = len(plan.groups[group].symbols)
        self._intervals = len(plan.intervals)
        self._expected = expectations(plan, group)
        rates = (0.05, quality.duplicate_rate, quality.non_monotonic_rate, quality.null_rate, quality.schema_rate)
        self._rules = ScanRules(
            cycle_ns=plan.cycle_ns,
            lateness_ns=seconds_to_nanoseconds(time.allowed_lateness_seconds),
            by_completeness=plan.configuration.topics.market.close_on == "completeness",
            staleness_ns=seconds_to_nanoseconds(quality.staleness_seconds),
            quality_minimum=quality.minimum,
            quality_rates=np.array(rates),
        )
        self._jumps = JumpGate(seconds_to_nanoseconds(time.max_jump_seconds), time.jump_confirmations)
        self._state = _initial_state(self._intervals, self._symbols, quality.window)
        none = np.empty(0, np.int64)
        self._pending = np.empty((INTEGER_COLUMNS, 0), np.int64)
        self._pending_values = np.empty((5, 0))
        # Loads the compiled passes before the first message.
        nothing = PassedRows(self._pending, self._pending_values, none)
        self._scan(np.empty((3, 0), np.int64), nothing, np.zeros(0, np.int8))
        folded = fold(self._pending, self._pending_values, self._intervals, self._symbols)
        mark_fresh(folded.close, folded.fresh)

    @property
    def closed_to(self) -> int:
        """The last closed cycle."""
        return int(self._state.clock[CLOSED_TO])

    @property
    def watermark(self) -> int:
        """The watermark has passed every cycle up to this event time."""
        return int(self._state.clock[PASSED])

    def open_cycles(self) -> list[tuple[int, int]]:
        """Cycles with data that are still open, with the number of final bars that each still waits for."""
        used = int(self._state.clock[OPEN_CYCLES])
        return [(int(self._state.open_cycle[n]), int(self._state.missing[n])) for n in range(used)]

    def awaited(self) -> list[int]:
        """Symbols (places within the group) whose final bar the first open cycle still waits for."""
        if not int(self._state.clock[OPEN_CYCLES]):
            return []
        found: list[int] = np.flatnonzero(self._state.awaited[0].any(axis=0)).tolist()
        return found

    def held(self) -> list[int]:
        """Event times (ns) of messages that are held until something confirms their jump."""
        return [int(h.integers[TS]) for h in self._jumps.held]

    def step(self, block: MarketBlock) -> Closed:
        """Takes the next block of the partition."""
        after = self.closed_to
        passed = self._jumps.pass_rows(block)
        integers, floats = passed.integers, passed.floats
        # (offset at which it was judged, dead letter): an order that no cut into blocks changes
        dead = [(d.offset, d) for d in block.dead_letters]
        dead += [(h.judged_at, self._jump_refusal(h)) for h in passed.refused]
        rows = integers.shape[1]
        status = np.zeros(rows, np.int8)
        ends, verdicts, actions = self._scan(block.flaws, passed, status)
        counts: list[int] = np.bincount(status, minlength=_STATUSES).tolist()
        for row in np.flatnonzero(status == LATE).tolist() if counts[LATE] else []:
            payload = passed.payloads.get(row) or block.payloads[int(integers[RECORD, row])]
            dead.append((int(passed.read_at[row]), self._late(integers[:, row], payload)))
        self._keep(integers, floats, None if counts[ACCEPTED] == rows else status == ACCEPTED)
        dead.sort(key=lambda d: (d[0], d[1].offset))
        return Closed(
            after_cycle=after,
            to_cycle=self.closed_to,
            parts=self._fold(ends, verdicts, actions),
            duplicates=counts[DUPLICATE],
            dead_letters=[d for _, d in dead],
        )

    def _fold(self, ends: Int64, verdicts: np.ndarray, actions: Int64) -> list[tuple[Folded, np.ndarray, Int64]]:
        integers, floats = self._take_closed()
        parts: list[tuple[Folded, np.ndarray, Int64]] = []
        for columns in self._parts(integers[CYCLE]):
            rows, values = integers, floats
            if columns is not None:
                rows, values = np.compress(columns, integers, axis=1), np.compress(columns, floats, axis=1)
            folded = fold(rows, values, self._intervals, self._symbols)
            closing = np.searchsorted(ends, folded.cycles)
            parts.append((folded, verdicts[closing], actions[closing]))
        return parts

    def _take_closed(self) -> tuple[Int64, Float64]:
        """The waiting rows of closed cycles, which wait no longer. Columns stay in rows, as kernels are compiled."""
        integers, floats = self._pending, self._pending_values
        closed = integers[CYCLE] <= self.closed_to
        number = int(np.count_nonzero(closed))
        if number == 0:
            return integers[:, :0], floats[:, :0]
        if number == len(closed):
            self._pending, self._pending_values = np.empty((INTEGER_COLUMNS, 0), np.int64), np.empty((5, 0))
            return integers, floats
        self._pending = np.compress(~closed, integers, axis=1)
        self._pending_values = np.compress(~closed, floats, axis=1)
        return np.compress(closed, integers, axis=1), np.compress(closed, floats, axis=1)

    def _parts(self, cycle: Int64) -> list[Bool | None]:
        """Which rows to fold together; None for all."""
        at_once = max(1, _CELLS_AT_ONCE // max(1, self._symbols * self._intervals))
        if len(cycle) <= at_once:
            return [None] if len(cycle) else []
        cycles = np.unique(cycle)
        if len(cycles) <= at_once:
            return [None]
        firsts = range(0, len(cycles), at_once)
        lasts = [cycles[min(first + at_once, len(cycles)) - 1] for first in firsts]
        return [(cycle >= cycles[first]) & (cycle <= last) for first, last in zip(firsts, lasts, strict=True)]

    def _keep(self, integers: Int64, floats: Float64, accepted: Bool | None) -> None:
        if accepted is not None:
            integers, floats = np.compress(accepted, integers, axis=1), np.compress(accepted, floats, axis=1)
        if self._pending.shape[1] == 0:
            self._pending, self._pending_values = integers, floats
        elif integers.shape[1]:
            self._pending = np.concatenate([self._pending, integers], axis=1)
            self._pending_values = np.concatenate([self._pending_values, floats], axis=1)

    def _scan(self, flaws: Int64, passed: PassedRows, status: np.ndarray) -> tuple[Int64, np.ndarray, Int64]:
        integers = passed.integers
        rows = integers.shape[1]
        ends: list[Int64] = []
        verdicts: list[np.ndarray] = []
        actions: list[Int64] = []
        start = flaw = 0
        while True:
            room = min(rows - start, _CLOSINGS_AT_ONCE)
            shape = (room, self._symbols)
            closings = Closings(np.empty(room, np.int64), np.zeros(shape, np.int8), np.zeros(shape, np.int64))
            start, flaw, closed = scan(
                self._state, self._rules, self._expected, integers, passed.read_at, flaws, self._pending, start, flaw,
                status, closings,
            )  # fmt: skip
            ends.append(closings.closed_to[:closed])
            verdicts.append(closings.degraded[:closed])
            actions.append(closings.actions[:closed])
            if start == rows:
                return np.concatenate(ends), np.concatenate(verdicts), np.concatenate(actions)
            if int(self._state.clock[OPEN_CYCLES]) == len(self._state.open_cycle):
                self._grow()

    def _grow(self) -> None:
        state = self._state
        rows = 2 * len(state.open_cycle)
        open_cycle, missing = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
        awaited = np.zeros((rows, *state.awaited.shape[1:]), np.bool_)
        for new, old in ((open_cycle, state.open_cycle), (missing, state.missing), (awaited, state.awaited)):
            new[: len(old)] = old
        self._state = state._replace(open_cycle=open_cycle, missing=missing, awaited=awaited)

    def _late(self, row: Int64, payload: bytes) -> DeadLetterRow:
        error = f"event time {int(row[TS])} came after its cycle closed or the watermark passed it"
        return self._refusal(row, Reason.INPUT_LATE, error, payload)

    def _jump_refusal(self, held: HeldRow) -> DeadLetterRow:
        error = "no other message confirmed its jump in event time"
        return self._refusal(held.integers, Reason.INPUT_TIME_JUMP, error, held.payload)

    def _refusal(self, row: Int64, reason: Reason, error: str, payload: bytes) -> DeadLetterRow:
        return DeadLetterRow(
            "market", self._partition, int(row[OFFSET]), int(row[RECORD_TS]), reason.name, error, payload
        )

    # ------------------------------------------------------------ state
    def snapshot(self) -> dict[str, Any]:
        """Everything that the next block depends on, as arrays of this moment."""
        used = int(self._state.clock[OPEN_CYCLES])
        state = {name: value.copy() for name, value in self._state._asdict().items()}
        for name in ("open_cycle", "missing", "awaited"):
            state[name] = state[name][:used]
        return {
            "scan": state,
            "pending": self._pending.copy(),
            "pending_values": self._pending_values.copy(),
            "latest": self._jumps.latest,
            "held": [(h.integers, h.floats, h.payload, h.later, h.judged_at) for h in self._jumps.held],
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Goes on where ``snapshot`` was taken; the symbols must be the same."""
        saved = dict(snapshot["scan"])
        used = len(saved["open_cycle"])
        rows = max(_OPEN_CYCLE_ROWS, used)
        for name in ("open_cycle", "missing", "awaited"):
            grown = np.zeros((rows, *saved[name].shape[1:]), saved[name].dtype)
            grown[:used] = saved[name]
            saved[name] = grown
        self._state = ScanState(**{name: np.ascontiguousarray(value) for name, value in saved.items()})
        self._pending = snapshot["pending"].copy()
        self._pending_values = snapshot["pending_values"].copy()
        self._jumps.latest = snapshot["latest"]
        self._jumps.held = [HeldRow(*held) for held in snapshot["held"]]


def _initial_state(intervals: int, symbols: int, window: int) -> ScanState:
    return ScanState(
        clock=np.array([BEGINNING, BEGINNING, 0], np.int64),
        last_ts=np.full((intervals + 2, symbols), BEGINNING, np.int64),
        last_seq=np.full((intervals + 2, symbols), -1, np.int64),
        open_cycle=np.zeros(_OPEN_CYCLE_ROWS, np.int64),
        missing=np.zeros(_OPEN_CYCLE_ROWS, np.int64),
        awaited=np.zeros((_OPEN_CYCLE_ROWS, intervals, symbols), np.bool_),
        ring=np.zeros((symbols, window), np.uint8),
        ring_at=np.zeros(symbols, np.int64),
        ring_count=np.zeros(symbols, np.int64),
        flaw_counts=np.zeros((symbols, FLAWS), np.int64),
        actions=np.zeros(symbols, np.int64),
    )
