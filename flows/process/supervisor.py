"""Starts the processes of a cluster, passes SIGTERM on to all, and restarts all when one dies.

A bytewax cluster cannot lose a member: when one process dies the others end too, and all come back from the last
snapshot that every one of them has stored.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

import msgspec

from flows.exit_codes import ExitCode
from flows.process import failure, outcome
from flows.process.failure import FINAL_CODES, Failure
from flows.process.pinning import pinned_environment
from flows.process.ports import free_addresses
from flows.process.recovery_folder import RecoveryFolder
from flows.process.worker import WorkerOrder

#: How often the supervisor looks after its children, in seconds.
POLL_SECONDS: Final = 0.02
#: The others are given this long to end by themselves when one has died, so that each can say what it died of.
GRACE_SECONDS: Final = 2.0
#: How often progress is told, in seconds.
TELL_SECONDS: Final = 0.2
#: A cluster that ran this long had a good start: the next back-off begins anew.
STABLE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """``limit`` restarts in a row (0: none), waiting ``first_seconds``, doubled up to ``longest_seconds``."""

    limit: int = 0
    first_seconds: float = 0.25
    longest_seconds: float = 30.0

    def pause(self, restarts: int) -> float:
        """Seconds to wait before restart number ``restarts`` (from 1)."""
        return float(min(self.longest_seconds, self.first_seconds * 2 ** (restarts - 1)))


@dataclass(frozen=True, slots=True)
class Cluster:
    """What to run.

    Attributes:
        builder: ``module:function``, see :class:`flows.process.worker.WorkerOrder`.
        settings: the document that the builder is given.
        processes: how many; each with ``workers`` threads.
        recovery: locked recovery folder, or None.
        epoch_seconds: length of an epoch.
        policy: what to do when a process dies.
        start_seconds: a cluster that has not come together by then is ended.
        drain_seconds: processes that have not ended this long after SIGTERM are killed (an unclean stop).
        between: called before each restart, for instance to read quarantine records anew.
        progress: told, a few times a second, how many bars the processes have decoded.
        trading: see :class:`flows.process.worker.WorkerOrder`.
    """

    builder: str
    settings: Path
    processes: int = 1
    workers: int = 1
    recovery: RecoveryFolder | None = None
    epoch_seconds: float = 1.0
    policy: RestartPolicy = RestartPolicy()
    start_seconds: float = 60.0
    drain_seconds: float = 60.0
    between: Callable[[], None] | None = None
    progress: Callable[[int], None] | None = None
    trading: bool = False


@dataclass(slots=True)
class ClusterResult:
    """How it ended. ``outcome`` adds up what the processes of the last start said."""

    exit_code: int
    restarts: int
    drained: bool
    outcome: outcome.Outcome
    failure: Failure | None = None
    pids: list[int] = field(default_factory=list)


class Supervisor:
    """Runs one cluster; :meth:`drain` may be called from a signal handler or another thread."""

    def __init__(self, cluster: Cluster, on_start: Callable[[list[int]], None] | None = None) -> None:
        self._cluster = cluster
        self._on_start = on_start
        self._draining = threading.Event()
        self._children: list[subprocess.Popen[bytes]] = []
        self._told = 0.0

    def drain(self) -> None:
        """Asks every process to stop in order."""
        self._draining.set()

    def run(self) -> ClusterResult:
        """Runs the cluster to its end: finished, drained, or failed for good."""
        restarts, in_a_row = 0, 0
        while True:
            with tempfile.TemporaryDirectory(prefix="weir-cluster-") as folder:
                started = time.monotonic()
                try:
                    result = self._once(Path(folder), restarts)
                finally:
                    self._kill()
            result.restarts = restarts
            if result.exit_code == 0 or self._draining.is_set():
                return result
            in_a_row = 1 if time.monotonic() - started > STABLE_SECONDS else in_a_row + 1
            if (result.failure is not None and result.failure.final) or in_a_row > self._cluster.policy.limit:
                return result
            restarts += 1
            self._say(result, restarts)
            if self._draining.wait(self._cluster.policy.pause(in_a_row)):
                return result
            if self._cluster.between is not None:
                self._cluster.between()

    def _say(self, result: ClusterResult, restarts: int) -> None:
        why = result.failure.message if result.failure else f"exit code {result.exit_code}"
        print(f"weir: a process ended ({why}); restart {restarts} of the whole cluster", file=sys.stderr, flush=True)

    def _once(self, folder: Path, attempt: int) -> ClusterResult:
        self._start(folder, attempt)
        if self._on_start is not None:
            self._on_start([child.pid for child in self._children])
        problem = self._watch(folder)
        codes = [child.wait() for child in self._children]
        said = outcome.Outcome()
        for number in range(self._cluster.processes):
            path = folder / f"outcome-{number}.json"
            if path.exists():
                said.merge(outcome.read(path))
        if problem is None and any(codes):
            problem = _explain(folder, codes)
        code = ExitCode.OK if problem is None else problem.exit_code
        return ClusterResult(code, 0, self._draining.is_set(), said, problem, [c.pid for c in self._children])

    def _start(self, folder: Path, attempt: int) -> None:
        cluster = self._cluster
        addresses = free_addresses(cluster.processes, attempt) if cluster.processes > 1 else []
        inherited = () if cluster.recovery is None else (cluster.recovery.descriptor,)
        self._children = []
        for number in range(cluster.processes):
            order = WorkerOrder(
                builder=cluster.builder,
                settings=str(cluster.settings),
                addresses=addresses,
                process=number,
                workers=cluster.workers,
                recovery_folder=None if cluster.recovery is None else str(cluster.recovery.snapshots),
                epoch_seconds=cluster.epoch_seconds,
                parent=os.getpid(),
                folder=str(folder),
                trading=cluster.trading,
            )
            path = folder / f"order-{number}.json"
            path.write_bytes(msgspec.json.encode(order))
            # A session of its own: Ctrl-C reaches the supervisor alone, which passes it on as a drain.
            self._children.append(
                subprocess.Popen(
                    [sys.executable, "-m", "flows.process.worker", str(path)],
                    env={**os.environ, **pinned_environment()},
                    pass_fds=inherited,
                    stdin=subprocess.DEVNULL,
                    stdout=2,
                    start_new_session=True,
                )
            )

    def _watch(self, folder: Path) -> Failure | None:
        """Waits until all have ended; returns what the supervisor itself had to end the cluster for."""
        started = time.monotonic()
        asked: float | None = None
        ready = False
        while any(child.poll() is None for child in self._children):
            now = time.monotonic()
            if any(child.returncode for child in self._children):
                self._give_grace()
                return None
            self._tell_progress(folder)
            ready = ready or all((folder / f"ready-{n}").exists() for n in range(self._cluster.processes))
            if self._draining.is_set() and asked is None and (ready or now - started > self._cluster.start_seconds):
                # Before it is ready a process has no handler yet and would die without a snapshot.
                asked = now
                self._signal(signal.SIGTERM)
            if asked is not None and now - asked > self._cluster.drain_seconds:
                return self._ended(f"did not drain within {self._cluster.drain_seconds:g} s")
            if not ready and asked is None and now - started > self._cluster.start_seconds:
                return self._ended(f"did not come together within {self._cluster.start_seconds:g} s")
            time.sleep(POLL_SECONDS)
        return None

    def _tell_progress(self, folder: Path) -> None:
        if self._cluster.progress is None or time.monotonic() - self._told < TELL_SECONDS:
            return
        self._told = time.monotonic()
        files = [folder / f"progress-{n}" for n in range(self._cluster.processes)]
        self._cluster.progress(sum(int(file.read_text()) for file in files if file.exists()))

    def _ended(self, why: str) -> Failure:
        self._kill()
        return Failure(exit_code=ExitCode.FAILED, message=f"the cluster {why} and was killed; start it again")

    def _give_grace(self) -> None:
        deadline = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < deadline and any(child.poll() is None for child in self._children):
            time.sleep(POLL_SECONDS)
        self._kill()

    def _signal(self, number: signal.Signals) -> None:
        for child in self._children:
            if child.poll() is None:
                child.send_signal(number)

    def _kill(self) -> None:
        self._signal(signal.SIGKILL)
        for child in self._children:
            child.wait()


def _explain(folder: Path, codes: list[int]) -> Failure:
    """The cause among several deaths: a final error, then a hang, then a first cause, then what merely followed."""
    left = [failure.read(folder / f"failure-{number}.json") for number in range(len(codes))]
    said = [f for f in left if f is not None]
    told = [f for f in said if f.final] or [f for f in said if f.exit_code == ExitCode.HANG]
    told = told or [f for f in said if f.cause]
    if told:
        return told[0]
    for number, code in enumerate(codes):
        if code < 0:
            name = signal.Signals(-code).name
            return Failure(exit_code=ExitCode.FAILED, message=f"process {number} was ended by {name}")
        if left[number] is None and code:
            final = code in FINAL_CODES
            return Failure(exit_code=code, message=f"process {number} ended with exit code {code}", final=final)
    if said:
        return said[0]
    return Failure(exit_code=ExitCode.FAILED, message="a process ended without a word")


@contextmanager
def draining_on_signals(supervisor: Supervisor) -> Iterator[None]:
    """SIGTERM and SIGINT drain the cluster while the context lasts; only in the main thread."""

    def handler(_number: int, _frame: FrameType | None) -> None:
        supervisor.drain()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def run_cluster(cluster: Cluster, on_start: Callable[[list[int]], None] | None = None) -> ClusterResult:
    """Runs a cluster in the foreground; signals to this process drain it. ``on_start`` gets the process ids."""
    supervisor = Supervisor(cluster, on_start)
    with draining_on_signals(supervisor):
        return supervisor.run()
