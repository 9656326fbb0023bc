"""When a market cycle closes, and what is late for it (design, "Closing a market cycle", "Watermark")."""

from __future__ import annotations

import pytest

from operators.contiguity import ContiguityError, SnapshotError
from operators.frames import RecordBlock
from operators.normalize.group_step import GroupStep
from tests.operators.normalize.logs import (
    DAY,
    HOUR,
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

T1, T2, T3 = START + MINUTE, START + 2 * MINUTE, START + 3 * MINUTE


def test_a_cycle_closes_with_the_last_expected_final_bar() -> None:
    assert run_group(plan_of(), [bar("A", T1)]).cycles == []
    assert list(run_group(plan_of(), [bar("A", T1), bar("B", T1)]).closes()) == [T1]


def test_the_end_of_the_log_closes_nothing() -> None:
    assert list(run_group(plan_of(), [bar("A", T1), bar("B", T1), bar("A", T2)]).closes()) == [T1]


def test_by_watermark_a_complete_cycle_waits_all_the_same() -> None:
    plan = plan_of(topics={"market": {"partitions": 1, "close_on": "watermark"}})
    complete = [bar("A", T1), bar("B", T1)]
    assert run_group(plan, complete).cycles == []
    assert list(run_group(plan, [*complete, tick(T1)]).closes()) == [T1]


def test_the_watermark_passes_a_cycle_with_a_message_later_than_its_end_plus_the_lateness() -> None:
    plan = plan_of(intervals=["1m"], time={"cycle_seconds": 60, "allowed_lateness_seconds": 5})
    at = [bar("A", T1), quote("A", T1 + 5 * SECOND, 99, 101)]
    beyond = [bar("A", T1), quote("A", T1 + 5 * SECOND + 1, 99, 101)]
    assert run_group(plan, at).cycles == []
    assert list(run_group(plan, beyond).closes()) == [T1]


def test_a_tick_closes_at_its_own_time_without_lateness() -> None:
    assert run_group(plan_of(), [bar("A", T1), tick(T1 - 1)]).cycles == []
    assert list(run_group(plan_of(), [bar("A", T1), tick(T1)]).closes()) == [T1]


def test_an_event_belongs_to_the_smallest_border_at_or_after_it() -> None:
    outcome = run_group(plan_of("A"), [quote("A", T1, 9, 11), quote("A", T1 + 1, 19, 21), tick(T2)])
    assert outcome.closes() == {T1: [10.0], T2: [20.0]}


def test_a_bar_that_still_forms_neither_closes_nor_moves_time() -> None:
    forming = [bar("A", T1), bar("B", T1, final=False), bar("B", T1 + HOUR, final=False)]
    outcome = run_group(plan_of(), forming)
    assert (outcome.cycles, outcome.letters) == ([], [])
    assert outcome.closed_to == START, "only what lies before the first message"


def test_a_bar_that_still_forms_may_carry_a_close_that_lies_ahead_of_its_record() -> None:
    forming = record(bar("A", T1 + HOUR, final=False), timestamp=T1)
    assert run_group(plan_of(), [forming]).letters == []


def test_out_of_order_within_the_lateness_is_reordered() -> None:
    log = [quote("A", T1 - 10 * SECOND, 9, 11), quote("A", T1 - 13 * SECOND, 99, 101), tick(T1)]
    outcome = run_group(plan_of("A"), log)
    assert outcome.closes() == {T1: [10.0]} and outcome.letters == []


def test_later_than_the_lateness_is_a_dead_letter_though_the_cycle_is_open() -> None:
    log = [quote("A", T1 - 10 * SECOND, 9, 11), quote("A", T1 - 16 * SECOND, 99, 101), tick(T1)]
    outcome = run_group(plan_of("A"), log)
    assert outcome.reasons() == [(1, "INPUT_LATE")] and outcome.closes() == {T1: [10.0]}


def test_the_lateness_itself_is_not_late() -> None:
    log = [quote("A", T1 - 10 * SECOND, 9, 11), quote("B", T1 - 15 * SECOND, 99, 101), tick(T1)]
    assert run_group(plan_of(), log).letters == []


def test_what_comes_at_or_before_a_tick_is_late_though_its_cycle_is_open() -> None:
    half = START + 30 * SECOND
    log = [tick(half), quote("A", half, 99, 101), quote("A", half + 1, 9, 11), tick(T1)]
    outcome = run_group(plan_of("A"), log)
    assert outcome.reasons() == [(1, "INPUT_LATE")] and outcome.closes() == {T1: [10.0]}


def test_what_comes_after_its_cycle_was_complete_is_late_within_the_lateness_too() -> None:
    outcome = run_group(plan_of(), [bar("A", T1), bar("B", T1), quote("A", T1 - 1, 9, 11)])
    assert outcome.reasons() == [(2, "INPUT_LATE")]


def test_a_late_letter_carries_position_and_raw_bytes() -> None:
    late = record(bar("A", T1), timestamp=T3)
    outcome = run_group(plan_of(), [bar("A", T2), tick(T2), late])
    (letter,) = outcome.letters
    assert (letter.topic, letter.partition, letter.offset, letter.timestamp) == ("market", 0, 2, T3)
    assert letter.payload == late.payload and str(T1) in letter.error


def test_a_duplicate_is_dropped_silently() -> None:
    outcome = run_group(plan_of(), [bar("A", T1), bar("A", T1, close=50), bar("B", T1)])
    assert outcome.closes() == {T1: [100.0, 100.0]} and outcome.letters == []


def test_a_duplicate_among_events_out_of_order_is_found_too() -> None:
    early, last = quote("A", T1 - 3, 9, 11), quote("A", T1 - 1, 19, 21)
    log = [early, last, quote("A", T1 - 2, 29, 31), early, tick(T1)]
    outcome = run_group(plan_of("A", quality={"minimum": 3, "duplicate_rate": 0.2}), log)
    assert outcome.letters == [] and outcome.degraded() == {T1: [True]}


def test_a_correction_replaces_the_bar_and_an_older_one_does_not() -> None:
    log = [bar("A", T1, 10, seq=1), bar("A", T1, 20, seq=3), bar("A", T1, 30, seq=2), bar("B", T1)]
    assert run_group(plan_of(), log).closes() == {T1: [20.0, 100.0]}


def test_a_correction_of_a_closed_cycle_is_late() -> None:
    log = [bar("A", T1), bar("B", T1), bar("A", T1, 50, seq=1)]
    assert run_group(plan_of(), log).reasons() == [(2, "INPUT_LATE")]


def test_a_repetition_of_a_closed_bar_is_the_same_for_every_cut() -> None:
    """Which closed rows were still at hand once depended on the block: a duplicate here, a late message there."""
    log = [bar("A", T1), bar("B", T1), bar("A", T2), bar("A", T1), bar("B", T2)]
    for cut in range(len(log)):
        assert run_group(plan_of(), log, [cut]).reasons() == [(3, "INPUT_LATE")]


def test_a_gap_of_one_symbol_is_closed_by_the_watermark() -> None:
    log = [bar("A", T1), bar("B", T1), bar("A", T2), bar("A", T3), bar("B", T3)]
    assert run_group(plan_of(), log).closes() == {T1: [100, 100], T2: [100, None], T3: [100, 100]}


def test_a_symbol_counts_from_its_listing_to_its_end() -> None:
    listing = {"B": {"listed_from": T2, "listed_until": T2}}
    log = [bar("A", T1), bar("A", T2), bar("B", T2), bar("A", T3)]
    outcome = run_group(plan_of(instruments=listing), log)
    assert list(outcome.closes()) == [T1, T2, T3], "T1 and T3 wait for A alone"
    assert list(run_group(plan_of(instruments=listing), log[:2]).closes()) == [T1]


def test_a_longer_bar_counts_in_the_cycle_in_which_it_closes() -> None:
    plan = plan_of("A", intervals=["1m", "5m"])
    log = [bar("A", START + n * MINUTE, 100 + n, interval="1m") for n in range(1, 6)]
    assert list(run_group(plan, log).closes()) == [START + n * MINUTE for n in range(1, 5)], "the fifth waits for 5m"
    closed = run_group(plan, [*log, bar("A", START + 5 * MINUTE, 77, interval="5m")])
    assert closed.closes()[START + 5 * MINUTE] == [105.0], "the shortest bar is the price"


def test_bars_shorter_than_the_cycle_merge_and_the_last_one_completes() -> None:
    plan = plan_of("A", intervals=["15s"])
    log = [
        bar("A", START + n * 15 * SECOND, 10.0 * n, high=10 * n + 3, low=10 * n - 3, interval="15s") for n in (1, 2, 4)
    ]
    assert run_group(plan, log[:2]).cycles == []
    (row,) = run_group(plan, log).cycles
    assert (row[0], row[3], row[4], row[5]) == (T1, [10.0], [40.0], [30.0])


def test_a_bar_of_an_interval_that_nobody_uses_only_moves_the_watermark() -> None:
    outcome = run_group(plan_of("A"), [bar("A", T1, 10), bar("A", T2, 50, interval="30s")])
    assert outcome.closes() == {T1: [10.0]} and outcome.letters == []


def test_a_week_ends_on_monday() -> None:
    plan = plan_of("A", intervals=["1d", "1w"], time={"cycle_seconds": 86_400})
    days = [bar("A", START + n * DAY, interval="1d") for n in range(1, 8)]
    assert list(run_group(plan, days).closes()) == [START + n * DAY for n in range(1, 7)]
    week = bar("A", START + 7 * DAY, interval="1w")
    assert list(run_group(plan, [*days, week]).closes())[-1] == START + 7 * DAY


def test_empty_cycles_travel_as_one_range() -> None:
    run = GroupRun(plan_of())
    (before, jump) = blocks([record(bar("A", T1)), record(bar("B", T1)), record(tick(T1 + DAY))], [2])
    run.feed(before)
    frames, _ = run.step.step(run.decoder.decode(jump))
    (frame,) = frames
    assert (frame.after_cycle, frame.to_cycle, len(frame.cycles)) == (T1, T1 + DAY, 0)


def test_a_block_that_does_not_follow_stops_the_flow() -> None:
    run = GroupRun(plan_of())
    first, second = blocks([record(bar("A", T1)), record(bar("B", T1))], [1])
    run.feed(first)
    run.feed(RecordBlock.beat("market", 0, 1))
    with pytest.raises(ContiguityError, match="expected 1, found 0"):
        run.feed(first)
    run.feed(second)


def test_a_snapshot_of_another_layout_is_refused() -> None:
    saved = GroupStep(plan_of(), 0).snapshot()
    with pytest.raises(SnapshotError, match="symbols"):
        GroupStep(plan_of("AC"), 0).restore(saved)
    with pytest.raises(SnapshotError, match="version 99"):
        GroupStep(plan_of(), 0).restore({**saved, "version": 99})


def test_the_greatest_event_time_overflows_nothing() -> None:
    end = 2**62
    outcome = run_group(plan_of("A"), [bar("A", T1), tick(end)])
    assert outcome.closes() == {T1: [100.0]} and outcome.closed_to == end // MINUTE * MINUTE


def test_more_closings_in_a_block_than_one_pass_writes_lose_no_flaw() -> None:
    """A pass that was full once skipped the quality flaws between the row it stopped at and the one before."""
    plan = plan_of("A", quality={"minimum": 1, "window": 20_000, "schema_rate": 0.0})
    good = [bar("A", START + n * MINUTE) for n in range(1, 1030)]
    for place in (1023, 1024, 1025):
        log = [*good[:place], bar("A", START, low=200), *good[place:]]
        whole, cut = run_group(plan, log), run_group(plan, log, [place])
        assert whole.degraded() == cut.degraded()
        assert sum(v == [True] for v in whole.degraded().values()) == 1029 - place
