"""Create the topics of a deployment, and say where existing ones differ."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._metadata import TopicMetadata
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from flows.exit_codes import Unavailable
from flows.kafka.settings import ClientSettings, admin_config
from flows.kafka.watermarks import Channel, watermarks

#: A start without a snapshot reads control from its beginning, and the sinks compare with all that was decided.
UNLIMITED_RETENTION: Final = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
#: Only the newest value of each key matters.
COMPACTED: Final = {"cleanup.policy": "compact", "segment.ms": "600000", "min.cleanable.dirty.ratio": "0.1"}

TIMEOUT_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as the deployment wants it; ``replication_factor`` -1 is the cluster's default."""

    name: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)
    replication_factor: int = -1


@dataclass(frozen=True, slots=True)
class ConfigDifference:
    """A setting of an existing topic that is not what the deployment wants. It is reported, never changed."""

    topic: str
    key: str
    wanted: str
    found: str


@dataclass(frozen=True, slots=True)
class TopicsReport:
    """What :func:`create_topics` did and found."""

    created: list[str]
    existing: list[str]
    differences: list[ConfigDifference]


class TopicMismatch(Unavailable):
    """A topic exists with another partition count: keys would lie in other partitions."""


def create_topics(client: ClientSettings, topics: Sequence[TopicSpec]) -> TopicsReport:
    """Create those of ``topics`` that do not exist and wait until each partition is served. May be repeated.

    Raises:
        TopicMismatch: some exist with another partition count; all of them are named, nothing was created.
        Unavailable: the cluster does not answer or refuses.
    """
    admin = AdminClient(admin_config(client))
    found = _metadata(admin, client)
    wrong = [
        f"topic {t.name} has {len(found[t.name].partitions)} partitions, the configuration says {t.partitions}"
        for t in topics
        if t.name in found and len(found[t.name].partitions) != t.partitions
    ]
    if wrong:
        raise TopicMismatch(
            "; ".join(wrong) + ": set the count that exists, or change it over a clean stop (weir state repartition)"
        )
    missing = [t for t in topics if t.name not in found]
    created = _create(admin, missing)
    _wait_for_leaders(admin, client, missing)
    existing = [t for t in topics if t.name not in created]
    return TopicsReport(created, [t.name for t in existing], _differences(admin, existing))


def partition_count(client: ClientSettings, topic: str) -> int:
    """How many partitions ``topic`` has.

    Raises:
        Unavailable: it does not exist, or the cluster does not answer.
    """
    found = _metadata(AdminClient(admin_config(client)), client)
    if topic not in found:
        raise Unavailable(f"topic {topic} does not exist at {client['bootstrap.servers']}; run: weir topics create")
    return len(found[topic].partitions)


def require_partition(consumer: Consumer, who: str, topic: str, partition: int) -> None:
    """Make sure that ``partition`` can be read; by itself the client says so only after half a minute.

    Raises:
        Unavailable: the cluster does not answer, or has no such topic or partition; names ``who`` asks.
    """
    try:
        found = consumer.list_topics(topic, timeout=TIMEOUT_SECONDS).topics[topic]
    except KafkaException as error:
        raise Unavailable(
            f"{who}: Kafka does not answer within {TIMEOUT_SECONDS:.0f} s ({error}); check bootstrap.servers and "
            "credentials"
        ) from error
    if found.error is not None or partition not in found.partitions:
        why = found.error or f"it has {len(found.partitions)}"
        raise Unavailable(f"{who}: topic {topic} has no partition {partition} ({why}); run: weir topics create")


def _metadata(admin: AdminClient, client: ClientSettings) -> dict[str, TopicMetadata]:
    try:
        return dict(admin.list_topics(timeout=TIMEOUT_SECONDS).topics)
    except KafkaException as error:
        raise Unavailable(
            f"Kafka at {client['bootstrap.servers']} does not answer: {error}; check bootstrap.servers and credentials"
        ) from error


def _create(admin: AdminClient, topics: Sequence[TopicSpec]) -> list[str]:
    if not topics:
        return []
    wanted = [NewTopic(t.name, t.partitions, t.replication_factor, config=dict(t.config)) for t in topics]
    created: list[str] = []
    for name, future in admin.create_topics(wanted, operation_timeout=TIMEOUT_SECONDS).items():
        try:
            future.result()
            created.append(name)
        except KafkaException as error:
            # Someone else created it meanwhile.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise Unavailable(f"topic {name} cannot be created: {error}") from error
    return created


def _wait_for_leaders(admin: AdminClient, client: ClientSettings, topics: Sequence[TopicSpec]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    waiting = list(topics)
    while waiting:
        found = _metadata(admin, client)
        waiting = [t for t in waiting if not _led(found.get(t.name), t.partitions)]
        if waiting and time.monotonic() > deadline:
            raise Unavailable(f"topic {waiting[0].name} was created but its partitions have no leader; check brokers")
        if waiting:
            time.sleep(0.02)
    # A leader is named before it has opened the log.
    places = [Channel(t.name, partition) for t in topics for partition in range(t.partitions)]
    watermarks(client, places, TIMEOUT_SECONDS, committed=False)


def _led(topic: TopicMetadata | None, partitions: int) -> bool:
    if topic is None or len(topic.partitions) != partitions:
        return False
    return all(partition.leader >= 0 for partition in topic.partitions.values())


def _differences(admin: AdminClient, topics: Sequence[TopicSpec]) -> list[ConfigDifference]:
    asked = {ConfigResource(ResourceType.TOPIC, t.name): t for t in topics if t.config}
    if not asked:
        return []
    differences: list[ConfigDifference] = []
    for resource, future in admin.describe_configs(list(asked)).items():
        topic = asked[resource]
        found = future.result()
        for key, wanted in sorted(topic.config.items()):
            value = str(found[key].value) if key in found else "(unknown setting)"
            if value != wanted:
                differences.append(ConfigDifference(topic.name, key, wanted, value))
    return sorted(differences, key=lambda d: (d.topic, d.key))
