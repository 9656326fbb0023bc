"""The error of a run that ended in other processes."""

from __future__ import annotations

from flows.errors import WeirError
from flows.exit_codes import ExitCode
from flows.process.failure import Failure


class RunFailed(WeirError):
    """A run ended with an error in its own processes: their message, exit code, and traceback (``detail``)."""

    def __init__(self, message: str, exit_code: ExitCode, detail: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # this one instance speaks for another process
        self.detail = detail

    @classmethod
    def of(cls, failure: Failure) -> RunFailed:
        """The error for a failure that a process left."""
        return cls(failure.message, ExitCode(failure.exit_code), failure.detail)
