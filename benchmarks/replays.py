"""From a dump: the plain loop, the whole of Weir, strategies bar by bar, two processes, memory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.job import SYMBOLS, Changes
from benchmarks.processes import Program
from benchmarks.weir_job import (
    Replayed,
    announce_strategies,
    intent_changes,
    replay,
    write_configuration,
    write_inputs,
)

#: Strategy over blocks, and bar by bar.
BLOCKS, PER_SYMBOL = "bench_sma", "bench_sma_per_symbol"


@dataclass(frozen=True, slots=True)
class Measured:
    """Medians of a variant's runs: seconds of CPU and wall beyond those of a run without bars, and the largest peak."""

    cpu: float
    wall: float
    peak_mib: float
    orders: int
    #: of each run, to the loop that ran just before it
    ratio: float


#: Cycles of the run that compiles what is not compiled yet, of the one that stands for an empty run (it loads what a
#: run loads), and of the two that memory is compared over.
_FIRST, _LEAST, _SHORT, _LONG = 100, 1, 600, 6_000


class Replays:
    """The job in one folder.

    Args:
        folder: for inputs and outputs.
        count: cycles of the job.
        repeats: how often each variant runs; medians are reported.
    """

    def __init__(self, folder: Path, count: int, repeats: int) -> None:
        self._folder, self._count, self.bars, self._repeats = folder, count, count * SYMBOLS, repeats
        self.site = announce_strategies(folder)
        for name in (BLOCKS, PER_SYMBOL):
            write_configuration(folder / f"{name}.yaml", f"{name}@1.0.0")
        self.lines = folder / f"job-{count}-1" / "bars.jsonl"
        self.dump = self._dump(count, 1)
        self.wanted = Changes(0, 0)
        self.loop_orders = 0

    def _dump(self, count: int, partitions: int) -> Path:
        """A dump of so many cycles, made when it is first asked for."""
        folder = self._folder / f"job-{count}-{partitions}"
        if not folder.exists():
            folder.mkdir()
            write_inputs(folder, count, partitions)
        return folder / f"dump-{partitions}"

    def loop(self) -> float:
        """CPU seconds of the baseline, by its own account."""
        program = Program("benchmarks.plain_loop", self.lines, self._folder / "loop.jsonl")
        program.finish()
        account: dict[str, Any] = json.loads(program.last_line())
        self.wanted = Changes(account["changes"], account["checksum"])
        self.loop_orders = account["orders"]
        return float(account["cpu_seconds"])

    def weir(self, strategy: str, *, partitions: int = 1, processes: int = 0) -> Measured:
        """Loop and Weir in turn; raises AssertionError when Weir's intents are not the loop's."""
        options = ("--processes", str(processes)) if processes else ()
        self._replay(self._dump(_FIRST, partitions), strategy, *options)
        least = self._dump(_LEAST, partitions)
        idle = [self._replay(least, strategy, *options).usage for _ in range(self._repeats)]
        idle_cpu, idle_wall = (median(getattr(u, name) for u in idle) for name in ("cpu_seconds", "wall_seconds"))
        loops: list[float] = []
        runs: list[Replayed] = []
        for _ in range(self._repeats):
            loops.append(self.loop())
            runs.append(self._replay(self._dump(self._count, partitions), strategy, *options))
            self._check(strategy)
        cpu = [run.usage.cpu_seconds - idle_cpu for run in runs]
        return Measured(
            cpu=median(cpu),
            wall=median(run.usage.wall_seconds for run in runs) - idle_wall,
            peak_mib=max(run.usage.peak_mib for run in runs),
            orders=runs[0].account["orders"],
            ratio=median(own / loop for own, loop in zip(cpu, loops, strict=True)),
        )

    def peaks(self) -> tuple[float, float]:
        """Peak MiB of a run, and of one over ten times the bars."""
        dumps = (self._dump(_SHORT, 1), self._dump(_LONG, 1))
        short, long = (median(self._replay(d, BLOCKS).usage.peak_mib for _ in range(self._repeats)) for d in dumps)
        return short, long

    def _replay(self, dump: Path, strategy: str, *options: str) -> Replayed:
        return replay(dump, self._folder / f"{strategy}.yaml", self._folder / "out", self.site, *options)

    def _check(self, name: str) -> None:
        check(name, Changes.of(intent_changes(self._folder / "out")), self.wanted)


def check(name: str, found: Changes, wanted: Changes) -> None:
    """Equal work: raises AssertionError when a run's intent changes are not the loop's one for one."""
    if found != wanted:
        raise AssertionError(f"{name}: {found} intent changes, the loop has {wanted}")
