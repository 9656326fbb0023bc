"""Errors that end a run, each with the exit code that it stands for.

A message names the file or topic, the key, the value and the fix. Bad *records* are never errors: they become dead
letters (spec 2).
"""

from __future__ import annotations

from typing import ClassVar

from flows.exit_codes import ExitCode, FlowStopped, Unavailable

__all__ = [
    "ClusterLocked",
    "DivergedFromLog",
    "Fenced",
    "ImportRefused",
    "InputLost",
    "InvalidInput",
    "MalformedDump",
    "SnapshotIncompatible",
    "StrategyHung",
    "Unavailable",
    "WeirError",
]

#: Base of every error that Weir raises on purpose; the command line prints its text and exits with its code.
WeirError = FlowStopped


class InvalidInput(WeirError):
    """A path, an option or a file that was given cannot be used as it is."""

    exit_code: ClassVar[ExitCode] = ExitCode.USAGE


class MalformedDump(InvalidInput):
    """A topic dump holds something that is no record: names file and line."""


class ImportRefused(InvalidInput):
    """Rows of a price file cannot become bars: names file and rows."""


class DivergedFromLog(WeirError):
    """What was about to be written differs from what is committed (design, "Exactly once")."""

    exit_code: ClassVar[ExitCode] = ExitCode.DIVERGED


class Fenced(WeirError):
    """Another process took over; this one must not write any more."""

    exit_code: ClassVar[ExitCode] = ExitCode.FENCED


class SnapshotIncompatible(WeirError):
    """A recovery snapshot has a version, or a place, that this code cannot resume from."""

    exit_code: ClassVar[ExitCode] = ExitCode.SNAPSHOT_INCOMPATIBLE


class InputLost(WeirError):
    """Records between the resume position and the log's beginning are gone."""

    exit_code: ClassVar[ExitCode] = ExitCode.INPUT_LOST


class StrategyHung(WeirError):
    """A strategy did not return; the message names it and its cycle."""

    exit_code: ClassVar[ExitCode] = ExitCode.HANG


class ClusterLocked(WeirError):
    """The recovery folder is in use by another process."""

    exit_code: ClassVar[ExitCode] = ExitCode.LOCKED
