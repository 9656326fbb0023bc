"""Commands that hold signals back: suspend, resume, set_limit, clear_limit (spec 3; seed 004)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from schemas.configuration.base import NANOSECONDS
from schemas.configuration.signals import utc_nanoseconds
from schemas.messages import ControlCommand

#: Body keys of each command; ``until`` is ISO 8601 with a zone or UTC ns, and wins over ``duration_seconds``.
SIGNAL_COMMANDS: dict[str, set[str]] = {
    "suspend": {"until", "duration_seconds"},
    "resume": set(),
    "set_limit": {"risk_profile", "limit", "until", "duration_seconds"},
    "clear_limit": {"risk_profile"},
}
#: Scopes of their targets. A limit's target is a strategy's type; ``risk_profile`` in the body completes the pair.
SIGNAL_SCOPES: dict[str, tuple[str, ...]] = {
    "suspend": ("schedule", "tag"),
    "resume": ("schedule", "tag"),
    "set_limit": ("strategy",),
    "clear_limit": ("strategy",),
}


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


def body_problem(command: ControlCommand, profiles: frozenset[tuple[str, str]]) -> str | None:
    """What is wrong with the body of one of these commands; ``profiles`` are the (strategy, risk profile) in use."""
    body = command.body
    if command.command in ("set_limit", "clear_limit"):
        pair = (command.target.name, body.get("risk_profile"))
        if pair not in profiles:
            return f"no schedule has strategy {pair[0]!r} and risk_profile {pair[1]!r}"
    limit = body.get("limit")
    if command.command == "set_limit" and (type(limit) is not int or limit < 0):
        return f"limit {limit!r} is not a whole number of 0 or more"
    return _time_problem(body)


def _time_problem(body: dict[str, Any]) -> str | None:
    duration, until = body.get("duration_seconds"), body.get("until")
    if duration is not None and (type(duration) not in (int, float) or abs(duration) > 1e10):
        return f"duration_seconds {duration!r} is not a number of seconds"
    if until is None or (type(until) is int and 0 <= until < 2**62):
        return None
    try:
        if isinstance(until, str) and datetime.fromisoformat(until).tzinfo is not None:
            return None
    except ValueError:
        pass
    return f"until {until!r} is neither a time in ISO 8601 with a zone nor UTC ns"
