"""What one key has committed in a log since a known offset."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from flows.errors import InputLost
from flows.exit_codes import Unavailable
from flows.kafka.errors import passes
from flows.kafka.settings import ClientSettings, consumer_config
from flows.kafka.watermarks import Channel, Watermarks, watermarks

POLL_SECONDS: Final = 0.25
FETCH_WAIT_MS: Final = 5


class TailRecord(NamedTuple):
    """A committed record: broker offset and digest."""

    offset: int
    digest: str


#: Told each committed value in log order, with its channel and offset; returns its digest, raises where it does not
#: belong there.
Inspect = Callable[[Channel, int, bytes], str]


def read_tail(
    client: ClientSettings,
    key: bytes,
    starts: Mapping[Channel, int | None],
    inspect: Inspect,
    timeout_seconds: float,
) -> dict[Channel, list[TailRecord]]:
    """The committed records with ``key`` from each start (None: the beginning) to the end of the partition.

    The end is the *uncommitted* one: a transaction that another key's producer holds open hides what was committed
    after it, and is waited for.

    Raises:
        InputLost: a start is not in the log any more.
        Unavailable: the end was not reached in time.
        KafkaException: a topic cannot be read.
    """
    deadline = time.monotonic() + timeout_seconds
    marks = watermarks(client, starts, timeout_seconds, committed=False)
    found: dict[Channel, list[TailRecord]] = {channel: [] for channel in starts}
    # The end of a partition is told with an empty answer, which the broker holds back for this long.
    consumer = Consumer(consumer_config(client, partition_eof=True) | {"fetch.wait.max.ms": FETCH_WAIT_MS})
    try:
        # In numbers, since the client takes half a second to find out what "beginning" is.
        consumer.assign([TopicPartition(*c, marks[c].low if s is None else s) for c, s in starts.items()])
        open_channels = set(starts)
        while open_channels:
            message = consumer.poll(POLL_SECONDS)
            if message is None:
                _check_time(deadline, open_channels, marks, timeout_seconds)
                continue
            channel = Channel(message.topic() or "", message.partition() or 0)
            if _at_end(message, channel, starts[channel], marks[channel].high):
                open_channels.discard(channel)
            if message.error() is None and message.key() == key:
                offset = message.offset() or 0
                found[channel].append(TailRecord(offset, inspect(channel, offset, message.value() or b"")))
    finally:
        consumer.close()
    return found


def _at_end(message: Message, channel: Channel, start: int | None, end: int) -> bool:
    error = message.error()
    if error is None:
        return (message.offset() or 0) >= end - 1
    if error.code() == KafkaError._PARTITION_EOF:
        return (message.offset() or 0) >= end
    if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
        raise InputLost(
            f"topic {channel.topic} partition {channel.partition}: offset {start}, up to which the snapshot knows what "
            "is committed, is not in the log (deleted by retention, or the topic was made anew); restore the topic: "
            "without it nobody can tell which orders were already sent"
        )
    if passes(error):
        return False
    raise KafkaException(error)


def _check_time(
    deadline: float, waiting: set[Channel], marks: Mapping[Channel, Watermarks], timeout_seconds: float
) -> None:
    if time.monotonic() > deadline:
        names = ", ".join(f"{c.topic}[{c.partition}] up to {marks[c].high}" for c in sorted(waiting))
        raise Unavailable(
            f"committed records of {names} cannot be read within {timeout_seconds:.0f} s; a broker is away, or a "
            "transaction of another producer stays open"
        )
