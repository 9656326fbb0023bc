"""What a resumed run refuses, and what it says (design, "Configuration is part of the log", "Recovery")."""

from __future__ import annotations

import pickle
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from flows.exit_codes import ExitCode
from flows.process.recovery_folder import MARKER_FILE
from flows.process.snapshot_rows import newest_rows
from tests.crash.test_replay_resumed import command
from tests.processes.live_cluster import weir
from tests.processes.market import document, write_configuration
from tests.processes.outputs import Outputs, assert_equal, outputs_of_files

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def stopped(market: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a replay that ended in order, with its recovery folder."""
    folder = tmp_path_factory.mktemp("stopped")
    assert weir(*command(market, folder)).returncode == 0
    return folder


@pytest.fixture
def run(stopped: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may spoil."""
    shutil.copytree(stopped, tmp_path / "run")
    return tmp_path / "run"


def change_states(recovery: Path, step: str, change: dict[str, object]) -> None:
    """Overwrites fields of the newest states of a step."""
    for row in list(newest_rows(recovery)):
        if row.step != step:
            continue
        with closing(sqlite3.connect(row.file)) as connection, connection:
            connection.execute(
                "UPDATE snaps SET ser_change = ? WHERE step_id = ? AND state_key = ? AND snap_epoch = ?",
                (pickle.dumps({**row.state, **change}), row.step, row.key, row.epoch),
            )


@pytest.mark.parametrize("step", ["weir.market", "weir.group", "weir.portfolio", "weir.decisions"])
def test_a_snapshot_of_an_unknown_version_is_refused(step: str, market: Path, run: Path) -> None:
    steps = {row.step for row in newest_rows(run / "recovery", decode=False)}
    matching = [name for name in steps if name.startswith(step)]
    assert matching, steps
    for name in matching:
        change_states(run / "recovery", name, {"version": 99})
    ended = weir(*command(market, run))
    assert ended.returncode == ExitCode.SNAPSHOT_INCOMPATIBLE, ended.stderr
    assert "99" in ended.stderr and "resume with the code that wrote it" in ended.stderr


def change_marker(run: Path, **fields: object) -> None:
    """Overwrites fields of what the last run left about itself."""
    marker = run / "recovery" / MARKER_FILE
    marker.write_bytes(msgspec.json.encode({**msgspec.json.decode(marker.read_bytes()), **fields}))


def test_after_an_unclean_stop_other_code_is_refused(market: Path, run: Path) -> None:
    change_marker(run, clean=False, code_version="of another release")
    ended = weir(*command(market, run))
    assert ended.returncode == ExitCode.SNAPSHOT_INCOMPATIBLE, ended.stderr
    assert "code version" in ended.stderr and "it was of another release" in ended.stderr
    assert "start with the code of that run" in ended.stderr


def test_after_an_unclean_stop_another_configuration_is_refused_and_the_same_goes_on(
    market: Path, expected: Outputs, run: Path
) -> None:
    change_marker(run, clean=False)
    changed = write_configuration(run / "changed.yaml", document(circuit={"errors": 9}))
    same = command(market, run)
    other = [str(changed) if argument.endswith("weir.yaml") else argument for argument in same]
    ended = weir(*other)
    assert ended.returncode == ExitCode.SNAPSHOT_INCOMPATIBLE, ended.stderr
    assert "config_hash" in ended.stderr and "start with the configuration of that run" in ended.stderr
    assert weir(*same).returncode == 0
    assert_equal(outputs_of_files(run / "out"), expected)
