"""A disk under the recovery folder that takes no more: a clear error, and the run goes on once there is room again
(design, "Recovery").

The disk's limit is one of the process (RLIMIT_FSIZE, as ``ulimit -f`` and some quotas set it), since anybody may lower
his own; a small file system needs the right to mount one and is tried by ``make soak``.
"""

from __future__ import annotations

import contextlib
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.exit_codes import ExitCode
from tests.crash.test_replay_resumed import command, first_decision
from tests.processes.live_cluster import Command, weir
from tests.processes.outputs import Outputs, assert_equal, outputs_of_files

pytestmark = pytest.mark.process

#: Just more than a run asks for at its start.
SIZE_KIB = 9 * 1024


def test_a_recovery_folder_that_cannot_grow_stops_the_run_with_a_clear_error_and_it_goes_on_later(
    market: Path, expected: Outputs, tmp_path: Path
) -> None:
    arguments = [*command(market, tmp_path), "--slab", "20", "--batch", "1"]
    with Command(tmp_path / "run.log", *arguments) as run:
        first_decision(tmp_path, run)
        run.signal(signal.SIGSTOP)
        # The journal is a few KiB long by now, the snapshots are many times that: they meet the limit first.
        largest = max(file.stat().st_size for file in (tmp_path / "recovery" / "snapshots").iterdir())
        resource.prlimit(run.pid, resource.RLIMIT_FSIZE, (largest + 4096, resource.RLIM_INFINITY))
        run.signal(signal.SIGCONT)
        assert run.wait() == ExitCode.UNAVAILABLE, run.said
    assert f"the recovery folder {tmp_path / 'recovery'}" in run.said
    assert "cannot be written" in run.said and "a limit of file sizes is reached" in run.said
    assert weir(*command(market, tmp_path)).returncode == ExitCode.OK
    assert_equal(outputs_of_files(tmp_path / "out"), expected)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 9 MiB; needs the right to mount one."""
    place = tmp_path / "recovery"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_KIB}k", "weir-test", str(place)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small file system here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.soak
def test_a_full_disk_stops_the_run_with_a_clear_error_and_it_goes_on_when_there_is_room(
    market: Path, expected: Outputs, tmp_path: Path, small_disk: Path
) -> None:
    with Command(tmp_path / "run.log", *command(market, tmp_path), "--slab", "20", "--batch", "1") as run:
        first_decision(tmp_path, run)
        run.signal(signal.SIGSTOP)
        fill(small_disk / "ballast")
        run.signal(signal.SIGCONT)
        assert run.wait() == ExitCode.UNAVAILABLE, run.said
    assert "no space left on the disk of the recovery folder" in run.said and "free some" in run.said
    refused = weir(*command(market, tmp_path))
    assert refused.returncode != 0 and "no space left on its disk" in refused.stderr
    (small_disk / "ballast").unlink()
    assert weir(*command(market, tmp_path)).returncode == ExitCode.OK
    assert_equal(outputs_of_files(tmp_path / "out"), expected)


def fill(path: Path) -> None:
    """Writes until nothing more goes on the disk."""
    with path.open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(bytes(4096))
