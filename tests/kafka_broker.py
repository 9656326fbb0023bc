"""The real Apache Kafka for tests: one broker for the session, topics of its own for each test.

``KAFKA_BOOTSTRAP_SERVERS`` names a cluster to use instead. Where Java or Maven cannot be had these tests skip and say
so, except under ``CI=1``, where that is a failure.
"""

from __future__ import annotations

import os
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from flows.exit_codes import Unavailable
from flows.kafka.local_broker import LocalBroker, external_bootstrap_servers, fetch, free_port
from flows.kafka.settings import ClientSettings, consumer_config
from flows.kafka.topics import TopicSpec, create_topics
from flows.kafka.watermarks import Channel, watermarks

__all__ = ["kafka_broker_of_its_own", "kafka_client", "kafka_topic"]


def unavailable(why: str) -> None:
    """Skip loudly, or fail under ``CI=1``."""
    if os.environ.get("CI") == "1":
        pytest.fail(f"Kafka tests cannot run: {why}", pytrace=False)
    warnings.warn(f"KAFKA TESTS SKIPPED: {why}", stacklevel=2)
    pytest.skip(f"KAFKA TESTS SKIPPED: {why}")


def _started(folder: Path) -> LocalBroker:
    broker = LocalBroker()
    try:
        fetch()
        broker.start(free_port(), folder)
    except Unavailable as why:
        unavailable(str(why))
    return broker


@pytest.fixture(scope="session")
def kafka_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClientSettings]:
    """Client settings of a running cluster, shared by the tests of this session."""
    outside = external_bootstrap_servers()
    if outside:
        yield {"bootstrap.servers": outside}
        return
    broker = _started(tmp_path_factory.mktemp("kafka"))
    yield {"bootstrap.servers": broker.bootstrap_servers}
    broker.stop()


@pytest.fixture
def kafka_broker_of_its_own(tmp_path: Path) -> Iterator[LocalBroker]:
    """A broker that the test may kill and restart."""
    if external_bootstrap_servers():
        pytest.skip("needs a broker that it may kill; KAFKA_BOOTSTRAP_SERVERS names one that is not ours")
    broker = _started(tmp_path / "kafka")
    yield broker
    broker.stop()


@pytest.fixture
def kafka_topic(kafka_client: ClientSettings) -> Callable[..., str]:
    """Makes topics that no other test has: ``kafka_topic("market", partitions=2)`` returns the broker's name."""
    prefix = uuid.uuid4().hex[:12]

    def make(name: str, partitions: int = 1, config: dict[str, str] | None = None) -> str:
        full = f"{prefix}.{name}"
        create_topics(kafka_client, [TopicSpec(full, partitions, config or {})])
        return full

    return make


def produce(
    client: ClientSettings,
    topic: str,
    values: list[bytes | None],
    *,
    partition: int = 0,
    timestamp_ms: int = 1_000,
    headers: list[tuple[str, str | bytes | None]] | None = None,
) -> None:
    """Write ``values`` and wait until the broker has them; timestamps rise by 1 ms."""
    producer = Producer(dict(client))
    for i, value in enumerate(values):
        producer.produce(topic, value, b"key", partition, timestamp=timestamp_ms + i, headers=headers)
    assert producer.flush(30) == 0


def read_all(
    client: ClientSettings, topic: str, *, partition: int = 0, committed: bool = True, wait: bool = True
) -> list[Message]:
    """Every record of a partition, as a read_committed consumer sees it (or all, with ``committed=False``).

    A commit is done before its marker is in every partition; so it reads to the end as it is *with* open transactions,
    and waits for these. With ``wait=False`` it takes what can be seen now.
    """
    isolation = "read_committed" if committed else "read_uncommitted"
    place = Channel(topic, partition)
    end = watermarks(client, [place], 30, committed=not wait)[place].high
    consumer = Consumer(
        consumer_config(client, partition_eof=True) | {"isolation.level": isolation, "fetch.wait.max.ms": 5}
    )
    consumer.assign([TopicPartition(topic, partition, 0)])
    found: list[Message] = []
    at = 0
    while at < end:
        message = consumer.poll(30)
        assert message is not None, f"{topic}: the end, offset {end}, did not come within 30 s"
        error = message.error()
        assert error is None or error.code() == KafkaError._PARTITION_EOF, error
        at = message.offset() or 0
        if error is None:
            found.append(message)
            at += 1
    consumer.close()
    return found
