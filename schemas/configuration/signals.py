"""What holds signals back: time windows, suspensions and limits (spec 3, "Schedules", "Signal limits",
"Suspensions")."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, model_validator

from schemas.configuration.base import NANOSECONDS, Section, Slug

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_nanoseconds(moment: datetime) -> int:
    """UTC ns of a moment that names its zone, exact to the microsecond."""
    since = moment - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000


class TimeWindow(Section):
    """Daily hours in UTC, [``start``, ``end``), in which a schedule may take new risk; an end before the start lies on
    the next day. ``days`` are those on which a window begins."""

    start: time
    end: time
    days: Annotated[list[Weekday], Field(min_length=1)] = list(WEEKDAYS)

    @model_validator(mode="after")
    def _hours(self) -> TimeWindow:
        if self.start == self.end:
            raise ValueError("window: start and end are the same; leave the window out for the whole day")
        if self.start.tzinfo is not None or self.end.tzinfo is not None:
            raise ValueError("window: times are UTC and name no zone")
        return self


class _Timed(Section):
    """In force until ``until``, which wins over ``duration_seconds``; with neither, or a duration of 0 or less, until
    it is lifted."""

    reason: str = ""
    until: AwareDatetime | None = None
    duration_seconds: float | None = None

    def until_ns(self, start: int) -> int | None:
        """End in UTC ns of what begins at ``start``; None: until it is lifted."""
        if self.until is not None:
            return utc_nanoseconds(self.until)
        if self.duration_seconds is None or self.duration_seconds <= 0:
            return None
        return start + round(self.duration_seconds * NANOSECONDS)


class InitialSuspension(_Timed):
    """A schedule, or every schedule with a tag, that begins suspended."""

    schedule: Slug | None = None
    tag: Slug | None = None

    @model_validator(mode="after")
    def _one_target(self) -> InitialSuspension:
        if (self.schedule is None) == (self.tag is None):
            raise ValueError("initial_suspensions: name either a schedule or a tag")
        return self

    @property
    def scope(self) -> Literal["schedule", "tag"]:
        """What it suspends."""
        return "tag" if self.schedule is None else "schedule"

    @property
    def name(self) -> str:
        """The schedule's id, or the tag."""
        return self.schedule or self.tag or ""


class InitialSignalLimit(_Timed):
    """An override of ``max_signals`` for a strategy (its type) and risk profile that holds from the start."""

    strategy: str
    risk_profile: Slug
    limit: Annotated[int, Field(ge=0)]
