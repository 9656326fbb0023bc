"""Where a log begins and ends now."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from flows.exit_codes import Unavailable
from flows.kafka.errors import passes
from flows.kafka.settings import ClientSettings, consumer_config

#: Pause before a broker that has not opened the partition yet is asked again.
RETRY_SECONDS: Final = 0.05


class Channel(NamedTuple):
    """A topic partition."""

    topic: str
    partition: int


class Watermarks(NamedTuple):
    """Broker offsets: of the first record, and of the one that comes next."""

    low: int
    high: int


def watermarks(
    client: ClientSettings, channels: Iterable[Channel], timeout_seconds: float, *, committed: bool
) -> dict[Channel, Watermarks]:
    """Beginnings and ends of partitions; with ``committed`` False the ends include what open transactions wrote.

    A consumer is asked, since an administration client that is new takes 3 s for it now and then.

    Raises:
        Unavailable: no answer in time, or one that does not change by itself.
    """
    deadline = time.monotonic() + timeout_seconds
    isolation = "read_committed" if committed else "read_uncommitted"
    consumer = Consumer(consumer_config(client) | {"isolation.level": isolation})
    try:
        return {channel: _ask(consumer, channel, deadline) for channel in channels}
    finally:
        consumer.close()


def _ask(consumer: Consumer, channel: Channel, deadline: float) -> Watermarks:
    while True:
        left = max(0.1, deadline - time.monotonic())
        try:
            return Watermarks(*consumer.get_watermark_offsets(TopicPartition(*channel), timeout=left))
        except KafkaException as error:
            if time.monotonic() > deadline or not passes(error.args[0]):
                raise Unavailable(
                    f"topic {channel.topic} partition {channel.partition}: {error.args[0].str()}; check the address "
                    "and the topic"
                ) from error
        time.sleep(RETRY_SECONDS)
