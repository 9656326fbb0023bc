"""Bar intervals: "1m", "4h", "1d", "1w" and their lengths."""

from __future__ import annotations

import re

from flows.errors import InvalidInput

NS = 1_000_000_000
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def interval_seconds(interval: str) -> int:
    """Length of an interval such as "1h" in seconds; raises InvalidInput for anything else."""
    match = re.fullmatch(r"([1-9]\d{0,7})([smhdw])", interval)
    if match is None:
        raise InvalidInput(f"interval {interval!r} is unknown; write a number and s, m, h, d or w, such as 1h")
    return int(match[1]) * _SECONDS[match[2]]


def interval_name(seconds: int) -> str:
    """The shortest name of a length in whole seconds: 3600 is "1h", 5400 is "90m"."""
    for unit in ("w", "d", "h", "m"):
        if seconds % _SECONDS[unit] == 0:
            return f"{seconds // _SECONDS[unit]}{unit}"
    return f"{seconds}s"
