"""No cut of the log into blocks and no restart between them changes what a key group says (design, promises 2, 3)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.operators.normalize.logs import Record, plan_of, run_group
from tests.operators.normalize.messy import INTERVALS, SYMBOLS, messy_logs
from tests.operators.normalize.reference import model_run

#: Few confirmations and a small window, so that short logs reach every rule.
SMALL = {"time": {"cycle_seconds": 60, "jump_confirmations": 6}, "quality": {"minimum": 4, "window": 20}}
PLANS = {
    rule: plan_of(SYMBOLS, intervals=INTERVALS, topics={"market": {"partitions": 1, "close_on": rule}}, **SMALL)
    for rule in ("completeness", "watermark")
}
PLAN = PLANS["completeness"]


@settings(max_examples=60, derandomize=True, deadline=None)
@given(log=messy_logs(), data=st.data())
def test_any_cutting_gives_the_same_frames_and_dead_letters(log: list[Record], data: st.DataObject) -> None:
    whole = run_group(PLAN, log)
    assert run_group(PLAN, log, range(len(log))) == whole
    cuts = data.draw(st.lists(st.integers(0, len(log)), max_size=5))
    assert run_group(PLAN, log, cuts) == whole


@settings(max_examples=25, derandomize=True, deadline=None)
@given(log=messy_logs(max_size=30))
def test_a_restart_at_every_block_border_changes_nothing(log: list[Record]) -> None:
    assert run_group(PLAN, log, range(len(log)), crashes=True) == run_group(PLAN, log)


@pytest.mark.parametrize("close_on", PLANS)
@settings(max_examples=80, derandomize=True, deadline=None)
@given(log=messy_logs())
def test_the_kernels_agree_with_a_slow_model(close_on: str, log: list[Record]) -> None:
    found, model = run_group(PLANS[close_on], log), model_run(PLANS[close_on], log)
    assert found.closed_to == model.closed_to
    assert found.cycles == model.cycles
    assert found.reasons() == [(offset, reason) for _, offset, reason in sorted(model.letters)]
