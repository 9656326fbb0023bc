"""``weir record``: a dump of live topics, faithful to offsets, timestamps, keys and headers.

Records that ``weir publish`` wrote stand in the dump where they stood originally, as the live source sees them.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from flows.dump.importer import clock_tick
from flows.dump.manifest import Instrument, Manifest
from flows.dump.records import Headers, Records
from flows.dump.seal import MAX_FUTURE_SECONDS, latest_event
from flows.dump.writer import DumpWriter, Form
from flows.errors import InvalidInput
from flows.kafka.position import HEADER, LogPosition, from_headers
from flows.kafka_ranges import follow, read_range, topic_range
from flows.process import drain
from flows.topics import client_settings, input_partitions, topic_name
from operators.frames import BEGINNING
from schemas.configuration import Configuration
from schemas.configuration.base import NANOSECONDS, interval_nanoseconds

if TYPE_CHECKING:
    from confluent_kafka import Message

_LOG = logging.getLogger(__name__)
_CHUNK = 4096

#: Called with (records written, records in all; 0: unknown).
Progress = Callable[[int, int], None]
Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """What to record.

    Attributes:
        start: offset by (role, partition); others from their beginning.
        end: offset by (role, partition) to stop before; others at their present end.
        follow: go on until SIGINT or SIGTERM instead of stopping at the present end.
        seal: end every partition with a ClockTick at the largest event time that was read.
        form: of the partition files.
    """

    start: Mapping[Place, int] = field(default_factory=dict)
    end: Mapping[Place, int] = field(default_factory=dict)
    follow: bool = False
    seal: bool = True
    form: Form = "parquet"


@dataclass(frozen=True, slots=True)
class RecordReport:
    """What was recorded: records by role, and the event time (ns) of the closing ticks, None without."""

    folder: Path
    records: dict[str, int]
    sealed_at: int | None


def record(
    configuration: Configuration, out: Path, options: RecordOptions | None = None, progress: Progress | None = None
) -> RecordReport:
    """Records every configured input topic into the dump ``out``.

    Raises:
        InvalidInput: ``out`` holds something, or a range names a partition that is not configured.
        InputLost: a range begins before the log does.
        Unavailable: the broker or a topic is not there.
    """
    options = options or RecordOptions()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InvalidInput(f"{out} is not empty; a dump is written to a new folder")
    ranges = _ranges(configuration, options)
    unfinished = out.with_name(out.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    names = {role: topic_name(configuration, role) for role in input_partitions(configuration)}
    recording = _Recording(DumpWriter(unfinished, _manifest(configuration), form=options.form, topics=names))
    total = 0 if options.follow else sum(end - start for start, end in ranges.values())
    for place, message in _messages(configuration, ranges, options.follow):
        recording.add(place, message)
        if progress is not None and recording.written % _CHUNK == 0:
            progress(recording.written, total)
    sealed_at = recording.close(ranges, seal=options.seal, instruments=_instruments(configuration))
    if progress is not None:
        progress(recording.written, total)
    if out.exists():
        out.rmdir()
    unfinished.rename(out)
    return RecordReport(out, dict(sorted(recording.counts.items())), sealed_at)


def _ranges(configuration: Configuration, options: RecordOptions) -> dict[Place, tuple[int, int]]:
    places = [(role, p) for role, count in input_partitions(configuration).items() for p in range(count)]
    unknown = sorted((set(options.start) | set(options.end)) - set(places))
    if unknown:
        named = ", ".join(f"{role}:{partition}" for role, partition in unknown)
        raise InvalidInput(f"{named}: no such partition is configured")
    client = client_settings(configuration)
    ranges: dict[Place, tuple[int, int]] = {}
    for place in places:
        low, high = topic_range(client, topic_name(configuration, place[0]), place[1])
        ranges[place] = (options.start.get(place, low), options.end.get(place, high))
    return ranges


def _messages(
    configuration: Configuration, ranges: dict[Place, tuple[int, int]], follow_on: bool
) -> Iterator[tuple[Place, Message]]:
    client = client_settings(configuration)
    if follow_on:
        places = {(topic_name(configuration, role), p): (role, p) for role, p in ranges}
        starts = {name: ranges[place][0] for name, place in places.items()}
        for message in follow(client, starts, drain.requested):
            yield places[message.topic() or "", message.partition() or 0], message
        return
    for (role, partition), (start, end) in ranges.items():
        for message in read_range(client, topic_name(configuration, role), partition, start, end):
            if drain.requested():
                return
            yield (role, partition), message


class _Recording:
    """Records on their way into the dump, a chunk a partition."""

    def __init__(self, writer: DumpWriter) -> None:
        self._writer = writer
        self._positions: dict[Place, LogPosition] = {}
        self._waiting: dict[Place, list[tuple[int, int, Message]]] = {}
        self._latest = BEGINNING
        self.written = 0
        self.counts: dict[str, int] = {}

    def add(self, place: Place, message: Message) -> None:
        position = self._positions.setdefault(place, LogPosition(place[1]))
        original = from_headers(message.headers())
        offset, believed = position.place(message.offset() or 0, original)
        timestamp = original.timestamp if believed and original is not None else message.timestamp()[1] * 1_000_000
        waiting = self._waiting.setdefault(place, [])
        waiting.append((offset, timestamp, message))
        self.written += 1
        self.counts[place[0]] = self.counts.get(place[0], 0) + 1
        if len(waiting) >= _CHUNK:
            self._flush(place)

    def _flush(self, place: Place) -> None:
        waiting = self._waiting.pop(place, [])
        if not waiting:
            return
        messages = [message for _, _, message in waiting]
        keys = [_bytes(message.key()) for message in messages]
        headers = [_headers(message) for message in messages]
        records = Records.of(
            [offset for offset, _, _ in waiting],
            [timestamp for _, timestamp, _ in waiting],
            [_bytes(message.value()) for message in messages],
            keys if any(key is not None for key in keys) else None,
            headers if any(headers) else None,
        )
        self._latest = max(self._latest, latest_event(records, MAX_FUTURE_SECONDS * NANOSECONDS))
        self._writer.append(*place, records)

    def close(
        self, ranges: dict[Place, tuple[int, int]], *, seal: bool, instruments: list[Instrument] | None
    ) -> int | None:
        for place in list(self._waiting):
            self._flush(place)
        sealed_at = self._latest if seal and self._latest != BEGINNING else None
        for place, (start, _) in ranges.items():
            self._writer.partition(*place)
            if sealed_at is not None:
                position = self._positions.get(place)
                offset = position.next if position is not None else start
                tick = Records.of([offset], [sealed_at], [clock_tick(sealed_at)])
                self._writer.append(*place, tick)
        self._writer.manifest.sealed = sealed_at is not None
        self._writer.close(instruments)
        return sealed_at


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def _headers(message: Message) -> Headers | None:
    """The record's headers without the original position, which the dump's own columns hold now."""
    found = message.headers()
    if not found:
        return None
    pairs = found.items() if isinstance(found, dict) else found
    return [(key, _bytes(value)) for key, value in pairs if key != HEADER] or None


def _manifest(configuration: Configuration) -> Manifest:
    seconds = configuration.time.cycle_seconds
    whole = not isinstance(seconds, str) and float(seconds).is_integer()
    partitioner = configuration.topics.market.partitioner
    return Manifest(
        cycle_seconds=int(seconds) if whole and not isinstance(seconds, str) else None,
        partitioner=partitioner,
        source=f"recorded from Kafka cluster {configuration.kafka.cluster_id}",
    )


def _instruments(configuration: Configuration) -> list[Instrument] | None:
    """The configured instruments, so that the dump replays with ``instruments: from_dump`` too."""
    if isinstance(configuration.instruments, str):
        return None
    seconds = configuration.time.cycle_seconds
    default = "1d" if isinstance(seconds, str) else f"{max(1, int(seconds))}s"
    return [
        Instrument(
            symbol=one.symbol,
            tick=one.tick,
            lot=one.lot,
            interval=one.interval or default,
            listed_from=one.listed_from or 0,
            participation=one.participation,
            currency=one.currency,
            venue=one.venue or None,
        )
        for one in configuration.instruments
        if interval_nanoseconds(one.interval or default)
    ]
