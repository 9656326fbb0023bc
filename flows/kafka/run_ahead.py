"""How far a source may read ahead of the slowest portfolio (design, "Run-ahead" and "Bounded").

The bound changes timing only. It must never end in a deadlock, so it yields: a source that is held while nothing
moves gets a small poll after ``stall_seconds``, then after twice as long, and so on. That is what resolves a partition
whose last message names a wrong year; the pending work it can add grows with the logarithm of the waiting time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from typing import Final, Protocol

import msgspec

#: What a held jump in event time needs to be settled (design, "Bad clocks"), and one more.
STALL_RECORDS: Final = 101
#: How much a side topic may take at once before the first cycle is known.
START_RECORDS: Final = 500


class ReadGate(Protocol):
    """Asked by a source before each poll."""

    def allowance(self, first: int | None, reached: int | None, wanted: int) -> int:
        """How many records the source may read now, 0..``wanted``.

        Args:
            first: event time (UTC ns) that its first poll of this run reached, None before it.
            reached: event time that its reading has reached, None before the first.
            wanted: what it would read without a bound.
        """
        ...


class Follows(Protocol):
    """Knows how far the slowest portfolio is."""

    @property
    def slowest(self) -> int | None:
        """Its last cycle, None while one has none."""
        ...

    def poll(self) -> None:
        """Takes in what is new."""
        ...


class RunAhead:
    """The bound of one process: slowest portfolio + ``hold``. Makes one :class:`ReadGate` for each source partition.

    Args:
        reader: follows the progress of the portfolios.
        hold: ns of event time that a source may be ahead; more than one tick interval plus lateness and side lag, or
            the sources wait for a cycle that cannot close.
        stall_seconds: wall time without movement after which a held source reads a little all the same.
        unbounded_at_start: roles that are not held before the first progress (side topics: their history may lie
            years before the first market message, and cycles need all of it). Others may read ``hold`` beyond their
            own first poll.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        reader: Follows,
        hold: int,
        *,
        stall_seconds: float = 5.0,
        unbounded_at_start: Collection[str] = ("control", "fills", "overlay", "signals"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if hold <= 0:
            raise ValueError(f"run-ahead: hold is {hold} ns; it must be more than one tick interval")
        self._reader = reader
        self._hold = hold
        self._stall_seconds = stall_seconds
        self._unbounded_at_start = frozenset(unbounded_at_start)
        self._clock = clock

    def gate(self, role: str) -> ReadGate:
        """A new gate for one partition of the topic with this role."""
        return _Gate(self, role in self._unbounded_at_start)

    def slowest(self) -> int | None:
        """Last cycle of the slowest portfolio; takes in what the progress topic has."""
        self._reader.poll()
        return self._reader.slowest

    @property
    def hold(self) -> int:
        """ns of event time that a source may be ahead."""
        return self._hold

    @property
    def stall_seconds(self) -> float:
        """Wall time without movement after which a held source reads a little."""
        return self._stall_seconds

    def now(self) -> float:
        """Monotonic seconds."""
        return self._clock()


class _Gate:
    def __init__(self, bound: RunAhead, unbounded_at_start: bool) -> None:
        self._bound = bound
        self._unbounded_at_start = unbounded_at_start
        self._seen: int | None = None
        self._since = bound.now()
        self._patience = bound.stall_seconds

    def allowance(self, first: int | None, reached: int | None, wanted: int) -> int:
        slowest = self._bound.slowest()
        if slowest is None and self._unbounded_at_start:
            return min(wanted, START_RECORDS)
        base = first if slowest is None else slowest
        if base is None or reached is None or reached <= base + self._bound.hold:
            self._start_waiting(slowest)
            return wanted
        if slowest != self._seen:
            self._start_waiting(slowest)
        if self._bound.now() - self._since < self._patience:
            return 0
        self._since = self._bound.now()
        self._patience *= 2
        return min(wanted, STALL_RECORDS)

    def _start_waiting(self, slowest: int | None) -> None:
        self._seen = slowest
        self._since = self._bound.now()
        self._patience = self._bound.stall_seconds


class _EventTime(msgspec.Struct):
    ts: int | None = None


_decoder = msgspec.json.Decoder(_EventTime)


def event_time(payload: bytes) -> int | None:
    """The ``ts`` field (UTC ns) of a JSON message, without decoding the rest; None where it has none."""
    try:
        return _decoder.decode(payload).ts
    except (msgspec.DecodeError, RecursionError):
        return None


class Reached:
    """The event time that a partition's reading has reached: the lesser of its last two records.

    One message with a wrong year must not hold its source, and the next one shows it up.

    Args:
        of: event time of a payload, None where it has none.
    """

    def __init__(self, of: Callable[[bytes], int | None] = event_time) -> None:
        self._of = of
        self._last: int | None = None
        self.first: int | None = None
        self.value: int | None = None

    def take(self, payloads: Sequence[bytes]) -> None:
        """Note the records of one poll, in log order."""
        for payload in payloads[-2:]:
            ts = self._of(payload)
            if ts is None:
                continue
            self.value = ts if self._last is None else min(ts, self._last)
            self._last = ts
        if self.first is None:
            self.first = self.value
