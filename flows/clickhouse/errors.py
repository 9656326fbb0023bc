"""What can stop a copy of decisions into ClickHouse."""

from __future__ import annotations

from typing import ClassVar

from flows.errors import WeirError
from flows.exit_codes import ExitCode


class ClickHouseUnavailable(WeirError):
    """The server does not answer or refuses the login, or the embedded path is in use by another process."""

    exit_code: ClassVar[ExitCode] = ExitCode.UNAVAILABLE


class SchemaRefused(WeirError):
    """The database's schema is newer than this version knows, or a migration was changed after it was applied."""

    exit_code: ClassVar[ExitCode] = ExitCode.SNAPSHOT_INCOMPATIBLE


class DecisionsMissing(WeirError):
    """The next decision does not follow the last one that is stored: some are missing in between."""

    exit_code: ClassVar[ExitCode] = ExitCode.INPUT_LOST
