"""``weir publish``: feeds a dump to Kafka.

Every record keeps its partition, key, headers and timestamp (Kafka holds whole milliseconds); its original position
goes along in a header, which the source restores. So the published topics give the same decisions as the dump.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from flows.dump.importer import clock_tick
from flows.dump.layout import Dump
from flows.dump.records import Headers
from flows.dump.seal import MAX_FUTURE_SECONDS, latest_event
from flows.errors import InvalidInput, WeirError
from flows.exit_codes import Unavailable
from flows.kafka.position import HEADER, OriginalPosition, to_header
from flows.kafka.settings import ClientSettings, admin_config, producer_config
from flows.kafka.topics import partition_count
from flows.kafka_ranges import TIMEOUT_SECONDS, topic_range
from flows.process import drain
from flows.topics import client_settings, topic_name
from operators.frames import BEGINNING
from schemas.configuration import Configuration
from schemas.configuration.base import NANOSECONDS

#: How long the broker may take for the last records, in seconds.
FLUSH_SECONDS: Final = 120.0
_SERVE_EVERY: Final = 2_000

#: Called with (records handed over, records in all).
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What was published: records by role, of ``records`` in all; ``complete`` is False after a signal."""

    by_role: dict[str, int]
    records: int
    complete: bool


class _Record(NamedTuple):
    timestamp: int
    role: str
    partition: int
    offset: int
    key: bytes | None
    payload: bytes | None
    headers: Headers | None


def publish(
    dump: Dump,
    configuration: Configuration,
    *,
    speed: float | None = None,
    append: bool = False,
    progress: Progress | None = None,
) -> PublishReport:
    """Publishes every topic of ``dump``, records of all partitions in the order of their timestamps.

    Args:
        dump: what to publish.
        configuration: names the topics and the cluster.
        speed: seconds of record time for one second of wall time; None: as fast as the broker takes them.
        append: publish although a topic holds records already.
        progress: called now and then.

    Raises:
        InvalidInput: partition counts differ, a topic is not empty, or ``speed`` is not positive.
        Unavailable: the broker is not there; WeirError: it refused a record.
    """
    if speed is not None and not speed > 0:
        raise InvalidInput(f"speed: {speed} given, it must be more than 0")
    _check_topics(dump, configuration, append)
    publisher = _Publisher(configuration)
    total, done, complete = dump.records(), 0, True
    counts: dict[str, int] = {}
    pace = _Pace(speed)
    for record in _in_time_order(dump):
        if drain.requested():
            complete = False
            break
        pace.wait_for(record.timestamp, publisher.serve)
        publisher.send(record)
        counts[record.role] = counts.get(record.role, 0) + 1
        done += 1
        if done % _SERVE_EVERY == 0:
            publisher.serve(0)
            if progress is not None:
                progress(done, total)
    publisher.finish()
    if progress is not None:
        progress(done, total)
    return PublishReport(counts, done, complete)


def _check_topics(dump: Dump, configuration: Configuration, append: bool) -> None:
    client = client_settings(configuration)
    problems: list[str] = []
    for role in dump.roles:
        name, wanted = topic_name(configuration, role), len(dump.partitions(role))
        found = partition_count(client, name)
        if found != wanted:
            problems.append(
                f"topic {name} has {found} partitions, the dump's {role} has {wanted}; create the topic with {wanted}"
            )
        elif not append:
            problems += _retention_problem(dump, client, role, name)
            held = sum(high - low for low, high in (topic_range(client, name, p) for p in range(found)))
            if held:
                problems.append(f"topic {name} holds {held} records already; use an empty topic, or --append")
    if problems:
        raise InvalidInput("; ".join(problems))


def _retention_problem(dump: Dump, client: ClientSettings, role: str, name: str) -> list[str]:
    """Kafka deletes by record time, so a limit shorter than the dump is old loses it within minutes, silently."""
    oldest = min((info.min_ts for info in dump.partitions(role) if info.records), default=None)
    resource = ConfigResource(ResourceType.TOPIC, name)
    admin = AdminClient(admin_config(client))
    found = admin.describe_configs([resource])[resource].result(TIMEOUT_SECONDS)
    limit = int(str(found["retention.ms"].value)) if "retention.ms" in found else -1
    if oldest is None or limit < 0 or oldest // 1_000_000 >= time.time_ns() // 1_000_000 - limit:
        return []
    return [f"topic {name} has retention.ms={limit} and would delete records as old as the dump's; set it to -1"]


