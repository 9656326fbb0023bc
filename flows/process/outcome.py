"""What a process has to say about its run when it ends: counters, and the cycles that stayed open.

Sources and steps add to it once a frame; nothing reads it back into a decision. Worker threads of one process share
it. A cluster's process writes it to a file, the launcher adds them up.
"""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
from msgspec import Struct


class OpenCycles(Struct, frozen=True, kw_only=True):
    """Cycles that the log did not close: ``first`` to ``last`` (UTC ns), ``count`` of them, of what, and why."""

    of: str
    first: int
    last: int
    count: int
    why: str


class Outcome(Struct, kw_only=True):
    """Totals of one process or, added up, of one run."""

    counts: dict[str, int] = {}
    open_cycles: list[OpenCycles] = []
    cpu_seconds: float = 0.0

    def merge(self, other: Outcome) -> None:
        """Adds what another process has to say."""
        for name, number in other.counts.items():
            self.counts[name] = self.counts.get(name, 0) + number
        known = {(o.of, o.first, o.last) for o in self.open_cycles}
        self.open_cycles += [o for o in other.open_cycles if (o.of, o.first, o.last) not in known]
        self.cpu_seconds += other.cpu_seconds


_lock = threading.Lock()
_current = Outcome()


def count(name: str, number: int = 1) -> None:
    """Adds ``number`` to the counter ``name`` ("bars", "duplicates", ...)."""
    with _lock:
        _current.counts[name] = _current.counts.get(name, 0) + number


def left_open(of: str, first: int, last: int, number: int, why: str) -> None:
    """Says that ``of`` (a key group, a portfolio) ended with ``number`` open cycles, and why."""
    with _lock:
        _current.open_cycles.append(OpenCycles(of=of, first=first, last=last, count=number, why=why))


def counted(name: str) -> int:
    """What ``name`` has been counted up to: for progress, not for decisions."""
    return _current.counts.get(name, 0)


def take() -> Outcome:
    """The outcome so far; what follows starts from nothing."""
    global _current
    with _lock:
        taken, _current = _current, Outcome()
    return taken


def write(outcome: Outcome, path: Path) -> None:
    """Writes an outcome as JSON."""
    path.write_bytes(msgspec.json.encode(outcome))


def read(path: Path) -> Outcome:
    """Reads what :func:`write` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=Outcome)
