"""The job from a real Kafka, one JSON bar a message, to orders in a topic."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

from benchmarks.job import SYMBOLS, Change, Changes
from benchmarks.live_job import DEADLINE, LiveJob, values
from benchmarks.processes import Program, Usage
from benchmarks.replays import BLOCKS, Measured, Replays, check
from benchmarks.weir_job import changes_of

#: How long a flow without a bar runs, once its process is there.
_IDLE_SECONDS = 3.0


def from_kafka(folder: Path, servers: str, job: Replays, repeats: int) -> Measured:
    """Loop and ``weir run`` in turn; raises AssertionError when Weir's intents are not the loop's."""
    idle = [_idle(folder, servers, job.site, n) for n in range(repeats)]
    loops: list[float] = []
    runs: list[tuple[Usage, int]] = []
    for number in range(repeats):
        loops.append(job.loop())
        runs.append(_run(folder, servers, job, number))
    cpu = [usage.cpu_seconds - median(u.cpu_seconds for u in idle) for usage, _ in runs]
    return Measured(
        cpu=median(cpu),
        wall=median(usage.wall_seconds for usage, _ in runs),
        peak_mib=max(usage.peak_mib for usage, _ in runs),
        orders=runs[0][1],
        ratio=median(own / loop for own, loop in zip(cpu, loops, strict=True)),
    )


def _idle(folder: Path, servers: str, site: Path, number: int) -> Usage:
    program = LiveJob(folder, f"idle{number}", servers, BLOCKS).weir(site)
    time.sleep(_IDLE_SECONDS)
    program.stop()
    return program.finish()


def _run(folder: Path, servers: str, job: Replays, number: int) -> tuple[Usage, int]:
    """What one run used, and how many orders it wrote."""
    live = LiveJob(folder, f"job{number}", servers, BLOCKS)
    live.publish(job.bars // SYMBOLS)
    program = live.weir(job.site)
    changes = _changes(live, program, job.wanted.count)
    check("from Kafka", Changes.of(changes), job.wanted)
    program.stop()
    usage = program.finish()
    return usage, _orders(live)


def _changes(live: LiveJob, program: Program, wanted: int) -> list[Change]:
    """The intent changes of the decisions topic, once there are as many as wanted."""
    consumer, found = live.reader("decisions"), list[Change]()
    deadline = time.monotonic() + DEADLINE
    while len(found) < wanted and time.monotonic() < deadline and not program.ended():
        for value in values(consumer.consume(1000, 0.2)):
            found += changes_of(value)
    consumer.close()
    return found


def _orders(live: LiveJob) -> int:
    """Orders in their topic."""
    consumer, count = live.reader("orders"), 0
    while found := values(consumer.consume(10_000, 2.0)):
        count += len(found)
    consumer.close()
    return count
