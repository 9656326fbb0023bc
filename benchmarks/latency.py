"""Latency live: from the last bar of a cycle on its way to the topic, to the cycle's orders read from theirs."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from confluent_kafka import Consumer
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.job import SYMBOLS
from benchmarks.live_job import LiveJob, values
from benchmarks.processes import Program
from benchmarks.replays import BLOCKS
from flows.kafka.local_broker import free_port

#: Seconds of event time that control messages lag; the feed ticks the control topic with each cycle.
SIDE_LAG = 1.0
#: Cycles at the start that are not counted: connections, first intents.
_WARM_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Latency:
    """At one rate, milliseconds: of the whole path, of a record's way through the broker alone, and of each stage."""

    rate: int
    p50: float
    p99: float
    cycles: int
    broker_p50: float
    broker_p99: float
    #: mean wall time of one call
    stages: dict[str, float]
    evaluation_p99: float


class _Timestamped(msgspec.Struct):
    cycle: int


class _Bar(msgspec.Struct):
    ts: int | None = None


_CYCLE = msgspec.json.Decoder(_Timestamped).decode
_BAR = msgspec.json.Decoder(_Bar).decode


def latency(folder: Path, servers: str, site: Path, rate: int, seconds: float) -> Latency:
    """Feeds the job at ``rate`` bars a second for a while, once without and once with Weir."""
    alone = LiveJob(folder, f"echo{rate}", servers, BLOCKS)
    echo = _watch(alone, "market", rate, seconds / 2, lambda value: _BAR(value).ts or 0)
    port = free_port()
    live = LiveJob(folder, f"live{rate}", servers, BLOCKS, SIDE_LAG, f"127.0.0.1:{port}")
    program = live.weir(site)
    time.sleep(_WARM_SECONDS)
    whole = _watch(live, "orders", rate, seconds, lambda value: _CYCLE(value).cycle)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        stages, evaluation = _stages(answer.read().decode())
    program.stop()
    program.finish()
    p50, p99 = np.percentile(whole, (50, 99)).tolist()
    broker_p50, broker_p99 = np.percentile(echo, (50, 99)).tolist()
    return Latency(rate, p50, p99, len(whole), broker_p50, broker_p99, stages, evaluation)


def _watch(live: LiveJob, role: str, rate: int, seconds: float, cycle_of: Callable[[bytes], int]) -> list[float]:
    """Milliseconds from each cycle's last bar to the last of its records in a role's topic."""
    consumer = live.reader(role)
    consumer.consume(1, 1.0)
    sent_file = live.folder / "sent"
    control = live.topic("control") if live.configuration.topics.control else ""
    feed = Program(
        "benchmarks.live_feed", live.servers, live.topic("market"), control, str(rate), str(seconds), sent_file
    )
    seen: dict[int, int] = {}
    while not feed.ended():
        _take(consumer, 0.05, cycle_of, seen)
    feed.finish()
    while _take(consumer, 2.0, cycle_of, seen):
        pass
    consumer.close()
    sent = [tuple(map(int, line.split())) for line in sent_file.read_text().splitlines()]
    counted = sent[int(min(_WARM_SECONDS, seconds / 4) * rate / SYMBOLS) :]
    return [(seen[ts] - at) / 1e6 for ts, at in counted if ts in seen]


def _take(consumer: Consumer, seconds: float, cycle_of: Callable[[bytes], int], seen: dict[int, int]) -> bool:
    """Notes when the records came that are there; False when none came in time."""
    first = consumer.poll(seconds)
    if first is None:
        return False
    # What is there already: a time-out above 0 would be waited for in full.
    messages = [first, *consumer.consume(10_000, 0)]
    now = time.monotonic_ns()
    for value in values(messages):
        seen[cycle_of(value)] = now
    return True


def _stages(metrics: str) -> tuple[dict[str, float], float]:
    """Mean milliseconds of each stage's calls, and the evaluations' p99, from the process's own metrics."""
    sums: dict[str, float] = {}
    counts: dict[str, float] = {}
    buckets: dict[float, float] = {}
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            if family.name == "weir_cycle_latency_seconds":
                stage = sample.labels["stage"]
            elif family.name == "weir_transaction_seconds":
                stage = "transaction"
            elif sample.name == "strategy_latency_ms_bucket":
                bound = float(sample.labels["le"])
                buckets[bound] = buckets.get(bound, 0.0) + sample.value
                continue
            else:
                continue
            if sample.name.endswith("_sum"):
                sums[stage] = sums.get(stage, 0.0) + sample.value * 1e3
            elif sample.name.endswith("_count"):
                counts[stage] = counts.get(stage, 0.0) + sample.value
    means = {stage: sums[stage] / count for stage, count in counts.items() if count}
    return means, _quantile(buckets, 0.99)


def _quantile(buckets: dict[float, float], share: float) -> float:
    """The upper border of the bucket in which a quantile lies; NaN without samples."""
    total = max(buckets.values(), default=0.0)
    return min((bound for bound, below in buckets.items() if total and below >= share * total), default=float("nan"))
