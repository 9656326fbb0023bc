"""The hang watchdog: sees an evaluation that does not return, from outside the operators (design, "Overrun and hang").

A step says ``watch.enter(schedule, cycle)`` before it calls a strategy and ``watch.leave()`` after it. A thread looks
at these slots by the wall clock; what it finds never becomes a decision by itself: live it writes a record to the log.

What it cannot do: a Python thread needs the GIL. A loop in Python code gives it up every few milliseconds, so a hang
there is seen; compiled code that keeps the GIL for ever (a C extension, a numba kernel without ``nogil``) keeps this
thread asleep too. Such a hang shows from outside alone: the process's
metrics stop. Kernels that may run long are compiled with ``nogil``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple


class Evaluation(NamedTuple):
    """One call of a strategy: the schedule's id, the first cycle (UTC ns) it was asked for, since when (monotonic)."""

    schedule: str
    cycle: int
    since: float
    portfolio: str = ""


_slots: Final[dict[int, Evaluation]] = {}


#: Begins the portfolio of an evaluation that belongs to a shadow candidate.
SHADOW_MARK: Final = "shadow:"


class EvaluationSlots:
    """What each worker thread is evaluating; all instances share the process's slots."""

    @staticmethod
    def enter(schedule: str, cycle: int, portfolio: str = "") -> None:
        """A strategy is about to be called for ``cycle`` and what follows in its block."""
        _slots[threading.get_ident()] = Evaluation(schedule, cycle, time.monotonic(), portfolio)

    @staticmethod
    def leave() -> None:
        """It returned."""
        _slots.pop(threading.get_ident(), None)

    @staticmethod
    def longest() -> Evaluation | None:
        """The evaluation that has been running longest, if any is."""
        running = list(_slots.values())
        return min(running, key=lambda e: e.since) if running else None


#: The slots of this process.
watch: Final = EvaluationSlots()


class Watchdog:
    """Calls ``on_hang`` once, from its own thread, for an evaluation that runs longer than ``hang_seconds``."""

    def __init__(self, hang_seconds: float, on_hang: Callable[[Evaluation], None]) -> None:
        self._hang_seconds = hang_seconds
        self._on_hang = on_hang
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="hang-watchdog", daemon=True)

    def __enter__(self) -> Watchdog:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(min(1.0, self._hang_seconds / 4)):
            running = watch.longest()
            if running is not None and time.monotonic() - running.since > self._hang_seconds:
                self._on_hang(running)
                return
