"""The drain flag: set by SIGTERM or SIGINT, read by every source (design, "Clean stop").

A source that sees it raises StopIteration at its next poll; bytewax then snapshots and returns. Only when *every*
source of *every* process does so is the last snapshot right, so the supervisor sends the signal to all of them.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_requested: Final = threading.Event()


def request() -> None:
    """Asks every source of this process to stop at its next poll."""
    _requested.set()


def requested() -> bool:
    """Whether sources must stop. Cheap enough for every poll."""
    return _requested.is_set()


def reset() -> None:
    """Forgets a request: for a process that runs one flow after another."""
    _requested.clear()


def _on_signal(_number: int, _frame: FrameType | None) -> None:
    request()


def install() -> None:
    """Lets SIGTERM and SIGINT ask for a drain; call it in the main thread before the flow starts."""
    signal.signal(signal.SIGTERM, _on_signal)
    signal.signal(signal.SIGINT, _on_signal)


@contextmanager
def on_signals() -> Iterator[None]:
    """SIGTERM and SIGINT ask for a drain while the context lasts; does nothing outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    install()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
