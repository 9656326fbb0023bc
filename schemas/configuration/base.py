"""What every section of the configuration shares."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_INTERVAL = re.compile(r"([1-9][0-9]*)([smhdw])")
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

NANOSECONDS = 1_000_000_000


class Section(BaseModel):
    """A frozen section; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)


def _slug(value: str) -> str:
    if not _SLUG.fullmatch(value):
        raise ValueError("use letters, digits, '_', '-' and '.', starting with a letter or digit")
    return value


def interval_nanoseconds(interval: str) -> int:
    """Length of an interval such as ``15s``, ``1m``, ``4h``, ``1d``, ``1w`` in ns; raises ValueError for others."""
    match = _INTERVAL.fullmatch(interval)
    if match is None:
        raise ValueError(f"interval {interval!r} is not a number followed by s, m, h, d or w, such as 15m")
    return int(match[1]) * _UNIT_SECONDS[match[2]] * NANOSECONDS


def _interval(value: str) -> str:
    interval_nanoseconds(value)
    return value


Slug = Annotated[str, AfterValidator(_slug), Field(max_length=64)]
Interval = Annotated[str, AfterValidator(_interval)]
SymbolName = Annotated[str, Field(min_length=1, max_length=64)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
UnitFraction = Annotated[float, Field(ge=0, le=1)]


def seconds_to_nanoseconds(seconds: float) -> int:
    """Seconds from the configuration as whole ns."""
    return round(seconds * NANOSECONDS)
