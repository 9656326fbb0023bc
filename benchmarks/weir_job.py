"""The job through the whole of Weir: dump, configuration, ``weir replay`` in processes of its own, what came out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import yaml

from benchmarks.job import START, STEP, SYMBOLS, WINDOWS, Change, cycles
from benchmarks.processes import Program, Usage
from flows.dump.manifest import Instrument, Manifest
from flows.dump.records import Records
from flows.dump.writer import DumpWriter
from schemas.partitioning import partition_rule

NAMES = [f"SYM{s:03d}" for s in range(SYMBOLS)]
_CYCLES_AT_ONCE = 100


def write_inputs(folder: Path, count: int, partitions: int = 1) -> tuple[Path, Path]:
    """The job's bars as JSON lines for the loop, and as a dump (Parquet, lz4, JSON payloads) for Weir."""
    lines, dump = folder / "bars.jsonl", folder / f"dump-{partitions}"
    place = partition_rule("murmur2", partitions)
    part_of = {name.encode(): place(name) for name in NAMES}
    writer = DumpWriter(dump, Manifest(cycle_seconds=60, interval="1m", source="benchmark"), compression="lz4")
    offsets = [0] * partitions
    waiting: list[list[bytes | None]] = [[] for _ in range(partitions)]
    times: list[list[int]] = [[] for _ in range(partitions)]

    def flush() -> None:
        for p in range(partitions):
            n = len(waiting[p])
            positions = np.arange(offsets[p], offsets[p] + n, dtype=np.int64)
            writer.append("market", p, Records(positions, np.array(times[p], np.int64), waiting[p]))
            offsets[p] += n
            waiting[p], times[p] = [], []

    with lines.open("wb") as file:
        for number, (ts, bars) in enumerate(cycles(count)):
            file.writelines(bar + b"\n" for bar in bars)
            for bar in bars:
                p = part_of[bar[11:17]]
                waiting[p].append(bar)
                times[p].append(ts)
            if number % _CYCLES_AT_ONCE == _CYCLES_AT_ONCE - 1:
                flush()
    tick = json.dumps({"type": "clock_tick", "v": 1, "ts": START + count * STEP}).encode()
    for p in range(partitions):
        waiting[p].append(tick)
        times[p].append(START + count * STEP)
    flush()
    listed = [
        Instrument(
            symbol=name, tick=0.01, lot=1.0, interval="1m", listed_from=START, participation=True, currency="USD"
        )
        for name in NAMES
    ]
    writer.close(listed, {"market": partitions})
    return lines, dump


def document(strategy: str) -> dict[str, Any]:
    """Three pods, one strategy each; the job's cap is lifted and the default guards are too wide to bind."""
    pods = [
        {
            "id": f"pod{k}",
            "schedules": [{"id": f"s{k}", "strategy": strategy, "parameters": {"fast": fast, "slow": slow}}],
        }
        for k, (fast, slow) in enumerate(WINDOWS)
    ]
    capital = 1_000_000_000.0
    portfolio = {"id": "bench", "initial_equity": capital, "reference_capital": capital, "pods": pods}
    return {
        "instruments": "from_dump",
        "time": {"cycle_seconds": "from_dump"},
        "topics": {"market": {"partitions": "from_dump"}},
        "portfolios": [portfolio],
    }


def write_configuration(path: Path, strategy: str) -> None:
    """The job as a replay reads it."""
    path.write_text(yaml.safe_dump(document(strategy), sort_keys=False))


def announce_strategies(folder: Path) -> Path:
    """A folder that makes Python see the benchmark's strategies as installed, without installing anything."""
    metadata = folder / "site" / "weir_benchmarks-1.0.0.dist-info"
    metadata.mkdir(parents=True, exist_ok=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: weir-benchmarks\nVersion: 1.0.0\n")
    (metadata / "entry_points.txt").write_text(
        "[weir.strategies]\n"
        "bench_sma@1.0.0 = benchmarks.bench_sma:BenchSma\n"
        "bench_sma_per_symbol@1.0.0 = benchmarks.bench_sma:BenchSmaPerSymbol\n"
    )
    return metadata.parent


@dataclass(frozen=True, slots=True)
class Replayed:
    """A ``weir replay``: its own account, and what the system says it used."""

    account: dict[str, Any]
    usage: Usage


def replay(dump: Path, configuration: Path, out: Path, site: Path, *options: str) -> Replayed:
    """One ``weir replay`` in a process of its own; raises RuntimeError with its own words when it fails."""
    program = Program(
        "flows", "replay", "--dump", dump, "--config", configuration, "--out", out,
        "--no-clickhouse", "--no-report", "--json", *options, path=(site,),
    )  # fmt: skip
    usage = program.finish()
    return Replayed(json.loads(program.last_line()), usage)


class _Table(msgspec.Struct):
    schedule: list[str]
    symbol: list[str]
    direction: list[str]


class _Body(msgspec.Struct):
    cycle: int
    intents: _Table | None = None


class _Record(msgspec.Struct):
    body: _Body


_DECODE = msgspec.json.Decoder(_Record).decode
_SIDES = {"long": 1, "short": -1, "flat": 0}


def changes_of(decision: bytes) -> Iterator[Change]:
    """The intents of one decision record, as the loop tells its own."""
    body = _DECODE(decision).body
    if body.intents is not None:
        table = body.intents
        for schedule, symbol, direction in zip(table.schedule, table.symbol, table.direction, strict=True):
            yield body.cycle, int(symbol[3:]), int(schedule[1:]), _SIDES[direction]


def intent_changes(out: Path) -> Iterator[Change]:
    """The intents of a replay's decisions."""
    with (out / "decisions.jsonl").open("rb") as file:
        for line in file:
            yield from changes_of(line)
