"""Payloads in one buffer are the list of byte strings that they stand for."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.payloads import Payloads

LISTS = st.lists(st.binary(max_size=5), max_size=6)


@given(LISTS, st.integers(-8, 8), st.integers(-8, 8))
def test_it_is_its_list(values: list[bytes], start: int, stop: int) -> None:
    payloads = Payloads.of(values)
    assert payloads == values and list(payloads) == values and len(payloads) == len(values)
    assert [payloads[n] for n in range(-len(values), len(values))] == values * 2
    assert payloads[start:stop] == values[start:stop] and Payloads.of(payloads) is payloads
    assert payloads.take(range(0, len(values), 2)) == values[::2]


@given(LISTS, st.integers(0, 6), st.integers(0, 6))
def test_a_part_crosses_processes_by_itself(values: list[bytes], start: int, stop: int) -> None:
    part = Payloads.of(values)[start:stop]
    crossed = pickle.loads(pickle.dumps(part))
    assert crossed == part and len(crossed.data) == sum(map(len, part))


def test_what_is_not_there_raises() -> None:
    payloads = Payloads(b"abc", np.array([0, 1, 3], np.int64))
    assert payloads == [b"a", b"bc"] and payloads != [b"a"] and payloads != 3
    with pytest.raises(IndexError):
        payloads[2]
    with pytest.raises(ValueError, match="runs"):
        payloads[::2]
    with pytest.raises(ValueError, match="read-only"):
        payloads.data[0] = 1
