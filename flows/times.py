"""Times and durations as operators write them: ``30m``, ``2h``, ``3600``, ISO 8601."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from flows.errors import InvalidInput
from schemas.configuration.signals import utc_nanoseconds
from schemas.control import LATEST, LONGEST_SECONDS

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw]?)")
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def duration_seconds(text: str) -> float:
    """Seconds of ``90``, ``90s``, ``30m``, ``2h``, ``1.5d`` or ``1w``; raises InvalidInput."""
    match = _DURATION.fullmatch(text.strip().lower())
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if not 0 < seconds <= LONGEST_SECONDS:
        raise InvalidInput(f"duration {text!r}: write a number with s, m, h, d or w, such as 30m, 2h or 3600")
    return seconds


def moment(text: str) -> int:
    """UTC ns of a time in ISO 8601; one without a zone is UTC. Raises InvalidInput."""
    try:
        given = datetime.fromisoformat(text.strip())
        found = utc_nanoseconds(given if given.tzinfo is not None else given.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise InvalidInput(f"time {text!r}: write it in ISO 8601, such as 2026-11-21T12:00:00Z") from None
    if not 0 <= found <= LATEST:
        raise InvalidInput(f"time {text!r} is out of range: from 1970 to 2116")
    return found
