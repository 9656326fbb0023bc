"""The Kafka source against a real broker."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from flows.errors import InputLost, SnapshotIncompatible
from flows.exit_codes import Unavailable
from flows.kafka.position import OriginalPosition, to_header
from flows.kafka.settings import ClientSettings
from flows.kafka.source import KafkaPartition, KafkaSource
from operators.frames import RecordBlock
from tests.kafka_broker import produce

MakeTopic = Callable[..., str]


def opened(
    client: ClientSettings,
    topic: str,
    *,
    state: dict[str, int | str] | None = None,
    start: Literal["beginning"] | Mapping[int, int] = "beginning",
    **settings: Any,
) -> KafkaPartition:
    source = KafkaSource("market", topic, [0], client, start=start, **settings)
    return source.build_part("step", source.list_parts()[0], state)


def read(part: KafkaPartition, records: int) -> list[RecordBlock]:
    """Blocks with records until there are ``records`` of them; beats are left out."""
    blocks: list[RecordBlock] = []
    deadline = time.monotonic() + 30
    while sum(len(block.payloads) for block in blocks) < records:
        assert time.monotonic() < deadline, f"{records} records did not come: {blocks}"
        blocks += [block for block in part.next_batch() if block.payloads]
    return blocks


def payloads(blocks: list[RecordBlock]) -> list[bytes]:
    return [payload for block in blocks for payload in block.payloads]


def test_records_come_in_order_with_offsets_and_timestamps_in_ns(
    kafka_client: ClientSettings, kafka_topic: MakeTopic
) -> None:
    topic = kafka_topic("market")
    produce(kafka_client, topic, [b"a", None, b"c"], timestamp_ms=1_700_000_000_000)
    blocks = read(opened(kafka_client, topic), 3)
    assert payloads(blocks) == [b"a", b"", b"c"]
    assert [o for b in blocks for o in b.offsets] == [0, 1, 2]
    assert [t for b in blocks for t in b.timestamps] == [1_700_000_000_000_000_000 + i * 1_000_000 for i in range(3)]
    assert (blocks[0].start, blocks[-1].next) == (0, 3)


def test_blocks_are_contiguous_and_no_larger_than_the_batch(
    kafka_client: ClientSettings, kafka_topic: MakeTopic
) -> None:
    topic = kafka_topic("market")
    produce(kafka_client, topic, [b"%d" % i for i in range(10)])
    blocks = read(opened(kafka_client, topic, batch=3), 10)
    assert max(len(block.payloads) for block in blocks) <= 3
    assert [b.start for b in blocks[1:]] == [b.next for b in blocks[:-1]]


def test_a_resumed_source_continues_after_the_last_record(kafka_client: ClientSettings, kafka_topic: MakeTopic) -> None:
    topic = kafka_topic("market")
    produce(kafka_client, topic, [b"a", b"b"])
    first = opened(kafka_client, topic)
    read(first, 2)
    state = first.snapshot()
    produce(kafka_client, topic, [b"c"])
    again = read(opened(kafka_client, topic, state=state), 1)
    assert payloads(again) == [b"c"]
    assert (again[0].start, again[0].next) == (2, 3)


def test_the_first_poll_of_every_epoch_emits_a_beat(kafka_client: ClientSettings, kafka_topic: MakeTopic) -> None:
    part = opened(kafka_client, kafka_topic("market"))
    for _epoch in range(3):
        (beat,) = part.next_batch()
        assert (beat.payloads, beat.start, beat.next) == ([], 0, 0)
        assert part.next_batch() == []
        part.snapshot()


def test_a_published_dump_has_the_positions_and_timestamps_of_the_original(
    kafka_client: ClientSettings, kafka_topic: MakeTopic
) -> None:
    topic = kafka_topic("market")
    for offset in (70, 75):
        header = to_header(OriginalPosition("market", 0, offset, offset * 1_000 + 7))
        produce(kafka_client, topic, [b"x"], headers=[("traceparent", b"00-1"), header])
    produce(kafka_client, topic, [b"later"], timestamp_ms=9)
    part = opened(kafka_client, topic)
    blocks = read(part, 3)
    assert [o for b in blocks for o in b.offsets] == [70, 75, 76]
    assert [t for b in blocks for t in b.timestamps] == [70_007, 75_007, 9_000_000]
    again = opened(kafka_client, topic, state=part.snapshot())
    produce(kafka_client, topic, [b"after the restart"])
    assert read(again, 1)[0].offsets.tolist() == [77]


def test_a_header_that_would_go_back_or_names_another_partition_is_not_believed(
    kafka_client: ClientSettings, kafka_topic: MakeTopic
) -> None:
    topic = kafka_topic("market")
    claims = [b"market:0:50:1", b"market:0:3:1", b"market:1:900:1", b"market:0:x:1", b"rubbish", b"\xff"]
    for claim in claims:
        produce(kafka_client, topic, [b"x"], headers=[("weir-position", claim)])
    blocks = read(opened(kafka_client, topic), len(claims))
    assert [o for b in blocks for o in b.offsets] == [50, 51, 52, 53, 54, 55]


def test_it_ends_on_drain_alone_and_after_a_beat_of_the_epoch(
    kafka_client: ClientSettings, kafka_topic: MakeTopic
) -> None:
    draining = False
    part = opened(kafka_client, kafka_topic("market"), drain=lambda: draining)
    part.next_batch()
    part.snapshot()
    draining = True
    assert [len(block.payloads) for block in part.next_batch()] == [0]
    with pytest.raises(StopIteration):
        part.next_batch()


def test_a_drain_ends_even_where_every_poll_is_an_epoch(kafka_client: ClientSettings, kafka_topic: MakeTopic) -> None:
    part = opened(kafka_client, kafka_topic("market"), drain=lambda: True)
    with pytest.raises(StopIteration):
        for _ in range(100):
            part.next_batch()
            part.snapshot()


def test_offsets_lost_to_retention_stop_the_flow(kafka_client: ClientSettings, kafka_topic: MakeTopic) -> None:
    topic = kafka_topic("market")
    produce(kafka_client, topic, [b"a", b"b", b"c"])
    part = opened(kafka_client, topic, batch=1)
    read(part, 1)
    state = part.snapshot()
    admin = AdminClient(dict(kafka_client))
    (deleted,) = admin.delete_records([TopicPartition(topic, 0, 2)]).values()
    assert deleted.result(30).low_watermark == 2
    with pytest.raises(InputLost, match=r"partition 0 \(market\): offset 1 is not in the log"):
        read(opened(kafka_client, topic, state=state), 1)


def test_a_topic_made_anew_stops_the_flow(kafka_client: ClientSettings, kafka_topic: MakeTopic) -> None:
    topic = kafka_topic("market")
    with pytest.raises(InputLost, match="offset 1000 is not in the log"):
        read(opened(kafka_client, topic, start={0: 1000}), 1)


def test_a_topic_that_does_not_exist_stops_the_flow(kafka_client: ClientSettings) -> None:
    with pytest.raises(Unavailable, match="weir topics create"):
        opened(kafka_client, "there.is.no.such.topic")


def test_a_snapshot_of_another_topic_or_version_is_refused(
    kafka_client: ClientSettings, kafka_topic: MakeTopic
) -> None:
    topic = kafka_topic("market")
    state = opened(kafka_client, topic).snapshot()
    with pytest.raises(SnapshotIncompatible, match="version 99"):
        opened(kafka_client, topic, state={**state, "version": 99})
    with pytest.raises(SnapshotIncompatible, match="topic 'elsewhere'"):
        opened(kafka_client, topic, state={**state, "topic": "elsewhere"})


def test_lag_is_told_with_the_records(kafka_client: ClientSettings, kafka_topic: MakeTopic) -> None:
    topic = kafka_topic("market")
    produce(kafka_client, topic, [b"a", b"b", b"c"])
    told: list[tuple[str, int, int]] = []
    read(opened(kafka_client, topic, batch=1, on_lag=lambda *lag: told.append(lag)), 3)
    assert told[-1] == ("market", 0, 0)
    assert ("market", 0, 2) in told
