"""A replay with a recovery folder that is killed or stopped goes on to the same files (design, promise 3)."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.processes.live_cluster import Command, eventually, weir
from tests.processes.market import document, write_configuration
from tests.processes.outputs import Outputs, assert_equal, outputs_of_files

pytestmark = pytest.mark.process

#: Named points with the shape of the run that dies there.
DEATHS = [
    ("files.after_decisions:3", 0, 1),
    ("stages.after_snapshot:40", 0, 2),
    ("files.after_orders:5", 2, 1),
    ("files.before_snapshot:6", 1, 2),
    ("files.after_snapshot:5", 0, 1),
]


def command(market: Path, folder: Path, processes: int = 0, workers: int = 1) -> list[str]:
    """A replay in small slabs, so that there are many snapshots."""
    configuration = write_configuration(folder / "weir.yaml", document())
    return [
        "replay", "--dump", str(market), "--config", str(configuration), "--out", str(folder / "out"),
        "--recovery", str(folder / "recovery"), "--no-clickhouse", "--no-report", "--json", "--slab", "60",
        "--processes", str(processes), "--workers", str(workers),
    ]  # fmt: skip


def first_decision(folder: Path, run: Command) -> None:
    """Returns when the run in ``folder`` has written something."""
    part = folder / "out" / "parts" / "portfolio-alpha" / "decisions.jsonl"
    eventually("the first decision", lambda: run.ended or (part.exists() and part.stat().st_size > 0))
    assert not run.ended, run.said


def test_a_replay_that_dies_five_times_in_changing_shapes_ends_with_the_same_files(
    market: Path, expected: Outputs, tmp_path: Path
) -> None:
    for point, processes, workers in DEATHS:
        ended = weir(*command(market, tmp_path, processes, workers), WEIR_CRASH_POINT=point)
        killed = ended.returncode == -signal.SIGKILL or "ended by SIGKILL" in ended.stderr
        assert killed, f"{point}: {ended.stderr}"
    ended = weir(*command(market, tmp_path, 2))
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1])["decisions_sha256"] == expected.decisions_sha256
    assert_equal(outputs_of_files(tmp_path / "out"), expected)


def test_a_replay_that_is_stopped_by_sigterm_ends_well_and_goes_on(
    market: Path, expected: Outputs, tmp_path: Path
) -> None:
    with Command(tmp_path / "run.log", *command(market, tmp_path), "--slab", "20", "--batch", "1") as run:
        first_decision(tmp_path, run)
        assert run.stop() == 0, run.said
    result = json.loads(run.said.splitlines()[-1])
    # A test that is held up for seconds may find the run at its end.
    assert result["drained"] == (result["decisions"] < expected.total)
    assert weir(*command(market, tmp_path, 2)).returncode == 0
    assert_equal(outputs_of_files(tmp_path / "out"), expected)
