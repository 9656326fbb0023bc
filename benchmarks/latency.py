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

from benchmarks.job import START, STEP, SYMBOLS
from benchmarks.live_job import LiveJob, eventually, values
from benchmarks.processes import Program
from benchmarks.replays import BLOCKS
from flows.kafka.local_broker import free_port

#: Seconds of event time that control messages lag; the feed ticks the control topic with each cycle.
SIDE_LAG = 1.0
#: Cycles that go before those that count: connections are made, and the strategies have their history.
_WARM = 300


@dataclass(frozen=True, slots=True)
class Latency:
    """At one rate, milliseconds: of the whole path, of a record's way through the broker alone, and of each stage.
    ``attained`` is the rate that the feed came to: less than ``rate`` when the machine could not follow."""

    rate: int
    attained: float
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
    end = _WARM + int(seconds * rate / SYMBOLS)
    alone = LiveJob(folder, f"echo{rate}", servers, BLOCKS)
    _feed(alone, rate, (0, _WARM), alone.folder / "warm").finish()
    echo, _ = _watch(alone, "market", rate, (_WARM, end), lambda value: _BAR(value).ts or 0)
    port = free_port()
    live = LiveJob(folder, f"live{rate}", servers, BLOCKS, SIDE_LAG, f"127.0.0.1:{port}")
    program = live.weir(site)
    _warm(live, rate)
    whole, attained = _watch(live, "orders", rate, (_WARM, end), lambda value: _CYCLE(value).cycle)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        stages, evaluation = _stages(answer.read().decode())
    program.stop()
    program.finish()
    p50, p99 = np.percentile(whole, (50, 99)).tolist()
    broker_p50, broker_p99 = np.percentile(echo, (50, 99)).tolist()
    return Latency(rate, attained, p50, p99, len(whole), broker_p50, broker_p99, stages, evaluation)


def _feed(live: LiveJob, rate: int, cycles: tuple[int, int], out: Path) -> Program:
    control = live.topic("control") if live.configuration.topics.control else ""
    first, end = map(str, cycles)
    return Program("benchmarks.live_feed", live.servers, live.topic("market"), control, str(rate), first, end, out)


def _warm(live: LiveJob, rate: int) -> None:
    """Feeds the cycles that go before and returns when their orders are there."""
    _feed(live, rate, (0, _WARM), live.folder / "warm").finish()
    consumer, seen = live.reader("orders"), dict[int, int]()

    def is_through() -> bool:
        _take(consumer, 0.5, lambda value: _CYCLE(value).cycle, seen)
        return max(seen, default=0) >= START + (_WARM - 20) * STEP

    eventually("the first orders come", is_through)
    consumer.close()


def _watch(
    live: LiveJob, role: str, rate: int, cycles: tuple[int, int], cycle_of: Callable[[bytes], int]
) -> tuple[list[float], float]:
    """Milliseconds from each cycle's last bar to the last of its records in a role's topic; bars a second."""
    consumer, seen, file = live.reader(role), dict[int, int](), live.folder / "sent"
    while _take(consumer, 1.0, cycle_of, {}):
        pass
    feed = _feed(live, rate, cycles, file)
    while not feed.ended():
        _take(consumer, 0.05, cycle_of, seen)
    feed.finish()
    while _take(consumer, 3.0, cycle_of, seen):
        pass
    consumer.close()
    sent = [(int(ts), int(at)) for ts, at in map(str.split, file.read_text().splitlines())]
    attained = (len(sent) - 1) * SYMBOLS / (sent[-1][1] - sent[0][1]) * 1e9
    return [(seen[ts] - at) / 1e6 for ts, at in sent if ts in seen], attained


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
