"""The compiled pass over market rows that moves a key group's time (design, "Time").

One row after another, in log order: which cycle a row belongs to, whether it is late or a duplicate, when the watermark
or completeness closes cycles, and what the quality gate thinks at that moment. Nothing here depends on how the log was
cut into blocks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from operators.frames import (
    BAR,
    BEGINNING,
    CYCLE,
    FLAW_ACTION,
    FLAW_DUPLICATE,
    FLAW_NON_MONOTONIC,
    FLAW_STALE,
    INTERVAL,
    KIND,
    OTHER,
    QUOTE,
    RECORD_TS,
    SEQ,
    SYMBOL,
    TICK,
    TS,
    Bool,
    Float64,
    Int64,
)
from operators.normalize.calendar import Expectations, count_expected, mark_expected

ACCEPTED, DUPLICATE, LATE, TIME_ONLY = 0, 1, 2, 3
#: Rows of ``ScanState.clock``.
PASSED, CLOSED_TO, OPEN_CYCLES = 0, 1, 2
FLAWS = 5
_NOTHING_EXPECTED = 1 << 40


class ScanState(NamedTuple):
    """A key group's time, changed in place.

    Attributes:
        clock: [3] PASSED: the watermark has passed every T <= this; CLOSED_TO: last closed cycle; OPEN_CYCLES: used
            rows of the open-cycle table.
        last_ts, last_seq: [K + 2, S] last accepted event per interval, then of quotes and of trades.
        open_cycle: [M] cycles with data that are still open, ascending.
        missing: [M] expected final bars that have not come yet.
        awaited: [M, K, S] which ones.
        ring: [S, W] flaw bits of each symbol's last W messages; ``ring_at``, ``ring_count``: [S].
        flaw_counts: [S, 5] how many of them have each flaw.
        actions: [S] corporate actions that were not applied, ever.
    """

    clock: Int64
    last_ts: Int64
    last_seq: Int64
    open_cycle: Int64
    missing: Int64
    awaited: Bool
    ring: np.ndarray
    ring_at: Int64
    ring_count: Int64
    flaw_counts: Int64
    actions: Int64


class ScanRules(NamedTuple):
    """Settings of the pass, fixed for a run; times in ns."""

    cycle_ns: int
    lateness_ns: int
    by_completeness: bool
    staleness_ns: int
    quality_minimum: int
    #: [5] highest tolerated rate of each flaw, in the order of the flaw bits
    quality_rates: Float64


class Closings(NamedTuple):
    """What closed in a pass: [n] cycle up to which; [n, S] quality verdict then (flaw bits over their limit) and
    corporate actions until then."""

    closed_to: Int64
    degraded: np.ndarray
    actions: Int64


@njit(cache=True, inline="always")
def border(ts: int, cycle_ns: int) -> int:
    """The cycle of an event: the smallest border at or after it."""
    return -((-ts) // cycle_ns) * cycle_ns


@njit(cache=True, inline="always")
def _note_quality(state: ScanState, symbol: int, flaws: int) -> None:
    at = state.ring_at[symbol]
    width = state.ring.shape[1]
    if state.ring_count[symbol] == width:
        old = state.ring[symbol, at]
        for bit in range(FLAWS):
            if old & (1 << bit):
                state.flaw_counts[symbol, bit] -= 1
    else:
        state.ring_count[symbol] += 1
    state.ring[symbol, at] = flaws
    state.ring_at[symbol] = 0 if at == width - 1 else at + 1
    for bit in range(FLAWS):
        if flaws & (1 << bit):
            state.flaw_counts[symbol, bit] += 1
    if flaws & FLAW_ACTION:
        state.actions[symbol] += 1


@njit(cache=True)
def _verdict(state: ScanState, rules: ScanRules, degraded: np.ndarray) -> None:
    for symbol in range(len(degraded)):
        count = state.ring_count[symbol]
        verdict = 0
        if count >= rules.quality_minimum:
            for bit in range(FLAWS):
                if state.flaw_counts[symbol, bit] > rules.quality_rates[bit] * count:
                    verdict |= 1 << bit
        degraded[symbol] = verdict


@njit(cache=True)
def _drop_closed(state: ScanState) -> None:
    used = state.clock[OPEN_CYCLES]
    keep = 0
    while keep < used and state.open_cycle[keep] <= state.clock[CLOSED_TO]:
        keep += 1
    if keep:
        for n in range(keep, used):
            state.open_cycle[n - keep] = state.open_cycle[n]
            state.missing[n - keep] = state.missing[n]
            state.awaited[n - keep] = state.awaited[n]
        state.clock[OPEN_CYCLES] = used - keep


@njit(cache=True)
def _nothing_expected_between(expected: Expectations, after: int, before: int) -> bool:
    cycle = border(after + 1, expected.step_ns)
    while cycle < before:
        if count_expected(expected, cycle) > 0:
            return False
        cycle += expected.step_ns
    return True


@njit(cache=True)
def _first_complete(state: ScanState) -> int:
    """Row of the first open cycle of which anything is expected, when it is complete; otherwise -1."""
    at = 0
    while at < state.clock[OPEN_CYCLES] and state.missing[at] >= _NOTHING_EXPECTED:
        at += 1
    return at if at < state.clock[OPEN_CYCLES] and state.missing[at] == 0 else -1


@njit(cache=True, inline="always")
def _advance(state: ScanState, rules: ScanRules, expected: Expectations) -> bool:
    """Closes what the watermark and completeness allow; True when anything closed."""
    clock = state.clock
    before = clock[CLOSED_TO]
    reached = clock[PASSED] // rules.cycle_ns * rules.cycle_ns
    if clock[PASSED] > BEGINNING and reached > clock[CLOSED_TO]:
        clock[CLOSED_TO] = reached
        _drop_closed(state)
    while rules.by_completeness:
        at = _first_complete(state)
        if at < 0:
            break
        cycle = state.open_cycle[at]
        if clock[CLOSED_TO] > BEGINNING and not _nothing_expected_between(expected, clock[CLOSED_TO], cycle):
            break
        clock[CLOSED_TO] = cycle
        _drop_closed(state)
    return bool(clock[CLOSED_TO] > before)


@njit(cache=True)
def _open_row(state: ScanState, expected: Expectations, cycle: int) -> int:
    """Row of ``cycle`` in the open-cycle table, made when it is new; the table has room."""
    used = int(state.clock[OPEN_CYCLES])
    at = used
    while at > 0 and state.open_cycle[at - 1] >= cycle:
        at -= 1
    if at < used and state.open_cycle[at] == cycle:
        return at
    for n in range(used, at, -1):
        state.open_cycle[n] = state.open_cycle[n - 1]
        state.missing[n] = state.missing[n - 1]
        state.awaited[n] = state.awaited[n - 1]
    state.open_cycle[at] = cycle
    count = mark_expected(expected, cycle, state.awaited[at])
    # A cycle of which nothing is expected never closes by completeness alone.
    state.missing[at] = count if count > 0 else _NOTHING_EXPECTED
    state.clock[OPEN_CYCLES] = used + 1
    return at


@njit(cache=True)
def _seen_before(integers: Int64, status: np.ndarray, row: int, pending: Int64) -> bool:
    for other in range(pending.shape[1]):
        if _same_event(pending, other, integers, row):
            return True
    for other in range(row):
        if status[other] == ACCEPTED and _same_event(integers, other, integers, row):
            return True
    return False


@njit(cache=True)
def _same_event(left: Int64, a: int, right: Int64, b: int) -> bool:
    return bool(
        left[TS, a] == right[TS, b]
        and left[SEQ, a] == right[SEQ, b]
        and left[SYMBOL, a] == right[SYMBOL, b]
        and left[INTERVAL, a] == right[INTERVAL, b]
        and left[KIND, a] == right[KIND, b]
    )


@njit(cache=True, inline="always")
def _classify(state: ScanState, rules: ScanRules, integers: Int64, status: np.ndarray, row: int, pending: Int64) -> int:
    """Duplicate, late or accepted; keeps the last event per interval and symbol, and the quality ring."""
    kind, symbol, ts, seq = integers[KIND, row], integers[SYMBOL, row], integers[TS, row], integers[SEQ, row]
    lines = state.last_ts.shape[0]
    line = integers[INTERVAL, row] if kind == BAR else (lines - 2 if kind == QUOTE else lines - 1)
    flaws = FLAW_STALE if integers[RECORD_TS, row] - ts > rules.staleness_ns else 0
    verdict = ACCEPTED
    last = state.last_ts[line, symbol]
    newest = ts > last or (ts == last and seq > state.last_seq[line, symbol])
    if kind == OTHER:
        verdict = TIME_ONLY
    elif newest:
        state.last_ts[line, symbol] = ts
        state.last_seq[line, symbol] = seq
    elif ts == last and seq == state.last_seq[line, symbol]:
        verdict = DUPLICATE
    elif ts < last:
        flaws |= FLAW_NON_MONOTONIC
    if verdict == ACCEPTED:
        # What the watermark has passed is late, though its cycle may be open: a tick promised that nothing follows.
        if integers[CYCLE, row] <= state.clock[CLOSED_TO] or ts <= state.clock[PASSED]:
            verdict = LATE
        # Only rows of open cycles are looked through: which closed ones are at hand depends on the block.
        elif not newest and _seen_before(integers, status, row, pending):
            verdict = DUPLICATE
    if verdict == DUPLICATE:
        flaws |= FLAW_DUPLICATE
    _note_quality(state, symbol, flaws)
    return verdict


@njit(cache=True, inline="always")
def _report(state: ScanState, interval_ns: Int64, integers: Int64, row: int, at: int) -> bool:
    """Notes a final bar; True when it was the last one that its cycle waited for."""
    interval, symbol = integers[INTERVAL, row], integers[SYMBOL, row]
    # Of several bars inside one cycle only the last completes it.
    if not state.awaited[at, interval, symbol] or integers[TS, row] <= integers[CYCLE, row] - interval_ns[interval]:
        return False
    state.awaited[at, interval, symbol] = False
    state.missing[at] -= 1
    return bool(state.missing[at] == 0)


@njit(cache=True)
def scan(
    state: ScanState,
    rules: ScanRules,
    expected: Expectations,
    integers: Int64,
    read_at: Int64,
    flaws: Int64,
    pending: Int64,
    start: int,
    flaw: int,
    status: np.ndarray,
    closings: Closings,
) -> tuple[int, int, int]:
    """Passes over rows ``start``.. of ``integers`` and flaws ``flaw``.. of ``flaws``.

    ``read_at`` [n] is the offset at which each row takes its turn. Fills ``status`` and the CYCLE row, and writes what
    closed. Returns (next row, next flaw, closings written); a next row below the number of rows means that ``closings``
    or the open-cycle table is full: call again from there with room.
    """
    rows = integers.shape[1]
    closed = 0
    clock = state.clock
    for row in range(start, rows):
        if closed == len(closings.closed_to) or clock[OPEN_CYCLES] == len(state.open_cycle):
            return row, flaw, closed
        while flaw < flaws.shape[1] and flaws[0, flaw] < read_at[row]:
            _note_quality(state, flaws[1, flaw], flaws[2, flaw])
            flaw += 1
        kind, ts = integers[KIND, row], integers[TS, row]
        complete = False
        reaches = ts
        if kind == TICK:
            status[row] = TIME_ONLY
        else:
            integers[CYCLE, row] = border(ts, rules.cycle_ns)
            status[row] = _classify(state, rules, integers, status, row, pending)
            if status[row] == ACCEPTED:
                at = _open_row(state, expected, integers[CYCLE, row])
                if kind == BAR:
                    complete = _report(state, expected.interval_ns, integers, row, at)
            reaches = ts - rules.lateness_ns - 1
        if reaches > clock[PASSED]:
            clock[PASSED] = reaches
        if complete or clock[PASSED] - rules.cycle_ns >= clock[CLOSED_TO]:
            if _advance(state, rules, expected):
                _verdict(state, rules, closings.degraded[closed])
                closings.actions[closed] = state.actions
                closings.closed_to[closed] = clock[CLOSED_TO]
                closed += 1
    while flaw < flaws.shape[1]:
        _note_quality(state, flaws[1, flaw], flaws[2, flaw])
        flaw += 1
    return rows, flaw, closed
