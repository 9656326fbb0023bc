"""Who is expected in a cycle: sessions, holidays, listing dates and intervals (design, "Closing a market cycle")."""

from __future__ import annotations

from typing import Any

import pytest

from operators.normalize.calendar import count_expected, expectations
from operators.plan import compile_plan
from operators.strategy_evaluate.registry import default_registry
from schemas.configuration import parse_configuration
from tests.operators.normalize.logs import DAY, HOUR, MINUTE, START, bar, plan_of, run_group

STOCKS = {
    "sessions": [{"start_minute": day * 1440 + 13 * 60 + 30, "end_minute": day * 1440 + 20 * 60} for day in range(5)],
    "holidays": ["2024-01-01"],
}


def expected(cycle: int, *, cycle_seconds: int = 60, interval: str = "1m", **instrument: Any) -> bool:
    """Whether A is expected in ``cycle``."""
    plan = plan_of(
        "A",
        intervals=[interval],
        instruments={"A": {"calendar": "stocks", **instrument}},
        calendars={"stocks": STOCKS},
        time={"cycle_seconds": cycle_seconds},
    )
    return count_expected(expectations(plan, 0), cycle) == 1


TUESDAY = START + DAY
OPEN, CLOSE = TUESDAY + 13 * HOUR + 30 * MINUTE, TUESDAY + 20 * HOUR


def test_bars_close_after_the_open_and_up_to_the_close() -> None:
    assert not expected(OPEN) and expected(OPEN + MINUTE)
    assert expected(CLOSE) and not expected(CLOSE + MINUTE)


@pytest.mark.parametrize("day", [4, 5])
def test_nothing_is_expected_on_a_weekend(day: int) -> None:
    assert not expected(TUESDAY + day * DAY + 15 * HOUR)


def test_nothing_is_expected_on_a_holiday() -> None:
    assert not expected(START + 15 * HOUR) and expected(START + 7 * DAY + 15 * HOUR)


def test_a_cycle_longer_than_a_minute_is_open_when_any_of_it_is() -> None:
    """Only the cycle's border was looked at: an hour that the close cuts short, and a day, were never waited for."""
    assert expected(TUESDAY + 14 * HOUR, cycle_seconds=3600, interval="30m")
    assert not expected(TUESDAY + 13 * HOUR, cycle_seconds=3600, interval="30m")
    assert expected(TUESDAY + 20 * HOUR, cycle_seconds=3600, interval="30m")
    assert not expected(TUESDAY + 21 * HOUR, cycle_seconds=3600, interval="30m")
    assert expected(TUESDAY + DAY, cycle_seconds=86_400, interval="1d")
    assert not expected(START + 6 * DAY, cycle_seconds=86_400, interval="1d"), "a Saturday"
    assert not expected(START + DAY, cycle_seconds=86_400, interval="1d"), "the holiday"


def test_midnight_closes_the_day_before_it() -> None:
    weekdays = {"calendar": "weekdays"}
    assert expected(START + 5 * DAY, cycle_seconds=86_400, interval="1d", **weekdays), "Friday"
    assert not expected(START + 6 * DAY, cycle_seconds=86_400, interval="1d", **weekdays)
    assert not expected(START + 7 * DAY, cycle_seconds=86_400, interval="1d", **weekdays)


def test_a_closed_market_does_not_hold_up_an_open_one() -> None:
    calendars = {"A": {"calendar": "stocks"}}
    plan = plan_of("AB", instruments=calendars, calendars={"stocks": STOCKS})
    night = [bar("B", TUESDAY + n * MINUTE) for n in (1, 2, 3)]
    assert len(run_group(plan, night).cycles) == 3
    day = [bar("B", OPEN + n * MINUTE) for n in (1, 2)]
    assert list(run_group(plan, [*night, *day]).closes()) == [TUESDAY + n * MINUTE for n in (1, 2, 3)] + [OPEN + MINUTE]


def test_only_the_border_of_an_interval_waits_for_its_bar() -> None:
    always = {"calendar": "always"}
    hours = [START + n * HOUR for n in range(1, 9)]
    waits = [expected(h, cycle_seconds=3600, interval="4h", **always) for h in hours]
    assert waits == [False, False, False, True] * 2


def test_a_symbol_that_only_converts_a_currency_reports_its_own_interval() -> None:
    schedules = [{"id": i, "strategy": "sma_cross", "interval": i, "symbols": ["A"]} for i in ("1m", "5m")]
    document = {
        "time": {"cycle_seconds": 60},
        "topics": {"market": {"partitions": 1}},
        "instruments": [{"symbol": "A", "interval": "1m"}, {"symbol": "X", "interval": "5m"}],
        "portfolios": [{"id": "p", "conversions": {"EUR": "X"}, "pods": [{"id": "pod", "schedules": schedules}]}],
    }
    plan = compile_plan(parse_configuration(document), default_registry())
    assert expectations(plan, 0).uses.tolist() == [[True, False], [True, True]]
