"""Errors at the Kafka edge that end a run, beside those of :mod:`flows.errors` and :mod:`flows.exit_codes`."""

from __future__ import annotations

from flows.errors import WeirError
from flows.exit_codes import ExitCode


class ContiguityBroken(WeirError):
    """A frame, counter or sequence is missing or came twice: always a defect of the flow."""

    exit_code = ExitCode.FAILED
