"""The shipped configuration in which pods are promoted and retired: the same bytes for any workers and processes, and
over kill -9 (design, promises 2 and 3)."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from flows.dump.shipped import build_demo_dump
from tests.processes.live_cluster import weir
from tests.processes.outputs import Outputs, assert_equal, outputs_of_files

pytestmark = pytest.mark.process

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "config" / "lifecycle.yaml"
#: Trading days: the impatient pod is retired within them.
DAYS = 400


def replay(dump: Path, folder: Path, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    arguments: list[str | Path] = ["replay", "--dump", dump, "--config", CONFIGURATION, "--out", folder / "out"]
    return weir(*arguments, "--no-clickhouse", "--no-report", "--json", "--slab", "1000", *more, **environment)


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shipped") / "dump"
    build_demo_dump(folder, days=DAYS)
    return folder


@pytest.fixture(scope="module")
def one_worker(dump: Path, tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    folder = tmp_path_factory.mktemp("one-worker")
    ended = replay(dump, folder)
    assert ended.returncode == 0, ended.stderr
    return outputs_of_files(folder / "out")


def test_pods_change_their_states_and_their_capital(one_worker: Outputs) -> None:
    decisions = [json.loads(body) for body in one_worker.bodies["main"]]
    reasons = {move["reason"] for decision in decisions for move in decision.get("transitions", [])}
    assert any(reason.startswith("LIFECYCLE_") for reason in reasons), reasons
    assert sum(decision.get("capital") is not None for decision in decisions) > 5


@pytest.mark.parametrize("shape", [("--workers", "2"), ("--processes", "2")], ids=" ".join)
def test_workers_and_processes_change_nothing(
    shape: tuple[str, str], dump: Path, one_worker: Outputs, tmp_path: Path
) -> None:
    ended = replay(dump, tmp_path, *shape)
    assert ended.returncode == 0, ended.stderr
    assert_equal(outputs_of_files(tmp_path / "out"), one_worker)


def test_a_kill_changes_nothing_also_when_it_goes_on_with_two_processes(
    dump: Path, one_worker: Outputs, tmp_path: Path
) -> None:
    recovery = ("--recovery", str(tmp_path / "recovery"))
    killed = replay(dump, tmp_path, *recovery, WEIR_CRASH_POINT="files.after_decisions:5")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    ended = replay(dump, tmp_path, *recovery, "--processes", "2")
    assert ended.returncode == 0, ended.stderr
    assert_equal(outputs_of_files(tmp_path / "out"), one_worker)
