"""Snapshots rewritten into a new folder continue exactly where the old cluster stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from flows.errors import InvalidInput, SnapshotIncompatible
from flows.process.recovery_folder import RecoveryFolder
from flows.process.rewrite import read_states, rewrite
from flows.process.seeding import States, write_states
from flows.process.snapshot_rows import describe
from flows.process.supervisor import Cluster, Supervisor
from tests.flows.process.test_supervisor import BUILDER, settings_file, sums, whole

pytestmark = pytest.mark.process

SUM = "counting.sum.stateful_flat_map.stateful.stateful_batch"


def run_to(total: int, folder: Path, recovery: Path) -> None:
    with RecoveryFolder(recovery, 3) as held:
        held.begin("configuration", "code", 2)
        cluster = Cluster(BUILDER, settings_file(folder, total=total), 1, 1, held, epoch_seconds=0.02)
        assert Supervisor(cluster).run().exit_code == 0
        held.end()


def test_a_rewritten_folder_continues_where_the_old_one_stopped(tmp_path: Path) -> None:
    run_to(50, tmp_path, tmp_path / "old")
    rewrite(tmp_path / "old", tmp_path / "new", lambda states: states, lambda marker: marker)
    run_to(80, tmp_path, tmp_path / "new")
    for part in "ab":
        assert sums(tmp_path, part) == whole(80)


def test_a_transformation_changes_states_and_the_marker(tmp_path: Path) -> None:
    run_to(50, tmp_path, tmp_path / "old")

    def add_a_thousand(states: dict[str, dict[str, Any]]) -> States:
        return {**states, SUM: {key: state + 1000 for key, state in states[SUM].items()}}

    rewrite(
        tmp_path / "old",
        tmp_path / "new",
        add_a_thousand,
        lambda marker: msgspec.structs.replace(marker, market_partitions=8),
    )
    assert read_states(tmp_path / "new")[SUM] == {"a": 1275 + 1000, "b": 1275 + 1000}
    assert read_states(tmp_path / "old")[SUM] == {"a": 1275, "b": 1275}
    marker = describe(tmp_path / "new").marker
    assert (marker["market_partitions"], marker["clean"]) == (8, True)


def test_many_keys_of_many_steps_are_found_again_whatever_file_they_lie_in(tmp_path: Path) -> None:
    states = {f"flow.step_{s}": {f"key-{k}": {"s": s, "k": k} for k in range(40)} for s in range(3)}
    with RecoveryFolder(tmp_path, 4) as folder:
        write_states(folder, states)
    assert read_states(tmp_path) == states


def test_an_unclean_folder_is_not_rewritten(tmp_path: Path) -> None:
    run_to(5, tmp_path, tmp_path / "old")
    with RecoveryFolder(tmp_path / "old", 3) as folder:
        folder.begin("configuration", "code", 2)
    with pytest.raises(SnapshotIncompatible, match="was not stopped cleanly"):
        rewrite(tmp_path / "old", tmp_path / "new", lambda states: states, lambda marker: marker)


def test_what_is_no_recovery_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is no recovery folder"):
        rewrite(tmp_path, tmp_path / "new", lambda states: states, lambda marker: marker)
