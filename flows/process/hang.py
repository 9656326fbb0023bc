"""What follows when the watchdog sees a hang (design, "Overrun and hang").

In a dump replay the process ends with an error that names strategy and cycle. Live it appends a quarantine record to
the control topic first, and the restart that follows goes on without the schedule.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from flows.errors import StrategyHung
from flows.exit_codes import ExitCode
from flows.process import failure
from flows.process.watchdog import SHADOW_MARK, Evaluation
from flows.quarantine import append_quarantine
from flows.settings import FlowSettings, KafkaInput, Quarantine
from flows.shadow.generation import note_hang


def describe_hang(evaluation: Evaluation, hang_seconds: float, after: str) -> StrategyHung:
    """The error for a hang; ``after`` says what was done about it."""
    return StrategyHung(
        f"schedule {evaluation.schedule} did not return within {hang_seconds:g} s (runtime.hang_seconds)"
        f" in the block that begins with cycle {evaluation.cycle}; {after}"
    )


def end_after_hang(settings: FlowSettings, evaluation: Evaluation, failure_file: Path | None) -> NoReturn:
    """Quarantines where the flow is live, says why, and ends the process at once: a hung thread cannot be stopped."""
    live = isinstance(settings.source, KafkaInput)
    shadow = evaluation.portfolio.startswith(SHADOW_MARK)
    after, final = "fix the strategy or disable the schedule, then replay again", True
    if shadow:
        # Never a quarantine: the live flow may have a schedule of that name, and it is well.
        after, final = "it is of the shadow candidate, which the next start leaves out", not live
        if settings.recovery is not None:
            note_hang(Path(settings.recovery.directory))
    elif live:
        quarantine = Quarantine(
            schedule=evaluation.schedule, first_cycle=evaluation.cycle, portfolio=evaluation.portfolio
        )
        try:
            written = append_quarantine(settings.parsed(), quarantine)
        except Exception as error:
            written = False
            print(f"weir: the quarantine record could not be written: {error}", file=sys.stderr, flush=True)
        after, final = (
            ("it is quarantined in the control topic from that cycle on", False)
            if written
            else ("no control topic took the quarantine record; configure topics.control", True)
        )
    described = failure.describe(describe_hang(evaluation, settings.hang_seconds, after))
    described = failure.Failure(exit_code=ExitCode.HANG, message=described.message, final=final)
    try:
        if failure_file is not None:
            failure.write(described, failure_file)
        else:
            print(f"weir: error: {described.message}", file=sys.stderr, flush=True)
    finally:
        # Also when nobody reads the message any more: else the hung process would stay for ever.
        os._exit(ExitCode.HANG)
