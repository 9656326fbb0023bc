"""Programs in processes of their own, and what the system says they used."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a program used, all its processes together; ``peak_mib`` is the largest resident set of any of them."""

    cpu_seconds: float
    wall_seconds: float
    peak_mib: float


class Program:
    """``python -m MODULE ARGUMENTS`` from the project's root; its output waits in files, so that nothing blocks it."""

    def __init__(self, *arguments: str | Path, path: tuple[Path, ...] = ()) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="weir-bench-")
        self._out, self._errors = (Path(self._folder.name) / name for name in ("out", "errors"))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, *path)))}
        self._command = [sys.executable, "-m", *map(str, arguments)]
        self._started = time.monotonic()
        with self._out.open("wb") as out, self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=errors
            )

    def ended(self) -> bool:
        """Whether it is over; what it used is still to be taken."""
        state = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state == "Z"

    def stop(self) -> None:
        """Asks it to end, as an operator does."""
        self._process.send_signal(signal.SIGTERM)

    def finish(self) -> Usage:
        """Waits for its end; raises RuntimeError with its own words when it failed."""
        _, status, used = os.wait4(self._process.pid, 0)
        wall = time.monotonic() - self._started
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._process.returncode != 0:
            raise RuntimeError(
                f"{' '.join(self._command)} ended with {self._process.returncode}: {self.said()[-2000:]}"
            )
        return Usage(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1024)

    def last_line(self) -> bytes:
        """The last line of its output."""
        return self._out.read_bytes().strip().rpartition(b"\n")[2]

    def said(self) -> str:
        """What it wrote to standard error."""
        return self._errors.read_text(errors="replace")
