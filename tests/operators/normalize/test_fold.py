"""Several messages of one symbol inside one cycle become one row (spec 2, "Cycles", price precedence)."""

from __future__ import annotations

import math
from typing import Any

import pytest

from operators.frames import GroupFrame
from tests.operators.normalize.logs import (
    MINUTE,
    SECOND,
    START,
    GroupRun,
    bar,
    blocks,
    plan_of,
    quote,
    record,
    run_group,
    tick,
)
from tests.operators.normalize.logs import trade as traded

T1 = START + MINUTE
PLAN = plan_of("A", intervals=["30s", "1m"])


def folded(*messages: dict[str, Any]) -> GroupFrame:
    """The frame of the one cycle that ``messages`` and a tick make."""
    run = GroupRun(PLAN)
    (block,) = blocks([record(m) for m in (*messages, tick(T1))], [])
    (frame,) = run.step.step(run.decoder.decode(block))[0]
    return frame


def price(*messages: dict[str, Any]) -> tuple[float, float, float]:
    """Open, close and volume of the cycle."""
    frame = folded(*messages)
    return float(frame.open[0, 0]), float(frame.close[0, 0]), float(frame.volume[0, 0])


def test_a_bar_goes_before_a_quote_and_a_quote_before_trades() -> None:
    quoted, sold = quote("A", T1, 9, 11), traded("A", T1, 7, 2)
    assert price(sold, quoted, bar("A", T1, 100, interval="1m")) == (100, 100, 10)
    assert price(sold, quoted) == (7, 10, 2)
    assert price(quoted)[:2] == (10, 10)
    assert price(sold) == (7, 7, 2)


def test_the_shortest_interval_is_the_price() -> None:
    short, long = bar("A", T1, 50, interval="30s"), bar("A", T1, 60, interval="1m")
    assert price(short, long)[1] == price(long, short)[1] == 50


def test_the_last_quote_counts_whatever_the_order_in_the_log() -> None:
    first, last = quote("A", T1 - 2, 9, 11), quote("A", T1 - 1, 19, 21)
    assert price(first, last)[1] == price(last, first)[1] == 20


def test_a_corrected_quote_counts_by_its_sequence_number() -> None:
    old, new = quote("A", T1, 9, 11, seq=1), quote("A", T1, 19, 21, seq=2)
    assert price(old, new)[1] == price(new, old)[1] == 20


def test_trades_are_weighted_by_their_size() -> None:
    trades = [traded("A", T1 - 3, 10, 1), traded("A", T1 - 2, 20, 3), traded("A", T1 - 2, 40, 1, seq=1)]
    assert price(*trades) == (10, pytest.approx(110 / 5), 5)


def test_trades_without_size_leave_the_first_price() -> None:
    assert price(traded("A", T1 - 2, 10, 0), traded("A", T1 - 1, 20, 0)) == (10, 10, 0)


def test_short_bars_merge_in_order_of_event_time() -> None:
    first = bar("A", T1 - 30 * SECOND, 10, high=30, low=5, interval="30s", volume=1)
    last = bar("A", T1, 20, high=25, low=2, interval="30s", volume=2)
    patient = plan_of("A", intervals=["30s"], time={"cycle_seconds": 60, "allowed_lateness_seconds": 60})
    for order in ((first, last), (last, first)):
        (row,) = run_group(patient, [*order, tick(T1)]).cycles
        assert row[3:6] == ([10.0], [20.0], [3.0])


def test_a_corrected_short_bar_does_not_count_twice() -> None:
    log = [
        bar("A", T1 - 30 * SECOND, 10, interval="30s", volume=1),
        bar("A", T1 - 30 * SECOND, 12, interval="30s", volume=4, seq=1),
        bar("A", T1, 20, interval="30s", volume=2),
        bar("A", T1, 20, interval="1m"),
    ]
    assert price(*log) == (12, 20, 6)


def test_absent_volume_stays_absent() -> None:
    assert math.isnan(price(bar("A", T1, 10, interval="1m", volume=None))[2])


def test_prices_that_are_finite_make_a_price_that_is_finite() -> None:
    """Price times size, and bid plus ask, once overflowed to an infinite price of good messages."""
    assert price(traded("A", T1, 1e300, 1e300))[1] == 1e300
    assert price(quote("A", T1, 1.6e308, 1.7e308))[1] == pytest.approx(1.65e308)


def test_offsets_name_the_first_and_last_message_of_the_cycle() -> None:
    frame = folded(quote("A", T1 - 2, 9, 11), quote("A", T1 - 1, 9, 11), bar("A", T1, interval="1m"))
    assert (frame.first_offset.tolist(), frame.last_offset.tolist()) == ([0], [2])
