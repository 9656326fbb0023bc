"""Lets intents pass on their way to netting, or holds entries back: suspensions, limits, windows, legs (spec 3).

It compares what a schedule wants with what it let pass last: more is an entry or increase and can be held back, less
always passes, and of a change of side the way to flat passes. So while a schedule is held its pod's target follows the
hypothetical one wherever that reduces, there is nothing to take over when it is lifted, and an entry that was held
back waits for the schedule's next change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from operators.barrier.prices import PriceBlock
from operators.frames import Bool, Clips, Float64, Int32, Int64, Intents
from operators.intents import take
from operators.plan import Plan
from operators.pods.signal_holds import NO_LIMIT, InForce
from schemas.configuration.signals import WEEKDAYS, TimeWindow
from schemas.reasons import Reason

_LIMITED, _SUSPENDED = int(Reason.SIGNAL_LIMITED), int(Reason.SIGNAL_SUSPENDED)
_OUTSIDE, _DEGRADED = int(Reason.SIGNAL_OUTSIDE_WINDOW), int(Reason.SIGNAL_LEG_DEGRADED)
_SECOND, _DAY = 1_000_000_000, 86_400_000_000_000
#: 1 January 1970 was a Thursday.
_FIRST_WEEKDAY = 3
#: What rounding may make of an unchanged target.
_ROUNDING = 1e-12


@dataclass(slots=True, frozen=True)
class Passed:
    """What netting gets, and what was held back: rows of the table of all intents, why, and what stands instead."""

    intents: Intents
    held: Int64
    reason: Int32
    stands: Float64


class SignalGate:
    """The gate of one pod over its S symbols and K schedules."""

    def __init__(self, plan: Plan, pod: int) -> None:
        own = plan.pods[pod]
        schedules = [plan.schedules[s] for s in own.schedules]
        self._symbols = own.symbols
        #: [S, K] value x confidence that each schedule was let pass last
        self._let: Float64 = np.zeros((len(own.symbols), len(schedules)))
        self._windows = [(k, s.settings.window) for k, s in enumerate(schedules) if s.settings.window is not None]
        self._legs = [(k, np.searchsorted(own.symbols, s.symbols)) for k, s in enumerate(schedules) if s.strategy.legs]
        self._together = np.array([s.strategy.legs > 0 for s in schedules], np.bool_)

    def let_pass(
        self, intents: Intents, schedule: Int32, value: Float64, in_force: list[InForce], prices: PriceBlock
    ) -> Passed:
        """Judges a block's intents.

        Args:
            intents: sorted by (cycle, schedule, symbol); ``schedule`` [n] their schedules' places in the pod.
            value: [n] strength, or notional over the reference capital.
            in_force: what holds from which cycle on, the first from before the block.
            prices: the block's prices, of all cycles with intents.
        """
        place = np.searchsorted(self._symbols, intents.symbol).astype(np.int32)
        blocked, limit = self._judge(intents.cycle, schedule, in_force, prices)
        wanted = value * intents.confidence
        if not blocked.any() and (limit == NO_LIMIT).all():
            self._let[place, schedule] = wanted  # of several rows of one pair the last counts
            return Passed(intents, np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0))
        reason, stands = np.zeros(len(wanted), np.int32), np.zeros(len(wanted))
        passes = np.ones(len(wanted), np.bool_)
        _let_pass(
            intents.cycle, schedule, place, wanted, intents.confidence, blocked, limit, self._together, self._let,
            reason, stands, passes,
        )  # fmt: skip
        held = np.flatnonzero(reason)
        return Passed(_left(intents, reason, passes), held, reason[held], stands[held])

    def _judge(self, cycle: Int64, schedule: Int32, in_force: list[InForce], prices: PriceBlock) -> tuple[Int32, Int64]:
        """[n] why an increase may not pass (0: it may), and [n] how many may pass in its cycle."""
        since = np.array([s.cycle for s in in_force], np.int64)
        row = np.searchsorted(since, cycle, side="right") - 1
        blocked: Int32 = np.zeros(len(cycle), np.int32)
        for k, places in self._legs:
            degraded: Bool = np.asarray(prices.degraded[:, places].any(axis=1))
            mine = schedule == k
            blocked[mine] = np.where(degraded[np.searchsorted(prices.cycles, cycle[mine])], _DEGRADED, 0)
        for k, window in self._windows:
            mine = schedule == k
            blocked[mine] = np.where(inside(window, cycle[mine]), blocked[mine], _OUTSIDE)
        blocked[np.stack([s.suspended for s in in_force])[row, schedule]] = _SUSPENDED
        return blocked, np.stack([s.limit for s in in_force])[row, schedule]

    def snapshot(self) -> Any:
        """What was let pass last."""
        return self._let.copy()

    def restore(self, snapshot: Any) -> None:
        """Goes on from a snapshot."""
        self._let = snapshot.copy()


def inside(window: TimeWindow, cycle: Int64) -> Bool:
    """[n] whether each cycle lies in a window; one that runs past midnight belongs to the day on which it begins."""
    start, end = (
        (t.hour * 3600 + t.minute * 60 + t.second) * _SECOND + t.microsecond * 1000 for t in (window.start, window.end)
    )
    days = np.array([d in window.days for d in WEEKDAYS], np.bool_)
    day, moment = cycle // _DAY, cycle % _DAY
    today, yesterday = days[(day + _FIRST_WEEKDAY) % 7], days[(day - 1 + _FIRST_WEEKDAY) % 7]
    if start < end:
        within: Bool = today & (moment >= start) & (moment < end)
    else:
        within = (today & (moment >= start)) | (yesterday & (moment < end))
    return within


def held_clips(passed: Passed, intents: Intents, pod: int, scale: Float64, wanted: Float64) -> Clips:
    """What was held back, as cuts from the weight that was asked for to the one that stands; ``scale`` [n] is the
    weight of a value of 1."""
    rows = passed.held
    return Clips(
        cycle=intents.cycle[rows],
        pod=np.full(len(rows), pod, np.int32),
        symbol=intents.symbol[rows],
        reason=passed.reason,
        before=np.round(wanted[rows] * scale[rows], 9),
        after=np.round(passed.stands * scale[rows], 9),
        in_units=np.zeros(len(rows), np.bool_),
    )


def _left(intents: Intents, reason: Int32, passes: Bool) -> Intents:
    """Without what was held back; where that was a change of side, the way to flat is left."""
    left, cut = take(intents, np.flatnonzero(passes)), (reason != 0)[passes]
    notional = ~np.isnan(left.notional)
    left.strength[cut & ~notional] = 0.0
    left.notional[cut & notional] = 0.0
    return left


@njit(cache=True)
def _let_pass(
    cycle: Int64,
    schedule: Int32,
    place: Int32,
    wanted: Float64,
    confidence: Float64,
    blocked: Int32,
    limit: Int64,
    together: Bool,
    let: Float64,
    reason: Int32,
    stands: Float64,
    passes: Bool,
) -> None:
    """``limit`` counts within a cycle and schedule; of equal confidence the first symbols pass."""
    first = 0
    while first < len(cycle):
        last = first + 1
        while last < len(cycle) and cycle[last] == cycle[first] and schedule[last] == schedule[first]:
            last += 1
        k = schedule[first]
        more = np.zeros(last - first, np.bool_)
        for i in range(first, last):
            before = let[place[i], k]
            more[i - first] = wanted[i] * before < 0.0 or abs(wanted[i]) > abs(before) + _ROUNDING
        _hold_back(more, confidence[first:last], blocked[first], limit[first], together[k], reason[first:last])
        for i in range(first, last):
            before = let[place[i], k]
            if reason[i] == 0:
                let[place[i], k] = wanted[i]
            else:
                passes[i] = wanted[i] * before < 0.0
                stands[i] = 0.0 if passes[i] else before
                let[place[i], k] = stands[i]
        first = last


@njit(cache=True)
def _hold_back(more: Bool, confidence: Float64, blocked: int, limit: int, together: bool, reason: Int32) -> None:
    """Writes why each row of one schedule and cycle is held back; legs pass together or not at all."""
    count = 0
    for i in range(len(more)):
        count += more[i]
    if blocked != 0:
        for i in range(len(more)):
            if more[i]:
                reason[i] = blocked
    elif limit >= 0 and count > limit:
        order = np.argsort(-confidence, kind="mergesort")
        left = 0 if together else limit
        for i in order:
            if not more[i]:
                continue
            if left > 0:
                left -= 1
            else:
                reason[i] = _LIMITED
