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
def _note_quality(
    ring: np.ndarray, ring_at: Int64, ring_count: Int64, flaw_counts: Int64, symbol: int, flaws: int
) -> None:
    at = ring_at[symbol]
    width = ring.shape[1]
    old = np.int64(0)
    if ring_count[symbol] == width:
        old = np.int64(ring[symbol, at])
    else:
        ring_count[symbol] += 1
    ring[symbol, at] = flaws
    ring_at[symbol] = 0 if at == width - 1 else at + 1
    if old | flaws:
        for bit in range(FLAWS):
            flaw_counts[symbol, bit] += ((flaws >> bit) & 1) - ((old >> bit) & 1)


@njit(cache=True)
def _verdict(state: ScanState, rules: ScanRules, degraded: np.ndarray, actions: Int64) -> None:
    for symbol in range(len(degraded)):
        count = state.ring_count[symbol]
        verdict = 0
        if count >= rules.quality_minimum:
            for bit in range(FLAWS):
                if state.flaw_counts[symbol, bit] > rules.quality_rates[bit] * count:
                    verdict |= 1 << bit
        degraded[symbol] = verdict
        actions[symbol] = state.actions[symbol]


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


@njit(cache=True)
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
def _newer(last_ts: Int64, last_seq: Int64, line: int, symbol: int, ts: int, seq: int) -> int:
    """1 for an event after the last one of its symbol, which it becomes; 0 for the same event, -1 for another."""
    last = last_ts[line, symbol]
    if ts > last or (ts == last and seq > last_seq[line, symbol]):
        last_ts[line, symbol] = ts
        last_seq[line, symbol] = seq
        return 1
    return 0 if ts == last and seq == last_seq[line, symbol] else -1


@njit(cache=True, inline="always")
def _classify(
    newer: int, passed: bool, goes_back: bool, integers: Int64, status: np.ndarray, row: int, pending: Int64
) -> tuple[int, int]:
    """Duplicate, late or accepted, and the flaws that go with it. ``newer`` is what :func:`_newer` said."""
    if newer == 0:
        return DUPLICATE, FLAW_DUPLICATE
    found = FLAW_NON_MONOTONIC if newer < 0 and goes_back else 0
    # What the watermark has passed is late, though its cycle may be open: a tick promised that nothing follows.
    if passed:
        return LATE, found
    # Only rows of open cycles are looked through: which closed ones are at hand depends on the block.
    if newer < 0 and _seen_before(integers, status, row, pending):
        return DUPLICATE, found | FLAW_DUPLICATE
    return ACCEPTED, found


@njit(cache=True, inline="always")
def _report(
    awaited: Bool, missing: Int64, interval_ns: Int64, at: int, interval: int, symbol: int, ts: int, cycle: int
) -> bool:
    """Notes a final bar; True when it was the last one that its cycle waited for."""
    # Of several bars inside one cycle only the last completes it.
    if not awaited[at, interval, symbol] or ts <= cycle - interval_ns[interval]:
        return False
    awaited[at, interval, symbol] = False
    missing[at] -= 1
    return bool(missing[at] == 0)


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
    # Taken out of their tuples once: an array that is taken out is counted each time.
    clock, last_ts, last_seq = state.clock, state.last_ts, state.last_seq
    open_cycle, missing, awaited = state.open_cycle, state.missing, state.awaited
    ring, ring_at, ring_count, flaw_counts = state.ring, state.ring_at, state.ring_count, state.flaw_counts
    interval_ns, closed_to, degraded = expected.interval_ns, closings.closed_to, closings.degraded
    actions, actions_then = state.actions, closings.actions
    rows, lines = integers.shape[1], last_ts.shape[0]
    closed = 0
    at, at_cycle = 0, BEGINNING  # the row of the open-cycle table that was used last
    for row in range(start, rows):
        if closed == len(closed_to) or clock[OPEN_CYCLES] == len(open_cycle):
            return row, flaw, closed
        while flaw < flaws.shape[1] and flaws[0, flaw] < read_at[row]:
            _note_quality(ring, ring_at, ring_count, flaw_counts, flaws[1, flaw], flaws[2, flaw])
            actions[flaws[1, flaw]] += (flaws[2, flaw] & FLAW_ACTION) != 0
            flaw += 1
        kind, ts = integers[KIND, row], integers[TS, row]
        complete = False
        reaches = ts
        if kind == TICK:
            status[row] = TIME_ONLY
        else:
            symbol, interval, seq = integers[SYMBOL, row], integers[INTERVAL, row], integers[SEQ, row]
            cycle = border(ts, rules.cycle_ns)
            integers[CYCLE, row] = cycle
            verdict, found = TIME_ONLY, 0
            if kind != OTHER:
                line = interval if kind == BAR else (lines - 2 if kind == QUOTE else lines - 1)
                newer = _newer(last_ts, last_seq, line, symbol, ts, seq)
                passed = cycle <= clock[CLOSED_TO] or ts <= clock[PASSED]
                verdict, found = _classify(newer, passed, ts < last_ts[line, symbol], integers, status, row, pending)
            if integers[RECORD_TS, row] - ts > rules.staleness_ns:
                found |= FLAW_STALE
            status[row] = verdict
            _note_quality(ring, ring_at, ring_count, flaw_counts, symbol, found)
            if verdict == ACCEPTED:
                if cycle != at_cycle:
                    at, at_cycle = _open_row(state, expected, cycle), cycle
                if kind == BAR:
                    complete = _report(awaited, missing, interval_ns, at, interval, symbol, ts, cycle)
            reaches = ts - rules.lateness_ns - 1
        if reaches > clock[PASSED]:
            clock[PASSED] = reaches
        if complete or clock[PASSED] - rules.cycle_ns >= clock[CLOSED_TO]:
            if _advance(state, rules, expected):
                at_cycle = BEGINNING
                _verdict(state, rules, degraded[closed], actions_then[closed])
                closed_to[closed] = clock[CLOSED_TO]
                closed += 1
    while flaw < flaws.shape[1]:
        _note_quality(ring, ring_at, ring_count, flaw_counts, flaws[1, flaw], flaws[2, flaw])
        actions[flaws[1, flaw]] += (flaws[2, flaw] & FLAW_ACTION) != 0
        flaw += 1
    return rows, flaw, closed
