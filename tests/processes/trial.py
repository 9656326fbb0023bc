"""One live deployment for a test: topics of its own, a published dump, and what its decisions must be."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from flows.dump.layout import open_dump
from flows.kafka.settings import ClientSettings, consumer_config
from flows.kafka.topics import create_topics, partition_count
from flows.process.snapshot_rows import newest_rows
from flows.publish import publish
from flows.topics import OUTPUT_ROLES, ROLES, topic_specs
from schemas.configuration import load_configuration
from tests.processes.live_cluster import LiveCluster, eventually, weir
from tests.processes.market import CYCLE_SECONDS, NS, START, document, write_configuration
from tests.processes.outputs import Outputs, assert_equal, outputs_of_files, outputs_of_kafka


def replayed(dump: Path, configuration: Path, out: Path, **environment: str) -> dict[str, Any]:
    """Runs ``weir replay``; returns its result."""
    arguments: list[str | Path] = ["replay", "--dump", dump, "--config", configuration, "--out", out]
    ended = weir(*arguments, "--no-clickhouse", "--no-report", "--json", **environment)
    assert ended.returncode == 0, ended.stderr
    result: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return result


class Trial:
    """A deployment on Kafka: a topic prefix, a configuration file, a recovery folder, a log.

    Args:
        client: client settings of the broker.
        folder: where its files go.
        kafka: more settings of the ``kafka`` section.
        sections: other sections of the configuration document, replaced as a whole.
    """

    def __init__(
        self, client: ClientSettings, folder: Path, kafka: dict[str, Any] | None = None, **sections: Any
    ) -> None:
        self.client, self.folder = client, folder
        self.prefix = uuid.uuid4().hex[:12]
        connection = {
            "bootstrap_servers": client["bootstrap.servers"],
            "cluster_id": f"weir-{self.prefix}",
            "topics": {role: f"{self.prefix}.{role}" for role in ROLES},
            "poll_messages": 5,
            "hold_cycles": 20,
        }
        self.made = document(kafka=connection | (kafka or {}), runtime={"epoch_seconds": 0.1}, **sections)
        folder.mkdir(parents=True, exist_ok=True)
        self.configuration = write_configuration(folder / "weir.yaml", self.made)
        self.recovery = folder / "recovery"
        self.expected: Outputs | None = None
        self.clusters = 0
        self._tail: Consumer | None = None
        self._seen = 0

    def topics(self) -> Trial:
        """Creates the topics."""
        report = create_topics(self.client, topic_specs(load_configuration(self.configuration)))
        # The telemetry topic is made only where notifications ask for it.
        assert len(report.created) == 2 + len(OUTPUT_ROLES) - 1
        return self

    def publish(self, dump: Path) -> Trial:
        """Publishes a dump after what was published before."""
        publish(open_dump(dump), load_configuration(self.configuration), append=True)
        return self

    def expecting(self, outputs: Outputs) -> Trial:
        """What the decisions must be."""
        self.expected = outputs
        return self

    def cluster(self, recovery: Path | None = None) -> LiveCluster:
        """A cluster of this deployment, not started yet, with a log of its own."""
        self.clusters += 1
        log = self.folder / f"run-{self.clusters}.log"
        return LiveCluster(self.configuration, recovery or self.recovery, log)

    def outputs(self, *, wait: bool = True) -> Outputs:
        """What is committed; ``wait`` for the end of what a dead cluster left open, or take what can be seen now."""
        return outputs_of_kafka(self.client, self.prefix, wait=wait)

    def decided(self) -> int:
        """Number of decisions that were seen committed so far; cheap, and never more than there are."""
        if self._tail is None:
            topic = f"{self.prefix}.decisions"
            self._tail = Consumer(consumer_config(self.client))
            self._tail.assign([TopicPartition(topic, p, 0) for p in range(partition_count(self.client, topic))])
        # As many as there may be within one fetch; a longer wait would only delay the answer.
        while messages := self._tail.consume(1000, 0.02):
            self._seen += sum(message.error() is None for message in messages)
        return self._seen

    def wait_for(self, decisions: int, cluster: LiveCluster) -> None:
        """Returns when at least so many decisions are committed; fails when the cluster ends before."""

        def there() -> bool:
            found = self.decided() >= decisions
            assert found or not cluster.ended, f"the cluster ended early: {cluster.said[-2000:]}"
            return found

        eventually(f"{decisions} decisions", there)

    def wait_for_epoch(self, number: int, cluster: LiveCluster) -> None:
        """Returns when the recovery folder holds a state of an epoch with this number or a later one."""

        def there() -> bool:
            assert not cluster.ended, f"the cluster ended early: {cluster.said[-2000:]}"
            return max((row.epoch for row in newest_rows(self.recovery, decode=False)), default=-1) >= number

        eventually(f"epoch {number}", there)

    def wait_for_cycle(self, portfolio: str, number: int, cluster: LiveCluster) -> None:
        """Returns when ``portfolio`` has decided in the market's cycle ``number`` or a later one."""
        wanted = (START + number * CYCLE_SECONDS) * NS

        def there() -> bool:
            bodies = self.outputs().bodies.get(portfolio, [])
            found = bool(bodies) and json.loads(bodies[-1])["cycle"] >= wanted
            assert found or not cluster.ended, f"the cluster ended early: {cluster.said[-2000:]}"
            return found

        eventually(f"cycle {number} of {portfolio}", there)

    def finish(self, processes: int = 1, workers: int = 1) -> None:
        """Runs to the end of the log, drains, and compares all that is committed with what is expected."""
        assert self.expected is not None
        with self.cluster().start(processes, workers) as cluster:
            self.wait_for(self.expected.total, cluster)
            assert cluster.stop() == 0, cluster.said[-2000:]
        assert_equal(self.outputs(), self.expected)


def expected_outputs(dump: Path, configuration: Path, out: Path) -> Outputs:
    """What ``weir replay`` of the same dump and configuration decides."""
    result = replayed(dump, configuration, out)
    found = outputs_of_files(out)
    assert (result["decisions_sha256"], result["orders_sha256"]) == (found.decisions_sha256, found.orders_sha256)
    assert not result["open_cycles"] and not result["warnings"], result
    return found
