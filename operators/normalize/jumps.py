"""Holds event times that jump far ahead until something confirms them (design, "Bad clocks").

One wrong year must not close a decade. A row more than ``max_jump`` over its partition's latest event time is held. A
ClockTick or a row whose event time reaches it confirms it, and so does another event that jumps as far, give or take
``max_jump``; the same event sent twice confirms nothing. When the next ``confirmations`` rows do not, it is a dead
letter.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numba import njit

from operators.frames import (
    BEGINNING,
    INTERVAL,
    KIND,
    OFFSET,
    RECORD,
    SEQ,
    SYMBOL,
    TICK,
    TS,
    Float64,
    Int64,
    MarketBlock,
)

_IDENTITY = [KIND, SYMBOL, INTERVAL, TS, SEQ]


@dataclass(slots=True)
class HeldRow:
    """A held row: its columns, its payload, how many rows came after it, and the offset of the last of these."""

    integers: Int64
    floats: Float64
    payload: bytes
    later: int
    judged_at: int


@dataclass(slots=True)
class PassedRows:
    """What a block lets through.

    Attributes:
        integers, floats: [9, n] and [5, n] as in MarketBlock, in the order in which the rows count.
        read_at: [n] the offset at which a row takes its turn: its own, or that of the row which confirmed it.
        payloads: raw bytes of the rows (by place) that may be of an earlier block.
        refused: rows that nothing confirmed.
    """

    integers: Int64
    floats: Float64
    read_at: Int64
    payloads: dict[int, bytes] = field(default_factory=dict)
    refused: list[HeldRow] = field(default_factory=list)


class JumpGate:
    """State of one partition: ``latest`` event time let through (ns; None before the first), and the held rows."""

    def __init__(self, max_jump_ns: int, confirmations: int) -> None:
        self._max_jump = max_jump_ns
        self._confirmations = confirmations
        self.latest: int | None = None
        self.held: list[HeldRow] = []

    def pass_rows(self, block: MarketBlock) -> PassedRows:
        """The rows that may go on, in order, and those refused for good."""
        integers, floats = block.integers, block.floats
        ts = integers[TS]
        if len(ts) == 0:
            return PassedRows(integers, floats, integers[OFFSET])
        if not self.held:
            latest = _latest_without_jumps(ts, int(ts[0]) if self.latest is None else self.latest, self._max_jump)
            if latest != BEGINNING:
                self.latest = latest
                return PassedRows(integers, floats, integers[OFFSET])
        return self._row_by_row(block)

    def _row_by_row(self, block: MarketBlock) -> PassedRows:
        integers, floats, raw = block.integers, block.floats, block.payloads
        passed: list[tuple[Int64, Float64, int]] = []
        payloads: dict[int, bytes] = {}
        refused: list[HeldRow] = []
        for n in range(integers.shape[1]):
            row, values = integers[:, n], floats[:, n]
            ts, offset = int(row[TS]), int(row[OFFSET])
            jumps = self.latest is not None and ts > self.latest + self._max_jump
            if jumps and row[KIND] != TICK and not self._confirmed_by(row):
                self._age(offset, refused)
                self.held.append(HeldRow(row.copy(), values.copy(), raw[int(row[RECORD])], 0, offset))
                continue
            beyond = self._max_jump if jumps and row[KIND] != TICK else 0
            for held in self._release(ts + beyond):
                payloads[len(passed)] = held.payload
                passed.append((held.integers, held.floats, offset))
            self._age(offset, refused)
            passed.append((row, values, offset))
            self.latest = ts if self.latest is None else max(self.latest, ts)
        if not passed:
            return PassedRows(integers[:, :0], floats[:, :0], integers[OFFSET, :0], payloads, refused)
        return PassedRows(
            np.ascontiguousarray(np.stack([p[0] for p in passed], axis=1)),
            np.ascontiguousarray(np.stack([p[1] for p in passed], axis=1)),
            np.array([p[2] for p in passed], np.int64),
            payloads,
            refused,
        )

    def _confirmed_by(self, row: Int64) -> bool:
        return any(
            abs(int(row[TS]) - int(h.integers[TS])) <= self._max_jump
            and not np.array_equal(row[_IDENTITY], h.integers[_IDENTITY])
            for h in self.held
        )

    def _release(self, reached: int) -> list[HeldRow]:
        """Held rows up to the event time ``reached``, in log order."""
        if not self.held:
            return []
        confirmed = [h for h in self.held if int(h.integers[TS]) <= reached]
        self.held = [h for h in self.held if int(h.integers[TS]) > reached]
        for h in confirmed:
            own = int(h.integers[TS])
            self.latest = own if self.latest is None else max(self.latest, own)
        return confirmed

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


@njit(cache=True)
def _latest_without_jumps(ts: Int64, latest: int, max_jump: int) -> int:
    """The latest event time after these rows; BEGINNING when one of them jumps."""
    for row in range(len(ts)):
        if ts[row] - max_jump > latest:
            return BEGINNING
        latest = max(latest, ts[row])
    return int(latest)
