"""A dump through Kafka and back: every record keeps partition, position, timestamp, key, headers and payload."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flows.dump.importer import clock_tick
from flows.dump.layout import Dump, open_dump
from flows.dump.manifest import Manifest
from flows.dump.records import Records
from flows.dump.writer import DumpWriter
from flows.errors import InputLost, InvalidInput
from flows.kafka.settings import ClientSettings
from flows.publish import publish
from flows.record import RecordOptions, record
from schemas.configuration import Configuration, parse_configuration
from tests.kafka_broker import kafka_client, kafka_topic

__all__ = ["kafka_client", "kafka_topic"]

SECOND = 1_000_000_000
BEGIN = 1_700_000_000 * SECOND


def payload(ts: int) -> bytes:
    return b'{"type":"trade","symbol":"A","ts":%d,"price":1.0,"size":1.0}' % ts


@pytest.fixture
def dump(tmp_path: Path) -> Dump:
    """Two market partitions, one with gaps in its offsets, a tombstone and headers, and a control partition."""
    writer = DumpWriter(tmp_path / "dump", Manifest(cycle_seconds=60, partitioner="murmur2"))
    times = [BEGIN + n * SECOND for n in range(4)]
    # Nanoseconds that Kafka's own timestamp, in ms, cannot hold.
    recorded = [ts + 123_456_789 for ts in times]
    writer.append(
        "market",
        0,
        Records.of(
            [10, 11, 15, 16],
            recorded,
            [payload(times[0]), None, payload(times[2]), payload(times[3])],
            [b"A", b"A", None, b"A"],
            [None, None, [("traceparent", b"00-1"), ("empty", None)], None],
        ),
    )
    writer.append("market", 1, Records.of([0], [recorded[1]], [payload(times[1])]))
    writer.append("control", 0, Records.of([3], [recorded[0]], [b'{"type":"clock_tick","ts":%d}' % times[0]]))
    writer.close()
    return open_dump(tmp_path / "dump")


def configuration(client: ClientSettings, market: str, control: str, partitions: int = 2) -> Configuration:
    return parse_configuration(
        {
            "topics": {"market": {"partitions": partitions}, "control": {"partitions": 1}},
            "portfolios": [
                {"id": "main", "pods": [{"id": "pod", "schedules": [{"id": "s", "strategy": "sma_cross"}]}]}
            ],
            "kafka": {
                "bootstrap_servers": str(client["bootstrap.servers"]),
                "topics": {"market": market, "control": control},
            },
        }
    )


def rows(dump: Dump, role: str, partition: int) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for run in dump.read(role, partition):
        for n in range(len(run)):
            key = None if run.keys is None else run.keys[n]
            headers = None if run.headers is None else run.headers[n]
            found.append((int(run.offsets[n]), int(run.timestamps[n]), run.payloads[n], key, headers))
    return found


#: Kafka's retention goes by record time, and these records are old.
KEEP = {"retention.ms": "-1"}
PLACES = (("market", 0), ("market", 1), ("control", 0))


def test_what_is_published_and_recorded_again_is_the_same_and_ends_with_ticks(
    dump: Dump, tmp_path: Path, kafka_client: ClientSettings, kafka_topic: Callable[..., str]
) -> None:
    there = configuration(
        kafka_client, kafka_topic("market", partitions=2, config=KEEP), kafka_topic("control", config=KEEP)
    )
    report = publish(dump, there)
    # The dump was not sealed, so a tick follows on each of the three partitions.
    assert (report.by_role, report.complete) == ({"market": 7, "control": 2}, True)
    last = BEGIN + 3 * SECOND

    recorded = record(there, tmp_path / "recorded", RecordOptions(seal=False))
    assert recorded.records == {"market": 7, "control": 2}
    again = open_dump(tmp_path / "recorded")
    for role, partition in PLACES:
        expected = rows(dump, role, partition)
        offset = dump.partitions(role)[partition].next_offset
        assert rows(again, role, partition) == [*expected, (offset, last, clock_tick(last), None, None)]


def test_a_recording_is_sealed_at_the_last_event_time_that_was_read(
    dump: Dump, tmp_path: Path, kafka_client: ClientSettings, kafka_topic: Callable[..., str]
) -> None:
    there = configuration(
        kafka_client, kafka_topic("market", partitions=2, config=KEEP), kafka_topic("control", config=KEEP)
    )
    publish(dump, there)
    # Broker offset 2 of partition 0 is the record that stood at 15.
    options = RecordOptions(start={("market", 0): 2}, end={("market", 0): 3})
    report = record(there, tmp_path / "recorded", options)
    again = open_dump(tmp_path / "recorded")
    assert again.manifest.sealed
    assert [row[0] for row in rows(again, "market", 0)] == [15, 16]
    assert rows(again, "market", 0)[-1][2] == clock_tick(report.sealed_at or 0)


def test_publishing_is_refused_to_another_partition_count_and_to_topics_that_hold_records(
    dump: Dump, kafka_client: ClientSettings, kafka_topic: Callable[..., str]
) -> None:
    control = kafka_topic("control", config=KEEP)
    wrong = configuration(kafka_client, kafka_topic("three", partitions=3), control, partitions=3)
    with pytest.raises(InvalidInput, match="has 3 partitions, the dump's market has 2; create the topic with 2"):
        publish(dump, wrong)
    there = configuration(kafka_client, kafka_topic("market", partitions=2, config=KEEP), control)
    publish(dump, there)
    with pytest.raises(InvalidInput, match="market holds 7 records already; use an empty topic, or --append"):
        publish(dump, there)


def test_recording_from_a_place_that_is_not_configured_or_not_in_the_log_is_refused(
    dump: Dump, tmp_path: Path, kafka_client: ClientSettings, kafka_topic: Callable[..., str]
) -> None:
    there = configuration(
        kafka_client, kafka_topic("market", partitions=2, config=KEEP), kafka_topic("control", config=KEEP)
    )
    with pytest.raises(InvalidInput, match="market:7: no such partition is configured"):
        record(there, tmp_path / "a", RecordOptions(start={("market", 7): 0}))
    with pytest.raises(InputLost):
        record(there, tmp_path / "b", RecordOptions(start={("market", 0): 900}, end={("market", 0): 901}))
    assert not (tmp_path / "b").exists()


def test_a_topic_that_would_delete_the_old_records_at_once_is_refused(
    dump: Dump, kafka_client: ClientSettings, kafka_topic: Callable[..., str]
) -> None:
    market = kafka_topic("market", partitions=2, config={"retention.ms": "604800000"})
    with pytest.raises(InvalidInput, match=f"topic {market} has retention.ms=604800000 and would delete"):
        publish(dump, configuration(kafka_client, market, kafka_topic("control", config=KEEP)))
