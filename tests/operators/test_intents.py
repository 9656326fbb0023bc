"""IntentQueue: tables of several key groups wait for their barrier and leave sorted."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.frames import Intents
from operators.intents import IntentQueue, join, no_intents, take

Row = tuple[int, int, int]


def table(rows: list[Row]) -> Intents:
    """Intents at (cycle, schedule, symbol); every other column follows from these."""
    ordered = sorted(rows)
    cycle, schedule, symbol = (np.array([r[k] for r in ordered], np.int64) for k in range(3))
    value = cycle * 100.0 + schedule * 10.0 + symbol
    return Intents(
        cycle, schedule.astype(np.int32), symbol.astype(np.int32), value, value + 0.1, value + 0.2, value + 0.3,
        np.stack([value, -value], axis=1),
    )  # fmt: skip


def rows(intents: Intents) -> list[Row]:
    found = list(zip(intents.cycle.tolist(), intents.schedule.tolist(), intents.symbol.tolist(), strict=True))
    expected = table(found)
    for name in Intents.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(intents, name), getattr(expected, name), err_msg=f"{name} went astray")
    return found


def test_what_is_due_leaves_sorted_by_cycle_schedule_symbol_and_the_rest_waits() -> None:
    queue = IntentQueue(2)
    queue.add(1, table([(1, 0, 5), (2, 1, 4), (4, 0, 4)]))
    queue.add(0, table([(1, 1, 0), (2, 0, 1), (3, 0, 1)]))
    assert rows(queue.take(2)) == [(1, 0, 5), (1, 1, 0), (2, 0, 1), (2, 1, 4)]
    assert rows(queue.take(2)) == []
    assert rows(queue.take(9)) == [(3, 0, 1), (4, 0, 4)]


def test_an_empty_table_is_not_kept_and_an_empty_queue_has_the_plans_width() -> None:
    queue = IntentQueue(2)
    queue.add(0, no_intents(2))
    assert queue.snapshot() == {}
    assert queue.take(5).features.shape == (0, 2)
    assert join([], 3).features.shape == (0, 3)


def test_selecting_rows_selects_every_column() -> None:
    whole = table([(1, 0, 0), (1, 0, 1), (2, 0, 0)])
    assert rows(take(whole, np.array([True, False, True]))) == [(1, 0, 0), (2, 0, 0)]
    assert rows(take(whole, slice(1, None))) == [(1, 0, 1), (2, 0, 0)]


keys = st.tuples(st.integers(1, 9), st.integers(0, 2), st.integers(0, 3))


@settings(max_examples=80)
@given(st.sets(keys), st.sets(st.integers(1, 8)), st.sets(st.integers(1, 8)), st.integers(1, 9))
def test_neither_cuts_nor_times_nor_a_stop_lose_or_reorder_anything(
    found: set[Row], cuts: set[int], takes: set[int], stop: int
) -> None:
    # A symbol belongs to one key group.
    groups = {g: [r for r in found if r[2] % 2 == g] for g in (0, 1)}
    queue = IntentQueue(2)
    for group, own in groups.items():
        for after, to in pairwise([0, *sorted(cuts), 9]):
            queue.add(group, table([r for r in own if after < r[0] <= to]))
    left: list[Row] = []
    for to in sorted({*takes, stop, 9}):
        left += rows(queue.take(to))
        if to == stop:
            saved = pickle.loads(pickle.dumps(queue.snapshot()))
            queue = IntentQueue(2)
            queue.restore(saved)
    assert left == sorted(found)
