"""``grid_trading(5 levels, spacing 0.004)`` (spec 3)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.strategy_evaluate.conformance import (
    assert_block_independent,
    bars_from_closes,
    rehearse,
    sample_bars,
)
from operators.strategy_evaluate.registry import default_registry
from operators.strategy_evaluate.strategy import Strategy


def build(**parameters: Any) -> Strategy:
    return default_registry().build("grid_trading", parameters)


def targets(closes: list[float], **parameters: Any) -> list[tuple[int, float]]:
    """(bar from 1, target) over closes of one symbol."""
    found = rehearse(build(**parameters), bars_from_closes(closes))
    return [(t.cycle // 60_000_000_000, t.value) for t in found]


def test_defaults() -> None:
    assert build().parameters.model_dump() == {"levels": 5, "spacing": 0.004, "short": True}


def test_the_first_bar_is_the_anchor_and_states_nothing() -> None:
    assert targets([1000.0]) == []


def test_buys_a_step_at_each_line_below_and_sells_it_one_line_higher() -> None:
    closes = [1000.0, 996.5, 996.0, 992.0, 996.0, 1000.0]
    assert targets(closes) == [(3, 0.2), (4, 0.4), (5, 0.2), (6, 0.0)]


def test_sells_above_unless_short_is_off() -> None:
    closes = [1000.0, 1004.0, 1008.0, 1004.0, 1000.0]
    assert targets(closes) == [(2, -0.2), (3, -0.4), (4, -0.2), (5, 0.0)]
    assert targets(closes, short=False) == []


def test_between_two_lines_nothing_happens() -> None:
    closes = [1000.0, 996.0, 997.0, 996.0, 999.9, 992.1]
    assert targets(closes) == [(2, 0.2)]


def test_a_jump_over_several_lines_moves_several_steps_at_once() -> None:
    assert targets([1000.0, 987.0, 1001.0]) == [(2, 0.6), (3, 0.0)]


def test_beyond_the_last_line_the_position_stands() -> None:
    assert targets([1000.0, 980.0, 900.0, 984.5]) == [(2, 1.0), (4, 0.8)]


def test_a_grid_that_was_left_behind_with_nothing_held_moves() -> None:
    """Without short a rise would leave the grid below for ever."""
    closes = [1000.0, 1020.1, 1016.0]
    assert targets(closes, short=False) == [(3, 0.2)]
    assert targets([1000.0, 1020.0, 1016.0], short=False) == []


def test_the_lowest_line_must_lie_above_zero() -> None:
    with pytest.raises(Exception, match="above zero"):
        build(levels=10, spacing=0.1)


def test_defect_it_does_not_wait_for_a_fill_that_a_clip_took_away() -> None:
    """Its step count is its own target: whatever happened further down, the way back is stated."""
    assert targets([1000.0, 996.0, 1000.0, 996.0, 1000.0]) == [(2, 0.2), (3, 0.0), (4, 0.2), (5, 0.0)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(10.0, 1000.0), min_size=2, max_size=60), st.booleans())
def test_the_target_stays_within_the_share(closes: list[float], short: bool) -> None:
    assert all((-1.0 if short else 0.0) <= v <= 1.0 for _, v in targets(closes, short=short))


def test_keeps_the_contract_on_bars_on_which_it_trades() -> None:
    assert len(rehearse(build(), sample_bars())) > 20
    assert_block_independent(build())
