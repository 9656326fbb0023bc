"""Exit codes of every Weir process (design, "Edges") and the base of the errors that carry them; see also
:mod:`flows.errors`."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What a process says when it ends; the numbers are a stable interface of the command line."""

    OK = 0
    FAILED = 1
    USAGE = 2
    #: What the flow is about to write differs from what is committed. Never restart without a human.
    DIVERGED = 3
    #: Another process has taken over this transactional id. Do not restart: the successor is at work.
    FENCED = 4
    #: The recovery store was written by a version or a topology that this one cannot continue.
    SNAPSHOT_INCOMPATIBLE = 5
    #: Input or output that is needed to go on is no longer in the log (retention, a deleted topic).
    INPUT_LOST = 6
    #: A strategy hung; it is quarantined, a restart goes on without it.
    HANG = 7
    #: Another cluster holds the lock of this recovery folder.
    LOCKED = 8
    #: What the flow needs cannot be reached or is not set up (topics, credentials, Java).
    UNAVAILABLE = 9


class FlowStopped(Exception):
    """An error that ends the process with an exit code of its own.

    It takes one text and nothing else: bytewax makes a new exception of the same type when it adds its own context.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED


class Unavailable(FlowStopped):
    """A server, a topic or a program that the flow needs is not there or refuses."""

    exit_code = ExitCode.UNAVAILABLE


def exit_code_of(error: BaseException) -> ExitCode:
    """The exit code for ``error``: that of the first error with one in its chain of causes, else FAILED."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        code = getattr(current, "exit_code", None)
        if isinstance(code, ExitCode):
            return code
        seen.add(id(current))
        current = current.__cause__ or current.__context__
    return ExitCode.FAILED
