"""What reference data tells a strategy when it is built: fees, and how many bars a year has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from operators.strategy_evaluate.strategy import Market
from schemas.configuration.instruments import Calendar, Instrument

_DAY_NS = 86_400_000_000_000
_WEEK_MINUTES = 10_080
#: Trading days a year of a market that closes at week-ends, and of one that never does.
_SESSION_DAYS, _ALL_DAYS = 252.0, 365.0
_DAYS_A_WEEK = 5.0


def market_of(instruments: Sequence[Instrument], calendars: Mapping[str, Calendar], interval_ns: int) -> Market:
    """Reference data of a schedule's ``instruments``, in their order, for bars of ``interval_ns``."""
    return Market(
        symbols=tuple(i.symbol for i in instruments),
        fee_rate=tuple(i.fee_rate for i in instruments),
        bars_per_year=tuple(bars_per_year(calendars[i.calendar], interval_ns) for i in instruments),
    )


def bars_per_year(calendar: Calendar, interval_ns: int) -> float:
    """Bars of one interval in a year of a calendar: 365 open days, or 252 sessions of a market that closes.

    A session has at least one bar; an interval of several days counts for its length.
    """
    open_minutes = sum(s.end_minute - s.start_minute for s in calendar.sessions)
    if open_minutes >= _WEEK_MINUTES:
        return _ALL_DAYS * _DAY_NS / interval_ns
    session_ns = open_minutes / _DAYS_A_WEEK * 60e9
    a_session = max(1.0, session_ns / interval_ns) if interval_ns <= _DAY_NS else _DAY_NS / interval_ns
    return _SESSION_DAYS * a_session
