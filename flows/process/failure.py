"""What a process died of: the first error, its exit code, and one clean message.

bytewax wraps what a step raises, and in a cluster of several processes loses it altogether: the sockets' threads panic
while the others unwind, and the panic is all that comes back. So :mod:`flows.process.guard` notes the first error where
it is raised, and this module says what it means.
"""

from __future__ import annotations

import errno
import shutil
import threading
import traceback
from pathlib import Path

import msgspec
from msgspec import Struct

from flows import exit_codes
from flows.exit_codes import ExitCode, FlowStopped
from operators.contiguity import ContiguityError, SnapshotError
from schemas.configuration import ConfigurationError

#: Free bytes below which a dead process is put down to the full disk.
FULL_DISK_BYTES = 1 << 20
#: SQLite's words for ENOSPC, and for every other refusal to write: a quota, a limit of the process, a broken disk.
_FULL = "disk is full"
_REFUSED = "disk I/O error"

#: After these, a restart cannot help or must not be tried without a human (design, "Edges").
FINAL_CODES = frozenset(
    {
        ExitCode.USAGE,
        ExitCode.DIVERGED,
        ExitCode.FENCED,
        ExitCode.SNAPSHOT_INCOMPATIBLE,
        ExitCode.INPUT_LOST,
        ExitCode.LOCKED,
    }
)


#: Errors from below this package: configuration, snapshots of the stages, and the guards that stay on.
_CODES: dict[type[BaseException], ExitCode] = {
    ConfigurationError: ExitCode.USAGE,
    SnapshotError: ExitCode.SNAPSHOT_INCOMPATIBLE,
    ContiguityError: ExitCode.FAILED,
}


class Failure(Struct, frozen=True, kw_only=True):
    """Why a process ended. ``final``: a restart would not help. ``detail`` is the traceback, for ``--debug``."""

    exit_code: int
    message: str
    final: bool = False
    detail: str = ""
    #: False for what only follows from another process' death.
    cause: bool = True


_lock = threading.Lock()
_first: BaseException | None = None


def note(error: BaseException) -> None:
    """Remembers ``error`` if it is the first of this process."""
    global _first
    with _lock:
        if _first is None:
            _first = error


def forget() -> None:
    """Forgets it: for a process that runs one flow after another."""
    global _first
    with _lock:
        _first = None


def first_or(error: BaseException) -> BaseException:
    """The first error that a step raised, or ``error`` where none was noted."""
    with _lock:
        return error if _first is None else _first


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found:
        found.append(current)
        current = current.__cause__ or current.__context__
    return found


def exit_code_of(error: BaseException) -> ExitCode:
    """As :func:`flows.exit_codes.exit_code_of`, also for errors of the layers that know of no exit codes."""
    for link in _chain(error):
        for kind, code in _CODES.items():
            if isinstance(link, kind):
                return code
    return exit_codes.exit_code_of(error)


def is_disk_full(error: BaseException, folder: Path | None) -> bool:
    """Whether ``error`` came of a disk that takes no more: by its own words, or because ``folder`` has no room left."""
    for link in _chain(error):
        if isinstance(link, OSError) and link.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return True
        if any(words in str(link) for words in (_FULL, _REFUSED)):
            return True
    return (
        folder is not None
        and folder.is_dir()
        and exit_code_of(error) is ExitCode.FAILED
        and shutil.disk_usage(folder).free < FULL_DISK_BYTES
    )


def describe(error: BaseException, recovery_folder: Path | None = None) -> Failure:
    """One message and exit code for what ended a process."""
    detail = "".join(traceback.format_exception(error))
    # An error on purpose speaks for itself, also one that was made of a full disk already.
    if not isinstance(error, FlowStopped) and is_disk_full(error, recovery_folder):
        where = f" {recovery_folder}" if recovery_folder else ""
        problem = f"no space left on the disk of the recovery folder{where}: free some and start again"
        if any(_REFUSED in str(link) for link in _chain(error)):
            problem = (
                f"the recovery folder{where} cannot be written ({_REFUSED}): a quota or a limit of file sizes is"
                " reached, or the disk is broken; put that right and start again"
            )
        return Failure(
            exit_code=ExitCode.UNAVAILABLE,
            message=f"{problem}; the run goes on from its last whole snapshot",
            final=True,
            detail=detail,
        )
    code = exit_code_of(error)
    followed = type(error).__name__ == "PanicException"
    return Failure(
        exit_code=code, message=_message(error), final=code in FINAL_CODES, detail=detail, cause=not followed
    )


def _message(error: BaseException) -> str:
    for link in _chain(error):
        if isinstance(getattr(link, "exit_code", None), ExitCode) or isinstance(link, tuple(_CODES)):
            return str(link)
    root = error
    while root.__cause__ is not None:
        root = root.__cause__
    where = ""
    frames = traceback.extract_tb(root.__traceback__)
    if frames:
        where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})"
    return f"{type(root).__name__}: {root}{where}"


def write(failure: Failure, path: Path) -> None:
    """Leaves a failure for the supervisor."""
    path.write_bytes(msgspec.json.encode(failure))


def read(path: Path) -> Failure | None:
    """What a process left; None when it could not say anything (kill -9)."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Failure)
    except (OSError, msgspec.DecodeError):
        return None
