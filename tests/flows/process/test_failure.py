"""What a process died of, in one message."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from flows.errors import InputLost
from flows.exit_codes import ExitCode
from flows.process.failure import describe
from flows.process.run_failed import RunFailed
from operators.contiguity import SnapshotError
from schemas.configuration import ConfigurationError


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "code", "message", "final"),
    [
        (raised(InputLost("offset 7 is gone")), ExitCode.INPUT_LOST, "offset 7 is gone", True),
        (raised(RuntimeError("in step x"), InputLost("gone")), ExitCode.INPUT_LOST, "gone", True),
        (raised(SnapshotError("x", 2, 1, "another version")), ExitCode.SNAPSHOT_INCOMPATIBLE, "another version", True),
        (raised(ConfigurationError("file", ["a", "b"])), ExitCode.USAGE, "file: 2 problem(s)\n  a\n  b", True),
    ],
)
def test_an_error_on_purpose_speaks_for_itself(error: BaseException, code: ExitCode, message: str, final: bool) -> None:
    found = describe(error)
    assert (found.exit_code, found.message, found.final) == (code, message, final)


def test_a_defect_is_named_with_its_place() -> None:
    found = describe(raised(RuntimeError("in step x"), raised(KeyError("y"))))
    assert found.exit_code == ExitCode.FAILED
    assert found.message.startswith("KeyError: 'y' (test_failure.py:")
    assert not found.final


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("database or disk is full")]
)
def test_a_full_disk_is_told_in_plain_words_and_is_no_reason_to_restart(error: Exception, tmp_path: Path) -> None:
    found = describe(raised(error), tmp_path)
    assert found.message.startswith(f"no space left on the disk of the recovery folder {tmp_path}: free some")
    assert found.final


def test_what_was_said_of_a_full_disk_once_is_not_said_anew_without_its_folder() -> None:
    """Defect: the command line described the error a second time and lost the folder's name."""
    told = describe(raised(RuntimeError("database or disk is full")), Path("recovery"))
    assert describe(raised(RunFailed.of(told), RuntimeError("database or disk is full"))).message == told.message


def test_a_disk_that_refuses_for_another_reason_is_told_so(tmp_path: Path) -> None:
    """SQLite says "full" for ENOSPC alone; a quota or a limit of file sizes is an I/O error to it."""
    found = describe(raised(RuntimeError("SqliteFailure: disk I/O error")), tmp_path)
    assert found.message.startswith(f"the recovery folder {tmp_path} cannot be written (disk I/O error): a quota or")
    assert (found.exit_code, found.final) == (ExitCode.UNAVAILABLE, True)
