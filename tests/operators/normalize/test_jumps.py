"""Event times that jump ahead (design, "Bad clocks"): one wrong year must not close a decade."""

from __future__ import annotations

from typing import Any

import pytest

from tests.operators.normalize.logs import DAY, MINUTE, SECOND, START, bar, plan_of, record, run_group, tick

T1, T2 = START + MINUTE, START + 2 * MINUTE
YEAR = 365 * DAY
PLAN = plan_of("AB", time={"cycle_seconds": 60, "jump_confirmations": 100})


def minutes(first: int, count: int, *, after: int = 0) -> list[dict[str, Any]]:
    """Bars of A and B for ``count`` minutes."""
    return [bar(s, START + after + (first + n) * MINUTE, 100 + n) for n in range(count) for s in "AB"]


def test_an_event_far_ahead_of_its_record_is_refused() -> None:
    wrong = record(bar("A", T1 + 60 * SECOND + 1), timestamp=T1)
    right = record(bar("A", T1 + 60 * SECOND), timestamp=T1)
    assert run_group(PLAN, [wrong, right]).reasons() == [(0, "INPUT_FUTURE")]
    assert run_group(PLAN, [record(tick(T1 + 61 * SECOND), timestamp=T1)]).reasons() == [(0, "INPUT_FUTURE")]


def test_the_first_message_of_a_partition_is_no_jump() -> None:
    assert list(run_group(PLAN, [bar("A", T1 + YEAR), bar("B", T1 + YEAR)]).closes()) == [T1 + YEAR]


def test_the_longest_jump_that_is_allowed_is_not_held() -> None:
    log = [*minutes(1, 1), bar("A", T1 + 30 * DAY), bar("B", T1 + 30 * DAY)]
    assert list(run_group(PLAN, log).closes()) == [T1, T1 + 30 * DAY]


def test_one_wrong_year_closes_nothing_and_is_refused_after_a_hundred_messages() -> None:
    log = [*minutes(1, 1), bar("A", T1 + YEAR), *minutes(2, 50)]
    outcome = run_group(PLAN, log)
    assert outcome.reasons() == [(2, "INPUT_TIME_JUMP")]
    assert outcome.closed_to == START + 51 * MINUTE and len(outcome.cycles) == 51
    assert run_group(PLAN, log[:-1]).letters == []


def test_the_letter_carries_the_held_message() -> None:
    wrong = record(bar("A", T1 + YEAR), timestamp=T1 + YEAR)
    log = [*minutes(1, 1), wrong, *minutes(2, 50)]
    for cuts in ([], [3], range(len(log))):
        (letter,) = run_group(PLAN, log, cuts).letters
        assert (letter.offset, letter.timestamp, letter.payload) == (2, T1 + YEAR, wrong.payload)


def test_another_message_that_jumps_as_far_confirms() -> None:
    log = [*minutes(1, 1), *minutes(1, 1, after=YEAR)]
    assert list(run_group(PLAN, log).closes()) == [T1, T1 + YEAR]


def test_the_same_message_sent_twice_confirms_nothing() -> None:
    """A producer that repeats what it sent once confirmed its own wrong year."""
    wrong = bar("A", T1 + YEAR)
    log = [*minutes(1, 1), wrong, wrong, *minutes(2, 50)]
    outcome = run_group(PLAN, log)
    assert outcome.reasons() == [(2, "INPUT_TIME_JUMP"), (3, "INPUT_TIME_JUMP")]
    assert outcome.closed_to == START + 51 * MINUTE


def test_another_message_that_jumps_elsewhere_confirms_nothing() -> None:
    log = [*minutes(1, 1), bar("A", T1 + YEAR), bar("B", T1 + 2 * YEAR)]
    assert run_group(PLAN, log).closed_to == T1


def test_a_tick_that_reaches_it_confirms() -> None:
    log = [*minutes(1, 1), bar("A", T1 + YEAR), tick(T1 + YEAR)]
    assert run_group(PLAN, log).closes() == {T1: [100, 100], T1 + YEAR: [100, None]}


def test_a_tick_that_does_not_reach_it_confirms_nothing() -> None:
    """A wrong time 31 days ahead was once let through by the tick of the next day."""
    log = [*minutes(1, 1), bar("A", T1 + 31 * DAY), tick(T1 + 2 * DAY)]
    assert run_group(PLAN, log).closed_to == T1 + 2 * DAY


def test_time_that_gets_there_step_by_step_confirms() -> None:
    """Event time that reached a held message without a jump once left it to be refused."""
    log = [*minutes(1, 1), bar("A", T1 + 31 * DAY), *minutes(1, 1, after=20 * DAY), bar("B", T1 + 31 * DAY)]
    outcome = run_group(PLAN, log)
    assert outcome.letters == [] and outcome.closes()[T1 + 31 * DAY] == [100, 100]


def test_a_released_message_that_is_late_keeps_its_own_payload() -> None:
    """Its place in a block that was gone once picked another message's bytes, or none and the flow fell over."""
    far, near = record(bar("A", T1 + 140 * DAY)), record(bar("A", T1 + 100 * DAY))
    log = [*map(record, minutes(1, 1)), far, near, record(bar("B", T1 + 120 * DAY))]
    for cuts in ([], [3], [4], range(len(log))):
        outcome = run_group(PLAN, log, cuts)
        assert [(x.offset, x.reason, x.payload) for x in outcome.letters] == [
            (3, "INPUT_LATE", near.payload),
            (4, "INPUT_LATE", log[4].payload),
        ]


@pytest.mark.parametrize("cut", range(7))
def test_refusals_keep_the_order_in_which_they_were_judged(cut: int) -> None:
    plan = plan_of("AB", time={"cycle_seconds": 60, "jump_confirmations": 3})
    log = [*minutes(1, 1), bar("A", T1 + YEAR), b"{", *minutes(2, 1), b"{", bar("A", T2 + MINUTE)]
    expected = [(3, "INPUT_NOT_JSON"), (6, "INPUT_NOT_JSON"), (2, "INPUT_TIME_JUMP")]
    assert run_group(plan, log, [cut]).reasons() == expected


def test_held_messages_are_bounded() -> None:
    plan = plan_of("AB", time={"cycle_seconds": 60, "jump_confirmations": 5})
    leaps = [bar("A", T1 + n * YEAR) for n in range(1, 60)]
    outcome = run_group(plan, [*minutes(1, 1), *leaps])
    assert len(outcome.letters) == 59 - 5