def _in_time_order(dump: Dump) -> Iterator[_Record]:
    """Records of all partitions, merged by timestamp; each partition keeps its own order. Unsealed dumps get ticks."""
    places = [(role, partition) for role in dump.roles for partition in range(len(dump.partitions(role)))]
    latest = [BEGINNING]
    streams = [_partition(dump, role, partition, latest) for role, partition in places]
    yield from (record for _, record in heapq.merge(*streams, key=lambda pair: pair[0]))
    if dump.manifest.sealed or latest[0] == BEGINNING:
        return
    for role, partition in places:
        offset = dump.partitions(role)[partition].next_offset
        yield _Record(latest[0], role, partition, offset, None, clock_tick(latest[0]), None)


def _partition(dump: Dump, role: str, partition: int, latest: list[int]) -> Iterator[tuple[int, _Record]]:
    """(running maximum of timestamps, record): a timestamp that goes back must not change a partition's order."""
    passed = BEGINNING
    unsealed = not dump.manifest.sealed
    for records in dump.read(role, partition):
        if unsealed:
            latest[0] = max(latest[0], latest_event(records, MAX_FUTURE_SECONDS * NANOSECONDS))
        offsets, timestamps = records.offsets.tolist(), records.timestamps.tolist()
        for row, payload in enumerate(records.payloads):
            passed = max(passed, timestamps[row])
            key = None if records.keys is None else records.keys[row]
            headers = None if records.headers is None else records.headers[row]
            yield passed, _Record(timestamps[row], role, partition, offsets[row], key, payload, headers)


class _Pace:
    """Holds records back to ``speed`` seconds of record time a second; wall time is allowed here."""

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._begin: tuple[int, float] | None = None

    def wait_for(self, timestamp: int, serve: Callable[[float], None]) -> None:
        if self._speed is None:
            return
        if self._begin is None:
            self._begin = (timestamp, time.monotonic())
        first, started = self._begin
        due = started + (timestamp - first) / NANOSECONDS / self._speed
        while (left := due - time.monotonic()) > 0 and not drain.requested():
            serve(min(left, 0.05))


class _Publisher:
    """An idempotent producer whose every delivery is checked."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._names: dict[str, str] = {}
        self._producer = Producer(producer_config(client_settings(configuration)) | {"linger.ms": 5})
        self._refused: str | None = None

    def send(self, record: _Record) -> None:
        name = self._names.setdefault(record.role, topic_name(self._configuration, record.role))
        position = OriginalPosition(name, record.partition, record.offset, record.timestamp)
        headers: list[tuple[str, str | bytes | None]] = [pair for pair in record.headers or [] if pair[0] != HEADER]
        headers.append(to_header(position))
        while True:
            try:
                self._producer.produce(
                    name,
                    record.payload,
                    record.key,
                    record.partition,
                    on_delivery=self._delivered,
                    timestamp=max(record.timestamp // 1_000_000, 0),
                    headers=headers,
                )
                return
            except BufferError:
                self.serve(0.1)
            except KafkaException as error:
                raise WeirError(f"topic {name}: {error}") from error

    def serve(self, seconds: float) -> None:
        """Serves the client; raises WeirError when a record was refused."""
        self._producer.poll(seconds)
        if self._refused is not None:
            raise WeirError(self._refused)

    def finish(self) -> None:
        """Waits for every delivery."""
        left = self._producer.flush(FLUSH_SECONDS)
        self.serve(0)
        if left:
            raise Unavailable(f"{left} records were not taken within {FLUSH_SECONDS:g} s; publish again to new topics")

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and self._refused is None:
            self._refused = f"topic {message.topic()} partition {message.partition()} refused a record: {error.str()}"
