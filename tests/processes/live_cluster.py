"""``weir run`` as real processes that tests start, kill, stop and continue; nothing waits without a deadline."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
#: Longest that anything may take on a busy machine, in seconds.
DEADLINE: Final = 90.0


def eventually(what: str, condition: Callable[[], bool], seconds: float = DEADLINE) -> None:
    """Returns once ``condition`` holds; fails naming ``what`` when it does not within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.02)


def weir(*arguments: str | Path, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a ``weir`` command to its end."""
    command = [sys.executable, "-m", "flows", *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def children_of(pid: int) -> list[int]:
    """Every descendant of a process, as Linux tells."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *children_of(child)]
    return found


class LiveCluster:
    """One ``weir run``: a supervisor and its processes.

    Args:
        configuration: configuration file.
        recovery: recovery folder.
        log: file for what it says.
    """

    def __init__(self, configuration: Path, recovery: Path, log: Path) -> None:
        self._configuration, self._recovery, self._log = configuration, recovery, log
        self._supervisor: subprocess.Popen[bytes] | None = None

    def start(
        self,
        processes: int = 1,
        workers: int = 1,
        *,
        restarts: int = 0,
        crash_point: str | None = None,
        environment: dict[str, str] | None = None,
    ) -> LiveCluster:
        """Starts it; ``crash_point`` lets the first process that gets there die."""
        own = dict(os.environ) | (environment or {})
        own.pop("WEIR_CRASH_POINT", None)
        if crash_point is not None:
            own["WEIR_CRASH_POINT"] = crash_point
        command = [sys.executable, "-m", "flows", "run", "--config", str(self._configuration)]
        command += ["--recovery", str(self._recovery), "--restarts", str(restarts), "--json"]
        command += ["--processes", str(processes), "--workers", str(workers)]
        with self._log.open("ab") as log:
            self._supervisor = subprocess.Popen(
                command, cwd=ROOT, env=own, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        return self

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        assert self._supervisor is not None
        return self._supervisor.pid

    @property
    def ended(self) -> bool:
        """Whether the supervisor has ended."""
        return self._supervisor is None or self._supervisor.poll() is not None

    @property
    def said(self) -> str:
        """All that was written to the log so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def processes(self) -> list[int]:
        """Process ids of the cluster's processes, without the supervisor."""
        return [] if self.ended else children_of(self.pid)

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the supervisor and every process."""
        for pid in [*self.processes(), self.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """kill -9 of the whole cluster, as a power cut would."""
        if self.ended:
            return
        pids = [self.pid, *self.processes()]
        self.signal(signal.SIGKILL)
        self.wait()
        eventually("the killed processes are gone", lambda: not any(_alive(pid) for pid in pids))

    def stop(self) -> int:
        """SIGTERM to the supervisor, as an operator would; returns the exit code."""
        os.kill(self.pid, signal.SIGTERM)
        return self.wait()

    def wait(self, seconds: float = DEADLINE) -> int:
        """Waits for its end and returns the exit code."""
        assert self._supervisor is not None
        return self._supervisor.wait(seconds)


def _alive(pid: int) -> bool:
    """Whether a process exists and is no zombie of the process table."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextlib.contextmanager
def killed_at_the_end(*clusters: LiveCluster) -> Iterator[None]:
    """Nothing of these clusters outlives the block."""
    try:
        yield
    finally:
        for cluster in clusters:
            if cluster._supervisor is not None:
                cluster.kill()
