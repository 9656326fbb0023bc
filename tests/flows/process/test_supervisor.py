"""A cluster of real processes: drained, killed, failing, and coming back."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.exit_codes import ExitCode
from flows.process.recovery_folder import RecoveryFolder
from flows.process.supervisor import Cluster, ClusterResult, RestartPolicy, Supervisor
from flows.settings import DumpInput, FilesOutput, FlowSettings, write_settings

pytestmark = pytest.mark.process

BUILDER = "tests.flows.process.counting_flow:build"
DEADLINE_SECONDS = 60.0


def settings_file(folder: Path, **settings: Any) -> Path:
    path = folder / "settings.json"
    path.write_text(json.dumps({"folder": str(folder), "total": None, **settings}))
    return path


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "nothing came of it"
        time.sleep(0.01)


def run_until(cluster: Cluster, then: Callable[[Supervisor, list[int]], None]) -> ClusterResult:
    """Runs a cluster beside ``then``, which gets the supervisor and the process ids of the first start."""
    started: list[list[int]] = []
    supervisor = Supervisor(cluster, started.append)
    results: list[ClusterResult] = []
    thread = threading.Thread(target=lambda: results.append(supervisor.run()))
    thread.start()
    wait_until(lambda: bool(started))
    then(supervisor, started[0])
    thread.join(DEADLINE_SECONDS)
    assert not thread.is_alive()
    return results[0]


def sums(folder: Path, part: str) -> list[tuple[int, int]]:
    lines = (folder / f"lines-{part}").read_text().splitlines()
    return [(int(a), int(b)) for a, b in (line.split() for line in lines)]


def whole(total: int) -> list[tuple[int, int]]:
    return [(n, n * (n + 1) // 2) for n in range(1, total + 1)]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_drained_cluster_exits_0_and_its_snapshot_continues_exactly_where_it_stopped(
    tmp_path: Path, processes: int
) -> None:
    def drain_after_marks(supervisor: Supervisor, _pids: list[int]) -> None:
        wait_until(lambda: all((tmp_path / f"mark-{p}").exists() for p in "ab"))
        supervisor.drain()

    with RecoveryFolder(tmp_path / "recovery", 2) as recovery:
        first = Cluster(BUILDER, settings_file(tmp_path, mark_at=50), processes, 1, recovery, epoch_seconds=0.05)
        result = run_until(first, drain_after_marks)
        assert (result.exit_code, result.drained) == (0, True)
        reached = {part: len(sums(tmp_path, part)) for part in "ab"}
        assert min(reached.values()) >= 49

        total = max(reached.values()) + 20
        second = Cluster(BUILDER, settings_file(tmp_path, total=total), 3 - processes, 1, recovery, epoch_seconds=0.05)
        assert Supervisor(second).run().exit_code == 0
    for part in "ab":
        assert sums(tmp_path, part) == whole(total), "nothing twice, nothing missing"


def test_when_one_process_is_killed_all_are_started_again_and_the_sums_are_right(tmp_path: Path) -> None:
    starts: list[list[int]] = []
    with RecoveryFolder(tmp_path / "recovery", 2) as recovery:
        cluster = Cluster(
            BUILDER,
            settings_file(tmp_path, total=200, fail_at=100, error="kill"),
            2,
            1,
            recovery,
            epoch_seconds=0.02,
            policy=RestartPolicy(limit=2, first_seconds=0.01),
        )
        result = Supervisor(cluster, starts.append).run()
    assert (result.exit_code, result.restarts) == (0, 1)
    assert len(starts) == 2 and not set(starts[0]) & set(starts[1])
    for part in "ab":
        assert sums(tmp_path, part)[-1] == whole(200)[-1]


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    ("error", "code"),
    [("flows.errors:DivergedFromLog", ExitCode.DIVERGED), ("flows.errors:Fenced", ExitCode.FENCED)],
)
def test_an_error_with_a_code_of_its_own_ends_the_cluster_with_it_and_is_not_tried_again(
    tmp_path: Path, processes: int, error: str, code: ExitCode
) -> None:
    cluster = Cluster(
        BUILDER, settings_file(tmp_path, fail_at=5, error=error), processes, policy=RestartPolicy(limit=5)
    )
    result = Supervisor(cluster).run()
    assert (result.exit_code, result.restarts) == (code, 0)
    assert result.failure is not None
    assert result.failure.message == "made to fail at 5"


def test_a_defect_is_tried_again_up_to_the_limit_and_then_named(tmp_path: Path) -> None:
    cluster = Cluster(
        BUILDER,
        settings_file(tmp_path, fail_at=5, error="builtins:ZeroDivisionError"),
        2,
        policy=RestartPolicy(limit=1, first_seconds=0.01),
    )
    result = Supervisor(cluster).run()
    assert (result.exit_code, result.restarts) == (ExitCode.FAILED, 1)
    assert result.failure is not None
    assert result.failure.message.startswith("ZeroDivisionError: made to fail at 5 (counting_flow.py:")


def test_what_the_processes_counted_is_added_up(tmp_path: Path) -> None:
    result = Supervisor(Cluster(BUILDER, settings_file(tmp_path, total=30), 2)).run()
    assert result.outcome.counts == {"numbers": 60}
    assert result.outcome.cpu_seconds > 0


def test_the_pause_between_restarts_doubles_up_to_its_bound() -> None:
    policy = RestartPolicy(first_seconds=1.0, longest_seconds=5.0)
    assert [policy.pause(n) for n in (1, 2, 3, 4, 20)] == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_a_hang_in_a_replay_ends_with_the_schedule_and_the_cycle(tmp_path: Path) -> None:
    settings = FlowSettings(
        configuration={}, source=DumpInput(path=""), sink=FilesOutput(out=str(tmp_path)), hang_seconds=0.2
    )
    write_settings(settings, tmp_path / "settings.json")
    cluster = Cluster(
        "tests.flows.process.counting_flow:build_hanging",
        tmp_path / "settings.json",
        2,
        policy=RestartPolicy(limit=3),
        trading=True,
    )
    result = Supervisor(cluster).run()
    assert (result.exit_code, result.restarts) == (ExitCode.HANG, 0)
    assert result.failure is not None
    assert "schedule slow_schedule did not return within 0.2 s" in result.failure.message
    assert "cycle 1234" in result.failure.message


def test_a_full_disk_ends_the_cluster_with_a_clear_error_and_it_resumes_clean(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run([mount, "-t", "tmpfs", "-o", "size=12m", "tmpfs", small], check=False).returncode
    ):
        pytest.skip("a small file system can only be mounted by root")
    try:
        with RecoveryFolder(small / "recovery", 1) as recovery:
            settings = settings_file(tmp_path, total=3000)
            ballast = small / "ballast"
            ballast.write_bytes(bytes(shutil.disk_usage(small).free - 60_000))
            result = Supervisor(Cluster(BUILDER, settings, 2, 1, recovery, epoch_seconds=0.001)).run()
            assert result.exit_code == ExitCode.UNAVAILABLE
            assert result.failure is not None
            assert "no space left on the disk of the recovery folder" in result.failure.message
            ballast.unlink()
            assert Supervisor(Cluster(BUILDER, settings, 1, 1, recovery, epoch_seconds=0.05)).run().exit_code == 0
    finally:
        subprocess.run(["umount", small], check=True)
    for part in "ab":
        assert sums(tmp_path, part)[-1] == whole(3000)[-1]
