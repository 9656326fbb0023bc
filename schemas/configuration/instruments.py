"""Reference data: instruments and the session calendars that say when a bar is expected (spec 1, 2)."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field, model_validator

from schemas.configuration.base import Interval, NonNegativeFloat, PositiveFloat, Section, Slug, SymbolName


class Instrument(Section):
    """One tradable (or quoted) symbol.

    ``tick`` is the price step, ``lot`` the quantity step, ``fee_rate`` a fraction of the notional per side.
    ``listed_from``/``listed_until`` are UTC ns of the first and last bar close that may be expected.
    """

    symbol: SymbolName
    venue: str = ""
    asset_class: str = ""
    sector: str = ""
    cluster: str = ""
    currency: str = ""
    contract_multiplier: PositiveFloat = 1.0
    tick: PositiveFloat = 0.01
    lot: PositiveFloat = 1.0
    min_notional: NonNegativeFloat = 0.0
    fee_rate: NonNegativeFloat = 0.0
    shortable: bool = True
    participation: bool = True
    calendar: Slug = "always"
    interval: Interval | None = None
    listed_from: int | None = None
    listed_until: int | None = None

    @model_validator(mode="after")
    def _listing_order(self) -> Instrument:
        if self.listed_from is not None and self.listed_until is not None and self.listed_until < self.listed_from:
            raise ValueError(f"{self.symbol}: listed_until lies before listed_from")
        return self


class Session(Section):
    """A weekly window in UTC minutes since Monday 00:00: a bar that closes in (start, end] is expected."""

    start_minute: Annotated[int, Field(ge=0, le=10_080)]
    end_minute: Annotated[int, Field(gt=0, le=10_080)]

    @model_validator(mode="after")
    def _order(self) -> Session:
        if self.end_minute <= self.start_minute:
            raise ValueError("end_minute must come after start_minute")
        return self


class Calendar(Section):
    """When a market is open. ``holidays`` are UTC dates of bar closes on which nothing is expected."""

    sessions: list[Session]
    holidays: list[date] = []


#: Calendars that need no definition. A cycle that ends at midnight closes the day before it.
BUILT_IN_CALENDARS = {
    "always": Calendar(sessions=[Session(start_minute=0, end_minute=10_080)]),
    "weekdays": Calendar(sessions=[Session(start_minute=0, end_minute=7_200)]),
}
