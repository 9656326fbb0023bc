"""Holds event times that jump far ahead until something confirms them (design, "Bad clocks").

One wrong year must not close a decade. A row more than ``max_jump`` over its partition's latest event time is held; a
ClockTick that reaches it, or another row that jumps too, confirms it; when the next ``confirmations`` rows do not, it is
a dead letter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from operators.frames import KIND, OFFSET, RECORD, TICK, TS, Float64, Int64, MarketBlock


@dataclass(slots=True)
class HeldRow:
    """A held row: its columns, its payload, how many rows came after it, and the offset of the last of these."""

    integers: Int64
    floats: Float64
    payload: bytes
    later: int
    judged_at: int


class JumpGate:
    """State of one partition: ``latest`` event time let through (ns; None before the first), and the held rows."""

    def __init__(self, max_jump_ns: int, confirmations: int) -> None:
        self._max_jump = max_jump_ns
        self._confirmations = confirmations
        self.latest: int | None = None
        self.held: list[HeldRow] = []

    def pass_rows(self, block: MarketBlock) -> tuple[Int64, Float64, list[HeldRow]]:
        """The rows that may go on, in order, and those refused for good."""
        integers, floats = block.integers, block.floats
        ts = integers[TS]
        if len(ts) == 0:
            return integers, floats, []
        if not self.held:
            reach = np.maximum.accumulate(ts)
            before = np.empty_like(reach)
            before[0] = self.latest if self.latest is not None else reach[0]
            before[1:] = np.maximum(reach[:-1], before[0])
            if not (ts > before + self._max_jump).any():
                self.latest = int(max(reach[-1], before[0]))
                return integers, floats, []
        return self._row_by_row(block)

    def _row_by_row(self, block: MarketBlock) -> tuple[Int64, Float64, list[HeldRow]]:
        integers, floats = block.integers, block.floats
        passed: list[tuple[Int64, Float64]] = []
        refused: list[HeldRow] = []
        for n in range(integers.shape[1]):
            row, values = integers[:, n], floats[:, n]
            ts = int(row[TS])
            jumps = self.latest is not None and ts > self.latest + self._max_jump
            if jumps and row[KIND] != TICK and not self._confirmed_by(ts):
                self._age(int(row[OFFSET]), refused)
                self.held.append(HeldRow(row.copy(), values.copy(), block.payload(int(row[RECORD])), 0, int(row[OFFSET])))
                continue
            if self.held and (jumps or row[KIND] == TICK):
                passed += self._release(ts)
            self._age(int(row[OFFSET]), refused)
            passed.append((row, values))
            self.latest = ts if self.latest is None else max(self.latest, ts)
        if not passed:
            return integers[:, :0], floats[:, :0], refused
        return (
            np.ascontiguousarray(np.stack([p[0] for p in passed], axis=1)),
            np.ascontiguousarray(np.stack([p[1] for p in passed], axis=1)),
            refused,
        )

    def _confirmed_by(self, ts: int) -> bool:
        return any(abs(ts - int(h.integers[TS])) <= self._max_jump for h in self.held)

    def _release(self, ts: int) -> list[tuple[Int64, Float64]]:
        """Held rows that an event time of ``ts`` confirms, in log order."""
        confirmed = [h for h in self.held if int(h.integers[TS]) <= ts + self._max_jump]
        self.held = [h for h in self.held if int(h.integers[TS]) > ts + self._max_jump]
        for h in confirmed:
            reached = int(h.integers[TS])
            self.latest = reached if self.latest is None else max(self.latest, reached)
        return [(h.integers, h.floats) for h in confirmed]

    def _age(self, offset: int, refused: list[HeldRow]) -> None:
        kept: list[HeldRow] = []
        for h in self.held:
            h.later += 1
            h.judged_at = offset
            if h.later >= self._confirmations:
                refused.append(h)
            else:
                kept.append(h)
        self.held = kept
