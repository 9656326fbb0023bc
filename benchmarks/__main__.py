"""``python -m benchmarks [--quick] [--cycles N]``: Weir beside the plain loop; the last line is one JSON object."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.job import SYMBOLS, Changes
from benchmarks.weir_job import announce_strategies, intent_changes, replay, write_configuration, write_inputs

_ROOT = Path(__file__).parents[1]


class Bench:
    """One job in one folder, run by the loop and by Weir in several ways."""

    def __init__(self, folder: Path, count: int) -> None:
        self._folder, self._bars = folder, count * SYMBOLS
        self._site = announce_strategies(folder)
        for name in ("bench_sma", "bench_sma_per_symbol"):
            write_configuration(folder / f"{name}.yaml", f"{name}@1.0.0")
        self.lines, self._dump = write_inputs(folder, count)
        (folder / "two").mkdir()
        _, self._split = write_inputs(folder / "two", count, 2)
        (folder / "small").mkdir()
        _, self._small = write_inputs(folder / "small", 100)
        (folder / "empty").mkdir()
        _, self._empty = write_inputs(folder / "empty", 0)
        self._idle: dict[tuple[str, int], float] = {}

    def _replay(self, dump: Path, strategy: str, name: str, *options: str) -> dict[str, Any]:
        configuration = self._folder / f"{strategy}.yaml"
        return replay(dump, configuration, self._folder / f"out-{name}", self._site, *options)

    def _idle_seconds(self, strategy: str, processes: int, options: tuple[str, ...]) -> float:
        """CPU of a run without bars; the run before it compiles whatever is not compiled yet."""
        if (strategy, processes) not in self._idle:
            self._replay(self._small, strategy, "warm", *options)
            idle = self._replay(self._empty, strategy, "idle", *options)
            self._idle[strategy, processes] = idle["process_cpu_seconds"]
        return self._idle[strategy, processes]

    def loop(self) -> dict[str, Any]:
        """The baseline's own account."""
        command = [sys.executable, "-m", "benchmarks.plain_loop", str(self.lines), str(self._folder / "loop.jsonl")]
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True)
        account: dict[str, Any] = json.loads(done.stdout)
        return account

    def weir(self, strategy: str, wanted: dict[str, Any], *, split: bool = False, processes: int = 0) -> dict[str, Any]:
        """Weir's account of the same job; raises AssertionError when its intents are not the loop's."""
        name = f"{strategy}-{int(split)}-{processes}"
        options = ("--processes", str(processes)) if processes else ()
        idle = self._idle_seconds(strategy, processes, options)
        result = self._replay(self._split if split else self._dump, strategy, name, *options)
        found = Changes.of(intent_changes(self._folder / f"out-{name}"))
        if (found.count, found.checksum) != (wanted["changes"], wanted["checksum"]):
            raise AssertionError(f"{name}: {found} intent changes, the loop has {wanted}")
        result["cpu"] = result["process_cpu_seconds"] - idle
        return result

    def per_million(self, cpu: float) -> float:
        """CPU seconds for a million bars."""
        return cpu / self._bars * 1e6


def main() -> None:
    """Runs every variant and prints its numbers."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Weir beside the plain loop")
    parser.add_argument("--quick", action="store_true", help="200,000 bars instead of a million")
    parser.add_argument("--dump-only", action="store_true", help="only the plain loop and one process from a dump")
    parser.add_argument("--cycles", type=int, help="cycles of 100 bars")
    given = parser.parse_args()
    count = given.cycles or (2_000 if given.quick else 10_000)
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        _run(Bench(Path(folder), count), given.dump_only)


def _run(bench: Bench, dump_only: bool) -> None:
    loop = bench.loop()
    base = loop["cpu_seconds"]
    print(f"plain loop              {bench.per_million(base):6.2f} CPU s/M   {loop['orders']} orders")
    report: dict[str, Any] = {}
    single = split = {}
    for label, key, strategy, is_split, processes in (
        ("weir, dump", "ratio_dump", "bench_sma", False, 0),
        ("weir, on_bar", "ratio_on_bar", "bench_sma_per_symbol", False, 0),
        ("weir, 1 of 2 partitions", "", "bench_sma", True, 1),
        ("weir, 2 processes", "", "bench_sma", True, 2),
    ):
        if dump_only and key != "ratio_dump":
            continue
        result = bench.weir(strategy, loop, split=is_split, processes=processes)
        ratio = result["cpu"] / base
        print(
            f"{label:23} {bench.per_million(result['cpu']):6.2f} CPU s/M   ratio {ratio:.2f}  {result['orders']} orders"
            f"   {result['wall_seconds']:.1f} s wall   {result['peak_mib']:.0f} MiB"
        )
        if key:
            report[key] = round(ratio, 3)
        if processes == 1:
            single = result
        if processes == 2:
            split = result
        if key == "ratio_dump":
            report["peak_mib"] = round(result["peak_mib"])
    if single and split:
        report["scale_2_processes"] = round(single["wall_seconds"] / split["wall_seconds"], 2)
        report["cpu_2_processes"] = round(split["cpu"] / single["cpu"], 2)
    report |= {"ratio_kafka": None, "latency_p50_ms": None, "latency_p99_ms": None}
    print(json.dumps(report))


if __name__ == "__main__":
    main()
