"""``python -m benchmarks [--quick] [--cycles N]``: every figure, and as the last line one JSON object of them."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.from_kafka import from_kafka
from benchmarks.latency import SIDE_LAG, Latency, latency
from benchmarks.processes import Program
from benchmarks.replays import BLOCKS, PER_SYMBOL, Measured, Replays
from flows.kafka.local_broker import LocalBroker, external_bootstrap_servers, free_port

_RATES = (20_000, 100_000)


def main() -> None:
    """Runs every measurement and prints it as it comes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Weir beside the plain loop")
    parser.add_argument("--quick", action="store_true", help="200,000 bars instead of a million, each run once")
    parser.add_argument("--dump-only", action="store_true", help="nothing that needs Kafka")
    parser.add_argument("--cycles", type=int, help="cycles of 100 bars")
    given = parser.parse_args()
    count = given.cycles or (2_000 if given.quick else 10_000)
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as name:
        folder = Path(name)
        repeats = 1 if given.quick else 3
        replays = Replays(folder, count, repeats)
        report = _from_dump(replays) | _snapshots(replays, folder)
        if not given.dump_only:
            with _broker(folder / "kafka") as servers:
                report |= _from_kafka(folder, servers, replays, repeats)
                report |= _latencies(folder, servers, replays.site, 5.0 if given.quick else 30.0)
    print(json.dumps(report))


@contextmanager
def _broker(folder: Path) -> Iterator[str]:
    """Bootstrap servers of the cluster that the environment names, or of one for this run."""
    outside = external_bootstrap_servers()
    if outside:
        yield outside
        return
    broker = LocalBroker()
    broker.start(free_port(), folder)
    try:
        yield broker.bootstrap_servers
    finally:
        broker.stop()


def _from_dump(replays: Replays) -> dict[str, Any]:
    whole = replays.weir(BLOCKS)
    loop = whole.cpu / whole.ratio / replays.bars * 1e6
    print(f"{'plain loop':26}{loop:7.2f} CPU s/M{'':14}{replays.loop_orders} orders", flush=True)
    _row("weir, dump", whole, replays)
    per_symbol = replays.weir(PER_SYMBOL)
    _row("weir, on_bar", per_symbol, replays)
    one = replays.weir(BLOCKS, partitions=2, processes=1)
    _row("weir, 2 partitions", one, replays)
    two = replays.weir(BLOCKS, partitions=2, processes=2)
    _row("weir, 2 processes", two, replays)
    short, long = replays.peaks()
    growth = long / short - 1
    print(f"peak memory: {short:.0f} MiB, over ten times the bars {long:.0f} ({growth:+.1%})")
    return {
        "loop_cpu_s_per_million": round(loop, 3),
        "dump_cpu_s_per_million": round(whole.cpu / replays.bars * 1e6, 3),
        "ratio_dump": round(whole.ratio, 3),
        "ratio_on_bar": round(per_symbol.ratio, 3),
        "scale_2_processes": round(one.wall / two.wall, 2),
        "cpu_2_processes": round(two.cpu / one.cpu, 2),
        "peak_mib": round(whole.peak_mib),
        "peak_growth_10x": round(growth, 3),
        "orders": {"loop": replays.loop_orders, "weir": whole.orders},
        "intent_changes": replays.wanted.count,
        "intent_checksum": replays.wanted.checksum,
    }


def _snapshots(replays: Replays, folder: Path) -> dict[str, Any]:
    program = Program("benchmarks.snapshot_stall", replays.dump, folder / f"{BLOCKS}.yaml", path=(replays.site,))
    program.finish()
    stalls = json.loads(program.last_line())
    told = ", ".join(f"{key} {p50:.2f}/{p99:.2f}" for key, (p50, p99) in stalls.items())
    print(f"snapshot stall of 100 symbols, ms p50/p99: {told}", flush=True)
    return {"snapshot_stall_p50_ms": stalls["all"][0], "snapshot_stall_p99_ms": stalls["all"][1]}


def _from_kafka(folder: Path, servers: str, replays: Replays, repeats: int) -> dict[str, Any]:
    measured = from_kafka(folder, servers, replays, repeats)
    _row("weir, Kafka", measured, replays)
    return {"ratio_kafka": round(measured.ratio, 3)}


def _latencies(folder: Path, servers: str, site: Path, seconds: float) -> dict[str, Any]:
    measured = [latency(folder, servers, site, rate, seconds) for rate in _RATES]
    for found in measured:
        _latency_rows(found)
    first = measured[0]
    report: dict[str, Any] = {
        "latency_p50_ms": round(first.p50, 2),
        "latency_p99_ms": round(first.p99, 2),
        "side_lag_seconds": SIDE_LAG,
        "evaluation_p99_ms": first.evaluation_p99,
    }
    for found in measured:
        report[f"latency_{found.rate}"] = {
            "attained": round(found.attained),
            "p50_ms": round(found.p50, 2),
            "p99_ms": round(found.p99, 2),
            "broker_p50_ms": round(found.broker_p50, 2),
            "broker_p99_ms": round(found.broker_p99, 2),
            "stage_mean_ms": {stage: round(mean, 3) for stage, mean in found.stages.items()},
        }
    return report


def _latency_rows(found: Latency) -> None:
    print(
        f"latency at {found.rate} bars/s (came to {found.attained:.0f}), side_lag {SIDE_LAG:g} s, {found.cycles} cycles"
    )
    print(f"  bar in to orders out: p50 {found.p50:.1f} ms, p99 {found.p99:.1f} ms")
    print(f"  a record through the broker alone: p50 {found.broker_p50:.1f} ms, p99 {found.broker_p99:.1f} ms")
    stages = ", ".join(f"{stage} {mean:.2f}" for stage, mean in found.stages.items())
    print(f"  mean of a call: {stages} ms")
    print(f"  strategy evaluation of a symbol batch: p99 within {found.evaluation_p99:g} ms", flush=True)


def _row(name: str, found: Measured, replays: Replays) -> None:
    print(
        f"{name:26}{found.cpu / replays.bars * 1e6:7.2f} CPU s/M   ratio {found.ratio:.2f} {found.orders} orders"
        f"   {found.wall:.1f} s wall   {found.peak_mib:.0f} MiB",
        flush=True,
    )


if __name__ == "__main__":
    main()
