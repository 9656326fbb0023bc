"""Which symbols a cycle expects a final bar of: session calendars, listing dates, intervals (design, "Closing")."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from operators.frames import Bool, Int64

if TYPE_CHECKING:
    from operators.plan import Plan

MINUTE = 60_000_000_000
DAY = 86_400_000_000_000
WEEK = 7 * DAY
#: 1970-01-01 was a Thursday: weeks start on Monday.
_MONDAY_OFFSET = 3 * DAY
_NO_HOLIDAY = -(2**62)


class Expectations(NamedTuple):
    """Expected bars of a key group, as columns for compiled code.

    Attributes:
        uses: [K, S] True where a symbol's bars of an interval are in use.
        interval_ns: [K] interval lengths in ns.
        listed_from, listed_until: [S] UTC ns.
        calendar: [S] row of ``open_minutes``.
        opened: [calendars, 10081] in how many minutes of the week up to each (0..10080) a bar may close.
        holidays: [calendars, H] days since 1970, padded.
        cycle_ns: cycle length.
        step_ns: distance of cycles at which anything can be expected.
    """

    uses: Bool
    interval_ns: Int64
    listed_from: Int64
    listed_until: Int64
    calendar: Int64
    opened: Int64
    holidays: Int64
    cycle_ns: int
    step_ns: int


def expectations(plan: Plan, group: int) -> Expectations:
    """What the symbols of ``group`` are expected to report."""
    own = plan.groups[group].symbols
    instruments = [plan.instruments[s] for s in own]
    uses = np.zeros((len(plan.intervals), len(own)), np.bool_)
    for number, local in plan.groups[group].schedules:
        uses[plan.schedules[number].interval, local] = True
    pod_symbols = {int(s) for pod in plan.pods for s in pod.symbols}
    for n, symbol in enumerate(own):
        # A symbol that nobody trades but that converts a currency reports its own interval.
        if int(symbol) in pod_symbols and not uses[:, n].any():
            own_interval = instruments[n].interval
            known = own_interval if own_interval in plan.intervals else plan.default_interval
            uses[plan.intervals.index(known), n] = True
    names = [name for name, _ in plan.calendars]
    open_minutes = np.zeros((len(names), 10_081), np.bool_)
    closed_days: list[list[int]] = []
    for row, (_, calendar) in enumerate(plan.calendars):
        for session in calendar.sessions:
            open_minutes[row, session.start_minute + 1 : session.end_minute + 1] = True
        closed_days.append(sorted((d - date(1970, 1, 1)).days for d in calendar.holidays))
    width = max(1, *(len(days) for days in closed_days))
    holidays = np.full((len(names), width), _NO_HOLIDAY, np.int64)
    for row, days in enumerate(closed_days):
        holidays[row, : len(days)] = days
    return Expectations(
        uses=uses,
        interval_ns=plan.interval_ns,
        listed_from=np.array([i.listed_from if i.listed_from is not None else -(2**62) for i in instruments], np.int64),
        listed_until=np.array([i.listed_until if i.listed_until is not None else 2**62 for i in instruments], np.int64),
        calendar=np.array([names.index(i.calendar) for i in instruments], np.int64),
        opened=np.cumsum(open_minutes, axis=1, dtype=np.int64),
        holidays=holidays,
        cycle_ns=plan.cycle_ns,
        step_ns=_step(plan, uses),
    )


def _step(plan: Plan, uses: Bool) -> int:
    used = plan.interval_ns[uses.any(axis=1)]
    common = int(np.gcd.reduce(used)) if len(used) else plan.cycle_ns
    if common % WEEK == 0:
        common = DAY
    return common if common % plan.cycle_ns == 0 else plan.cycle_ns


@njit(cache=True)
def interval_ends(interval_ns: int, cycle: int, cycle_ns: int) -> bool:
    """True when a border of the interval lies in (cycle - cycle_ns, cycle]; weeks end on Monday 00:00."""
    at = cycle + _MONDAY_OFFSET if interval_ns % WEEK == 0 else cycle
    return at // interval_ns > (at - cycle_ns) // interval_ns


@njit(cache=True)
def _opens_within(opened: Int64, cycle: int, cycle_ns: int) -> bool:
    """True when a bar may close in (cycle - cycle_ns, cycle]: also in a session that ends inside the cycle."""
    if cycle_ns >= WEEK:
        return bool(opened[-1] > 0)
    at = (cycle + _MONDAY_OFFSET) % WEEK
    first, last = (at - cycle_ns) // MINUTE, (at + MINUTE - 1) // MINUTE
    if first < 0:
        return bool(opened[last] > 0 or opened[-1] > opened[first + 10_080])
    return bool(opened[last] > opened[first])


@njit(cache=True)
def _is_session(opened: Int64, holidays: Int64, cycle: int, cycle_ns: int) -> bool:
    """True when a bar may close in the cycle, and it is not of a holiday."""
    if not _opens_within(opened, cycle, cycle_ns):
        return False
    day = (cycle - 1) // DAY
    for holiday in holidays:
        if holiday == day:
            return False
    return True


@njit(cache=True)
def mark_expected(expected: Expectations, cycle: int, marks: Bool) -> int:
    """Fills ``marks`` [K, S] with who should report a final bar in ``cycle`` and counts them."""
    uses, calendar, opened, holidays = expected.uses, expected.calendar, expected.opened, expected.holidays
    listed_from, listed_until, cycle_ns = expected.listed_from, expected.listed_until, expected.cycle_ns
    asked, in_session = -1, False
    count = 0
    for interval in range(uses.shape[0]):
        ends = interval_ends(expected.interval_ns[interval], cycle, cycle_ns)
        for symbol in range(uses.shape[1]):
            marks[interval, symbol] = False
            # A bar of this cycle closes after the previous border.
            listed = listed_from[symbol] <= cycle and cycle - cycle_ns < listed_until[symbol]
            if not (ends and listed and uses[interval, symbol]):
                continue
            if calendar[symbol] != asked:  # symbols of one calendar mostly stand together
                asked = calendar[symbol]
                in_session = _is_session(opened[asked], holidays[asked], cycle, cycle_ns)
            if in_session:
                marks[interval, symbol] = True
                count += 1
    return count


@njit(cache=True)
def count_expected(expected: Expectations, cycle: int) -> int:
    """How many (interval, symbol) pairs should report in ``cycle``."""
    return mark_expected(expected, cycle, np.empty(expected.uses.shape, np.bool_))
