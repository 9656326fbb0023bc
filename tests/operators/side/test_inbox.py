"""In which cycle a side message applies, and in which order (design, "Side topics")."""

from __future__ import annotations

import pytest

from operators.frames import SideFrame, SideMessage
from operators.side.inbox import SideInbox, side_partitions
from tests.operators.normalize.logs import MINUTE, SECOND, START, plan_of


def inbox(side_lag: float = 1.0) -> SideInbox:
    """An inbox for cycles of a minute."""
    return SideInbox(plan_of("A", time={"cycle_seconds": 60, "side_lag_seconds": side_lag}))


def message(effective: int, topic: str = "control", partition: int = 0, offset: int = 0) -> SideMessage:
    """A message that says nothing."""
    return SideMessage(effective, topic, partition, offset, False, None)


def frame(passed: int, *messages: SideMessage) -> SideFrame:
    """A frame of control partition 0."""
    return SideFrame("control", 0, 1, passed, list(messages))


@pytest.mark.parametrize(("lag", "last"), [(0.0, START + MINUTE), (1.0, START + 59 * SECOND)])
def test_a_message_applies_in_the_first_cycle_that_ends_a_side_lag_after_it(lag: float, last: int) -> None:
    box = inbox(lag)
    assert box.cycle_of(message(last)) == START + MINUTE
    assert box.cycle_of(message(last + 1)) == START + 2 * MINUTE


@pytest.mark.parametrize("lag", [0.0, 1.0, 60.0, 3600.0])
def test_no_message_can_come_for_a_cycle_that_its_partition_has_closed(lag: float) -> None:
    box = inbox(lag)
    for passed in (START - 1, START, START + 1, START + 59 * SECOND, START + 59 * SECOND - 1):
        assert box.closed_to(frame(passed)) < box.cycle_of(message(passed + 1))
        assert box.closed_to(frame(passed)) + MINUTE - round(lag * SECOND) > passed, "and it closes all it can"


def test_control_goes_before_fills_overlay_and_signals_then_time_partition_offset() -> None:
    expected = [
        message(START + 9, "control", 0, 1),
        message(START + 1, "fills", 0, 7),
        message(START + 3, "overlay", 0, 0),
        message(START + 1, "signals", 1, 5),
        message(START + 2, "signals", 0, 4),
        message(START + 2, "signals", 0, 9),
        message(START + 2, "signals", 1, 1),
    ]
    for order in (expected, expected[::-1], expected[3:] + expected[:3]):
        box = inbox()
        for one in order:
            box.add(frame(START, one))
        assert [m for _, m in box.take(START + MINUTE)] == expected


def test_what_is_not_due_waits_also_over_a_restart() -> None:
    box = inbox()
    box.add(frame(START, message(START), message(START + MINUTE)))
    assert [c for c, _ in box.take(START + MINUTE)] == [START + MINUTE]
    resumed = inbox()
    resumed.restore(box.snapshot())
    assert [m.effective for _, m in resumed.take(START + 2 * MINUTE)] == [START + MINUTE]
    assert resumed.take(START + 99 * MINUTE) == []


def test_a_topic_that_is_not_configured_is_waited_for_by_nobody() -> None:
    plan = plan_of("A", topics={"market": {"partitions": 1}, "control": {"partitions": 2}})
    assert side_partitions(plan, ("control", "signals")) == ("control-0", "control-1")
