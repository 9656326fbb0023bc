"""Commands that hold signals back: which limit or suspension each means, and until when (spec 3; seed 004)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from schemas.configuration.base import NANOSECONDS
from schemas.configuration.signals import utc_nanoseconds
from schemas.control import LATEST
from schemas.messages import ControlCommand

SUSPEND: Final = ("suspend", "pause_pod")
RESUME: Final = ("resume", "resume_pod")
SIGNAL_COMMANDS: Final = (*SUSPEND, *RESUME, "set_limit", "clear_limit")


def limited_pair(command: ControlCommand) -> tuple[str, str]:
    """(strategy type, risk profile) that a ``set_limit`` or ``clear_limit`` means."""
    return command.target.name, str(command.body["risk_profile"])


def until_of(body: dict[str, Any], now: int) -> int | None:
    """End in UTC ns of what a judged body sets at ``now``; None: until it is lifted."""
    until = body.get("until")
    if isinstance(until, str):
        return utc_nanoseconds(datetime.fromisoformat(until))
    if until is not None:
        return int(until)
    duration = body.get("duration_seconds")
    return None if duration is None or duration <= 0 else now + round(duration * NANOSECONDS)


def until_problem(until: str | int | None) -> str | None:
    """What is wrong with the end of a hold: it must be a time that a 64-bit column of ns can hold."""
    try:
        moment = datetime.fromisoformat(until) if isinstance(until, str) else None
        if moment is not None and moment.tzinfo is None:
            return f"until {until!r} names no zone; write it with one, such as 2026-11-21T12:00:00Z"
        end = until if moment is None else utc_nanoseconds(moment)
    except (ValueError, OverflowError):
        return f"until {until!r} is neither a time in ISO 8601 with a zone nor UTC ns"
    if isinstance(end, int) and not 0 <= end <= LATEST:
        return f"until {until!r} is out of range; leave it out for: until lifted"
    return None
