"""``weir`` as real processes that tests start, kill, stop and continue; nothing waits without a deadline."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

ROOT: Final = Path(__file__).resolve().parents[2]
#: Longest that anything may take on a busy machine, in seconds.
DEADLINE: Final = 240.0


def eventually(what: str, condition: Callable[[], bool], seconds: float = DEADLINE) -> None:
    """Returns once ``condition`` holds; fails naming ``what`` when it does not within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.02)


def environment(**changes: str) -> dict[str, str]:
    """This process' environment with ``changes``; without the crash point that it may have itself.

    Compiled modules may be kept: these tests start hundreds of processes.
    """
    left_out = ("PYTHONDONTWRITEBYTECODE", "WEIR_CRASH_POINT")
    return {name: value for name, value in os.environ.items() if name not in left_out} | changes


def weir(*arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs a ``weir`` command to its end; ``more`` is added to its environment."""
    command = [sys.executable, "-m", "flows", *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
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


class Command:
    """A ``weir`` command that a test watches while it runs; as a context it never outlives its block.

    Args:
        log: file for what it says.
        arguments: the command line, without ``weir``.
        more: added to its environment.
    """

    def __init__(self, log: Path, *arguments: str | Path, **more: str) -> None:
        self._log, self._arguments, self._environment = log, arguments, more
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self if self._process is not None else self.launch()

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()

    def launch(self) -> Self:
        """Starts it."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "flows", *map(str, self._arguments)],
                cwd=ROOT,
                env=environment(**self._environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    @property
    def pid(self) -> int:
        """The process id of the command itself."""
        assert self._process is not None
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the command has ended."""
        return self._process is None or self._process.poll() is not None

    @property
    def said(self) -> str:
        """All that was written to the log so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def processes(self) -> list[int]:
        """Process ids of what it started, without itself."""
        return [] if self.ended else children_of(self.pid)

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to it and to every process of it."""
        for pid in [*self.processes(), self.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """kill -9 of all of it, as a power cut would; nothing when it has ended."""
        if self.ended:
            return
        pids = [self.pid, *self.processes()]
        self.signal(signal.SIGKILL)
        self.wait()
        eventually("the killed processes are gone", lambda: not any(_alive(pid) for pid in pids))

    def stop(self) -> int:
        """SIGTERM, as an operator would; returns the exit code."""
        os.kill(self.pid, signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Waits for its end and returns the exit code."""
        assert self._process is not None
        return self._process.wait(DEADLINE)


class LiveCluster(Command):
    """One ``weir run``: a supervisor and its processes.

    Args:
        configuration: configuration file.
        recovery: recovery folder.
        log: file for what it says.
    """

    def __init__(self, configuration: Path, recovery: Path, log: Path) -> None:
        self._fixed = ("run", "--json", "--config", configuration, "--recovery", recovery)
        super().__init__(log)

    def start(
        self, processes: int = 1, workers: int = 1, *, restarts: int = 0, crash_point: str | None = None, **more: str
    ) -> Self:
        """Starts it; ``crash_point`` lets the first process that gets there die, ``more`` goes to the environment."""
        shape = ("--processes", str(processes), "--workers", str(workers), "--restarts", str(restarts))
        self._arguments = (*self._fixed, *shape)
        self._environment = more if crash_point is None else more | {"WEIR_CRASH_POINT": crash_point}
        return self.launch()


def _alive(pid: int) -> bool:
    """Whether a process exists and is no zombie of the process table."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
