"""State across restarts, changed configurations and other groups: by schedule, version, parameters and symbol name."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from operators.contiguity import SnapshotError
from operators.strategy_evaluate.conformance import sample_bars
from operators.strategy_evaluate.runtime import StrategyRuntime
from operators.strategy_evaluate.slices import cycles_of, symbols_of
from tests.operators.strategy_evaluate.laboratory import RAISE, Seen, bars, minute, plan_of, run

MIXED = (
    {"id": "cross", "strategy": "sma_cross", "parameters": {"fast": 3, "slow": 9}},
    {"id": "plain", "strategy": "plain_steps"},
    {"id": "revert", "strategy": "mean_reversion", "parameters": {"window": 20}, "warmup_bars": 30},
)


def resumed(runtime: StrategyRuntime, *snapshots: dict[str, Any]) -> StrategyRuntime:
    """The runtime after a restore from pickled snapshots."""
    runtime.restore(*pickle.loads(pickle.dumps(snapshots)))
    return runtime


def keyed(seen: Seen, *schedules: str) -> Seen:
    """Only these schedules."""
    return [i for i in seen if i[1] in schedules]


def test_a_restored_run_equals_an_uninterrupted_one() -> None:
    plan, block = plan_of(*MIXED, symbols=3), sample_bars(200, 3)
    whole = run(StrategyRuntime(plan, 0), block)[0]
    first = StrategyRuntime(plan, 0)
    seen = run(first, cycles_of(block, 0, 117))[0]
    second = resumed(StrategyRuntime(plan, 0), first.snapshot())
    assert seen + run(second, cycles_of(block, 117, 200))[0] == whole


def test_a_snapshot_is_a_copy() -> None:
    plan, block = plan_of(*MIXED, symbols=3), sample_bars(200, 3)
    runtime = StrategyRuntime(plan, 0)
    run(runtime, cycles_of(block, 0, 100))
    kept = runtime.snapshot()
    before = pickle.dumps(kept)
    run(runtime, cycles_of(block, 100, 200))
    assert pickle.dumps(kept) == before


def test_equal_keys_continue_new_ones_start_cold_removed_ones_vanish() -> None:
    block = sample_bars(200, 3)
    old = StrategyRuntime(plan_of(*MIXED, symbols=3), 0)
    run(old, cycles_of(block, 0, 100))
    changed = (
        MIXED[0],
        {**MIXED[2], "parameters": {"window": 21}},
        {"id": "new", "strategy": "steps"},
    )
    new = resumed(StrategyRuntime(plan_of(*changed, symbols=3), 0), old.snapshot())
    seen = run(new, cycles_of(block, 100, 200))[0]
    rest = run(old, cycles_of(block, 100, 200))[0]
    assert keyed(seen, "cross") == keyed(rest, "cross") != []
    assert abs(keyed(seen, "new")[0][3]) == 1.0
    assert set(new.snapshot()["schedules"]) == {"main/cross", "main/revert", "main/new"}
    assert new.snapshot()["schedules"]["main/revert"]["columns"]["seen"].max() <= 100


def test_an_open_circuit_stays_open_over_a_restart() -> None:
    plan = plan_of({"id": "one", "strategy": "steps"}, circuit={"errors": 1, "open_seconds": 300})
    first = StrategyRuntime(plan, 0)
    run(first, bars([RAISE]))
    second = resumed(StrategyRuntime(plan, 0), first.snapshot())
    told = run(second, cycles_of(bars([2.0] * 8), 1, 8))[1]
    assert [(t, r) for t, _, r in told] == [(6, "STRATEGY_CIRCUIT_HALF_OPEN"), (6, "STRATEGY_CIRCUIT_CLOSED")]


def test_repartitioning_regroups_symbols_by_name() -> None:
    """Two groups become one: each symbol goes on where it stood."""

    def plan_over(partitions: dict[str, int], count: int) -> Any:
        market = {"partitions": count, "partitioner": "explicit", "partition_of": partitions}
        return plan_of(*MIXED, symbols=4, topics={"market": market})

    apart = plan_over({"S000": 0, "S001": 1, "S002": 0, "S003": 1}, 2)
    together = plan_over(dict.fromkeys(["S000", "S001", "S002", "S003"], 0), 1)
    block = sample_bars(200, 4)
    whole = run(StrategyRuntime(together, 0), block)[0]
    saved, seen = [], []
    for group in (0, 1):
        runtime = StrategyRuntime(apart, group)
        own = symbols_of(cycles_of(block, 0, 120), apart.groups[group].symbols)
        seen += run(runtime, own)[0]
        saved.append(runtime.snapshot())
    joined = resumed(StrategyRuntime(together, 0), *saved)
    seen += run(joined, cycles_of(block, 120, 200))[0]
    assert sorted(seen) == sorted(whole)


def test_a_snapshot_of_an_unknown_version_refuses() -> None:
    runtime = StrategyRuntime(plan_of(MIXED[0]), 0)
    with pytest.raises(SnapshotError, match="strategies: snapshot version 7 cannot be read"):
        runtime.restore({**runtime.snapshot(), "version": 7})


def test_schedules_of_two_portfolios_may_share_an_id() -> None:
    schedule = {"id": "one", "strategy": "steps"}
    pods = [{"id": "pod", "schedules": [schedule]}]
    plan = plan_of(schedule, portfolios=[{"id": "a", "pods": pods}, {"id": "b", "pods": pods}])
    runtime = StrategyRuntime(plan, 0, {"b/one": minute(2)})
    intents, _ = runtime.step([bars([2.0, 2.0])])
    assert intents.schedule.tolist() == [0, 1, 0]
    assert set(runtime.snapshot()["schedules"]) == {"a/one", "b/one"}


def test_state_is_laid_out_by_symbol() -> None:
    snapshot = StrategyRuntime(plan_of(*MIXED, symbols=3), 0).snapshot()
    for schedule in snapshot["schedules"].values():
        for rows in (*schedule["columns"].values(), *schedule["state"].values()):
            assert len(rows) == len(schedule["symbols"]) == 3
    for arrays in snapshot["intervals"]["1m"]["features"]["state"].values():
        assert all(np.shape(a)[0] == 3 for a in arrays.values())
