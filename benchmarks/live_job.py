"""The job on a real Kafka: topics, ``weir run`` as a real process, and the bars as one JSON message each."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from benchmarks.job import START, STEP, cycles
from benchmarks.processes import Program
from benchmarks.weir_job import NAMES, document
from flows.dump.importer import clock_tick
from flows.kafka.topics import create_topics
from flows.topics import topic_specs
from schemas.configuration import Configuration, load_configuration

#: Longest that anything may take, in seconds.
DEADLINE = 600.0


class LiveJob:
    """Topics of their own for one run of the job.

    Args:
        folder: for the configuration and the recovery folder.
        name: prefix of the topics.
        servers: the broker.
        strategy: the schedules' strategy.
        side_lag: seconds, where a control topic is configured; None leaves it out.
        metrics: where the process serves its metrics.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        servers: str,
        strategy: str,
        side_lag: float | None = None,
        metrics: str | None = None,
    ) -> None:
        self.folder = folder / name
        self.folder.mkdir()
        self._name, self.servers = name, servers
        self._file = self.folder / "live.yaml"
        self._file.write_text(yaml.safe_dump(self._document(strategy, side_lag, metrics), sort_keys=False))
        self.configuration: Configuration = load_configuration(self._file)
        create_topics({"bootstrap.servers": servers}, topic_specs(self.configuration))

    def _document(self, strategy: str, side_lag: float | None, metrics: str | None) -> dict[str, Any]:
        roles = ("market", "control", "orders", "decisions", "dead_letters", "progress", "halts")
        topics: dict[str, Any] = {"market": {"partitions": 1}}
        period: dict[str, Any] = {"cycle_seconds": STEP // 10**9}
        if side_lag is not None:
            topics["control"] = {"partitions": 1}
            period["side_lag_seconds"] = side_lag
        listed = {"interval": "1m", "tick": 0.01, "lot": 1.0, "currency": "USD"}
        return {
            **document(f"{strategy}@1.0.0"),
            "instruments": [{"symbol": symbol, **listed} for symbol in NAMES],
            "time": period,
            "topics": topics,
            "kafka": {
                "bootstrap_servers": self.servers,
                "cluster_id": self._name,
                "topics": {role: self.topic(role) for role in roles},
            },
            "runtime": {"recovery_directory": str(self.folder / "recovery"), "metrics_address": metrics},
        }

    def topic(self, role: str) -> str:
        """Name of a role's topic."""
        return f"{self._name}.{role}"

    def weir(self, site: Path) -> Program:
        """Starts ``weir run`` and returns when its processes run."""
        program = Program("flows", "run", "--config", self._file, "--restarts", "0", "--json", path=(site,))
        eventually("weir run starts", lambda: "started:" in program.said() or program.ended())
        return program

    def publish(self, count: int) -> None:
        """The job's bars, and the tick that closes the last cycle."""
        producer = Producer({"bootstrap.servers": self.servers, "linger.ms": 20, "acks": "1"})
        topic = self.topic("market")
        for ts, bars in cycles(count):
            for bar in bars:
                producer.produce(topic, bar, partition=0, timestamp=ts // 1_000_000)
            if producer.poll(0) > 50_000 or len(producer) > 50_000:
                producer.flush(60)
        end = START + count * STEP
        producer.produce(topic, clock_tick(end), partition=0, timestamp=end // 1_000_000)
        if producer.flush(60):
            raise RuntimeError("the broker did not take the bars within 60 s")

    def reader(self, role: str) -> Consumer:
        """A read_committed consumer of a role's only partition, from its beginning."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.servers,
                "group.id": f"bench.{self._name}",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 5,
            }
        )
        consumer.assign([TopicPartition(self.topic(role), 0, 0)])
        return consumer


def values(messages: list[Message]) -> list[bytes]:
    """Payloads of consumed messages; raises RuntimeError for an error of the broker."""
    found: list[bytes] = []
    for message in messages:
        error, value = message.error(), message.value()
        if error is not None:
            raise RuntimeError(f"{message.topic()}: {error.str()}")
        found.append(value if isinstance(value, bytes) else b"")
    return found


def eventually(what: str, condition: Callable[[], bool]) -> None:
    """Returns once ``condition`` holds; raises RuntimeError naming ``what`` when it does not in time."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {DEADLINE:g} s")
        time.sleep(0.02)
