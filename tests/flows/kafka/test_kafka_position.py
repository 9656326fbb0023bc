"""Positions restored from headers never go back, whatever a record claims."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flows.kafka.position import HEADER, LogPosition, OriginalPosition, from_headers, to_header

numbers = st.integers(0, 10**15)


@given(numbers, numbers, numbers)
def test_a_position_survives_its_header(partition: int, offset: int, timestamp: int) -> None:
    position = OriginalPosition("eu.market-1", partition, offset, timestamp)
    assert from_headers([("traceparent", b"x"), to_header(position)]) == position


@given(st.one_of(st.none(), st.text(), st.binary()))
def test_any_header_value_is_read_or_ignored(value: str | bytes | None) -> None:
    from_headers([(HEADER, value)])


claims = st.none() | st.builds(OriginalPosition, st.just("t"), st.integers(0, 1), st.integers(0, 60), st.just(1))


@given(st.lists(st.tuples(st.integers(1, 3), claims), min_size=1), st.integers(0, 50))
def test_positions_rise_and_continue_after_a_restart(
    records: list[tuple[int, OriginalPosition | None]], at: int
) -> None:
    whole, placed, broker_offset = LogPosition(0), [], 0
    resumed: LogPosition | None = None
    for i, (gap, claim) in enumerate(records):
        broker_offset += gap
        if i == at:
            resumed = LogPosition(0, whole.next, whole.shift)
        placed.append(whole.place(broker_offset, claim)[0])
        if resumed is not None:
            assert resumed.place(broker_offset, claim)[0] == placed[-1]
    assert placed == sorted(set(placed))
    assert whole.next == placed[-1] + 1
