"""PriceJoin: frames of several key groups become one block over the consumer's own symbols."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.barrier.prices import PriceBlock, PriceJoin, empty_group_frame
from operators.frames import GroupFrame
from operators.intents import no_intents
from tests.operators.desk import configuration, plan_of, pod

NAMES = ("AAA", "BBB", "CCC", "DDD", "EEE")
PLAN = plan_of(
    configuration(
        pod("alpha", {"id": "alpha", "symbols": ["AAA", "CCC", "DDD"]}), pod("beta"), symbols=NAMES, partitions=3
    )
)
POD = PLAN.pods[0]
NOTHING = np.empty(0, np.int64)


def frame(group: int, cycles: list[int], seen: dict[tuple[int, str], float]) -> GroupFrame:
    """A frame of ``group`` over ``cycles``; ``seen`` holds the closes, opens are one less."""
    names = [PLAN.symbols[s] for s in PLAN.groups[group].symbols]
    close = np.array([[seen.get((c, n), np.nan) for n in names] for c in cycles]).reshape(len(cycles), len(names))
    at = np.array(cycles, np.int64)
    return GroupFrame(
        group, 1, 0, cycles[-1] if cycles else 0, at, at * 10, at * 10 + 5, close - 1, close, close * 0,
        ~np.isnan(close), close > 100, no_intents(0), [],
    )  # fmt: skip


def join() -> PriceJoin:
    return PriceJoin(PLAN, POD.symbols, POD.groups)


def rows(block: PriceBlock) -> dict[tuple[int, str], tuple[float, float, bool]]:
    """(open, close, degraded) of every fresh cell."""
    return {
        (int(block.cycles[c]), PLAN.symbols[POD.symbols[s]]): (
            float(block.open[c, s]), float(block.close[c, s]), bool(block.degraded[c, s]),
        )
        for c, s in zip(*np.nonzero(block.fresh), strict=True)
    }  # fmt: skip


def test_the_plan_has_more_than_one_group_and_symbols_that_the_pod_leaves_out() -> None:
    assert len(POD.groups) > 1
    assert any(len(PLAN.groups[g].symbols) > np.isin(PLAN.groups[g].symbols, POD.symbols).sum() for g in POD.groups)


def test_only_the_consumers_symbols_and_cycles_up_to_the_border_are_taken() -> None:
    waiting = join()
    seen = {(c, n): 10.0 * c + k for c in (1, 2, 4) for k, n in enumerate(NAMES)} | {(4, "CCC"): 400.0}
    for group in POD.groups:
        waiting.add(frame(group, [1, 2, 4], seen))
    assert waiting.first_cycle() == 1 and waiting.waiting().tolist() == [1, 2, 4]
    block = waiting.take(3, NOTHING)
    assert block.cycles.tolist() == [1, 2]
    mine = [n for n in NAMES if PLAN.symbol_index[n] in POD.symbols]
    assert rows(block) == {(c, n): (seen[c, n] - 1, seen[c, n], False) for c in (1, 2) for n in mine}
    assert waiting.waiting_cycles() == len(POD.groups) and waiting.first_cycle() == 4
    assert rows(waiting.take(9, NOTHING))[4, "CCC"] == (399.0, 400.0, True)
    assert waiting.first_cycle() is None


def test_cycles_where_only_something_else_happens_have_rows_without_prices() -> None:
    waiting = join()
    group = POD.groups[0]
    waiting.add(frame(group, [2], dict.fromkeys([(2, n) for n in NAMES], 7.0)))
    block = waiting.take(5, np.array([1, 2, 5]))
    assert block.cycles.tolist() == [1, 2, 5]
    assert block.fresh.any(axis=1).tolist() == [False, True, False]
    assert np.isnan(block.close[[0, 2]]).all()
    assert block.first_offset[:, 0].tolist() == [-1, 20, -1] and block.last_offset[:, 0].tolist() == [-1, 25, -1]
    assert (block.last_offset[:, 1:] == -1).all(), "a group that had nothing in the cycle has no input positions"


def test_a_frame_without_data_is_not_kept() -> None:
    waiting = join()
    waiting.add(frame(POD.groups[0], [], {}))
    assert waiting.first_cycle() is None and waiting.snapshot() == []
    assert len(waiting.take(9, NOTHING).cycles) == 0


cycles = st.lists(st.integers(1, 12), unique=True, max_size=8).map(sorted)


@settings(max_examples=60)
@given(
    per_group=st.lists(cycles, min_size=len(POD.groups), max_size=len(POD.groups)),
    cuts=st.sets(st.integers(1, 11)),
    takes=st.sets(st.integers(1, 11)),
    stop=st.integers(1, 12),
)
def test_neither_how_frames_are_cut_nor_when_they_are_taken_nor_a_stop_changes_a_cell(
    per_group: list[list[int]], cuts: set[int], takes: set[int], stop: int
) -> None:
    seen = {(c, n): float(100 * k + c) for k, n in enumerate(NAMES) for c in range(1, 13) if (c + k) % 3}
    whole, parts = join(), join()
    for group, own in zip(POD.groups, per_group, strict=True):
        whole.add(frame(group, own, seen))
        for after, to in pairwise([0, *sorted(cuts), 12]):
            parts.add(frame(group, [c for c in own if after < c <= to], seen))
    found: list[PriceBlock] = []
    for to in sorted({*takes, stop, 12}):
        found.append(parts.take(to, NOTHING))
        if to == stop:
            saved = pickle.loads(pickle.dumps(parts.snapshot()))
            parts = join()
            parts.restore(saved, empty_group_frame(PLAN.feature_width))
    expected = whole.take(12, NOTHING)
    for name in PriceBlock.__dataclass_fields__:
        pieces = np.concatenate([getattr(block, name) for block in found])
        np.testing.assert_array_equal(pieces, getattr(expected, name), err_msg=name)


def test_a_frame_of_a_group_that_nobody_waits_for_is_a_fault_of_the_wiring() -> None:
    stranger = next((g.partition for g in PLAN.groups if g.partition not in POD.groups), len(PLAN.groups))
    with pytest.raises(KeyError):
        join().add(GroupFrame(**{**_fields(frame(POD.groups[0], [1], {})), "group": stranger}))


def _fields(one: GroupFrame) -> dict[str, object]:
    return {name: getattr(one, name) for name in GroupFrame.__dataclass_fields__}
