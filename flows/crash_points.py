"""Named places at which a test lets the process die as by ``kill -9`` (design, promise 3).

``WEIR_CRASH_POINT=sink.before_commit:3`` kills the process when it reaches ``sink.before_commit`` for the third time.
Without the variable a point costs one dictionary look-up.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import Final

VARIABLE: Final = "WEIR_CRASH_POINT"

_lock = threading.Lock()
_reached: dict[str, int] = {}


def parse(setting: str) -> tuple[str, int]:
    """``name`` or ``name:nth`` as (name, nth).

    Raises:
        ValueError: ``nth`` is not a positive whole number.
    """
    name, _, nth = setting.partition(":")
    if nth and (not nth.isdigit() or int(nth) < 1):
        raise ValueError(f"{VARIABLE}={setting}: what follows the colon must be 1, 2, ...; write {name}:1")
    return name, int(nth or 1)


def reached(name: str) -> None:
    """Say that ``name`` is reached; ends the process by SIGKILL when the environment asks for it."""
    setting = os.environ.get(VARIABLE)
    if setting is None:
        return
    wanted, nth = parse(setting)
    if name != wanted:
        return
    with _lock:
        _reached[name] = _reached.get(name, 0) + 1
        count = _reached[name]
    if count == nth:
        os.kill(os.getpid(), signal.SIGKILL)
        signal.pause()
