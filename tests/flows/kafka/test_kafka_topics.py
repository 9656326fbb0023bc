"""Topics are created once, and differences are told."""

from __future__ import annotations

import uuid

import pytest
from confluent_kafka import Consumer, TopicPartition

from flows.kafka.settings import ClientSettings, consumer_config
from flows.kafka.topics import UNLIMITED_RETENTION, ConfigDifference, TopicMismatch, TopicSpec, create_topics


@pytest.fixture
def prefix() -> str:
    return uuid.uuid4().hex[:12]


def test_creating_topics_twice_creates_them_once(kafka_client: ClientSettings, prefix: str) -> None:
    specs = [TopicSpec(f"{prefix}.control", 1, UNLIMITED_RETENTION), TopicSpec(f"{prefix}.market", 3)]
    first = create_topics(kafka_client, specs)
    assert sorted(first.created) == [f"{prefix}.control", f"{prefix}.market"]
    second = create_topics(kafka_client, specs)
    assert (second.created, second.differences) == ([], [])
    assert sorted(second.existing) == sorted(first.created)


def test_a_topic_that_was_created_is_served_at_once(kafka_client: ClientSettings, prefix: str) -> None:
    """Defect: leaders were named, and a publish right after was refused by a broker that had not opened the log."""
    for number in range(10):
        name = f"{prefix}.{number}"
        create_topics(kafka_client, [TopicSpec(name, 4)])
        consumer = Consumer(consumer_config(kafka_client))
        ends = [consumer.get_watermark_offsets(TopicPartition(name, partition), 30) for partition in range(4)]
        consumer.close()
        assert ends == [(0, 0)] * 4


def test_another_partition_count_is_an_error_that_names_every_topic(kafka_client: ClientSettings, prefix: str) -> None:
    a, b, new = (f"{prefix}.{name}" for name in ("a", "b", "new"))
    create_topics(kafka_client, [TopicSpec(a, 1), TopicSpec(b, 2)])
    wrong = f"{a} has 1 partitions, the configuration says 4; topic {b} has 2 partitions, the configuration says 3"
    with pytest.raises(TopicMismatch, match=wrong):
        create_topics(kafka_client, [TopicSpec(a, 4), TopicSpec(b, 3), TopicSpec(new, 1)])
    assert create_topics(kafka_client, [TopicSpec(new, 1)]).created == [new]


def test_other_settings_are_reported_and_left_alone(kafka_client: ClientSettings, prefix: str) -> None:
    name = f"{prefix}.control"
    create_topics(kafka_client, [TopicSpec(name, 1, {"retention.ms": "1000"})])
    for _ in range(2):
        report = create_topics(kafka_client, [TopicSpec(name, 1, UNLIMITED_RETENTION)])
        assert report.differences == [ConfigDifference(name, "retention.ms", "-1", "1000")]
