"""A stage acts on a cycle when all its upstream keys have closed it (design, "Barrier")."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.barrier.barrier import Barrier
from operators.contiguity import ContiguityError
from operators.frames import BEGINNING


def test_the_slowest_holds_all_back() -> None:
    barrier = Barrier(("a", "b"))
    barrier.arrive("a", 1, 100)
    assert (barrier.frontier(), barrier.slowest()) == (BEGINNING, "b")
    barrier.arrive("b", 1, 60)
    assert (barrier.frontier(), barrier.slowest()) == (60, "b")
    barrier.arrive("b", 2, 300)
    assert (barrier.frontier(), barrier.slowest()) == (100, "a")


def test_who_belongs_is_fixed() -> None:
    with pytest.raises(KeyError):
        Barrier(("a",)).arrive("b", 1, 60)
    with pytest.raises(KeyError):
        Barrier(("a", "b")).restore(Barrier(("a",)).snapshot())


@pytest.mark.parametrize("counter", [1, 3])
def test_a_frame_that_is_missing_or_repeated_stops_the_flow(counter: int) -> None:
    barrier = Barrier(("a",))
    barrier.arrive("a", 1, 60)
    with pytest.raises(ContiguityError, match=f"expected 2, found {counter}"):
        barrier.arrive("a", counter, 120)


def test_time_never_runs_backwards() -> None:
    barrier = Barrier(("a",))
    barrier.arrive("a", 1, 60)
    barrier.arrive("a", 2, 60)
    with pytest.raises(ContiguityError):
        barrier.arrive("a", 3, 59)


@settings(max_examples=50, derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), max_size=30), st.integers(0, 30))
def test_any_interleaving_reaches_the_same_frontier_also_over_a_restart(
    moves: list[tuple[str, int]], restart: int
) -> None:
    def arrive(order: list[tuple[str, int]]) -> int:
        barrier, counters, closed = Barrier(tuple("abc")), dict.fromkeys("abc", 0), dict.fromkeys("abc", 0)
        for n, (key, step) in enumerate(order):
            counters[key] += 1
            closed[key] += step
            barrier.arrive(key, counters[key], closed[key])
            if n == restart:
                saved, barrier = barrier.snapshot(), Barrier(tuple("abc"))
                barrier.restore(saved)
        return barrier.frontier()

    assert arrive(moves) == arrive(sorted(moves, key=lambda m: m[0]))
