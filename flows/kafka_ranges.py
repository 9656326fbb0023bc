"""Reading a fixed range of one topic partition, with everything that Kafka keeps of a record."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from flows.errors import InputLost
from flows.exit_codes import Unavailable
from flows.kafka.errors import passes
from flows.kafka.settings import ClientSettings, consumer_config
from flows.kafka.watermarks import Channel, watermarks

TIMEOUT_SECONDS: Final = 30.0
BATCH: Final = 5_000


def topic_range(client: ClientSettings, topic: str, partition: int) -> tuple[int, int]:
    """First offset and the one after the last (read-committed) of a partition; raises Unavailable."""
    place = Channel(topic, partition)
    return watermarks(client, [place], TIMEOUT_SECONDS, committed=True)[place]


def read_range(client: ClientSettings, topic: str, partition: int, start: int, end: int) -> Iterator[Message]:
    """Records with ``start <= offset < end``, in order; offsets that hold none (markers, compaction) are passed over.

    Raises:
        InputLost: ``start`` is not in the log any more.
        Unavailable: the broker gave nothing for 30 seconds.
    """
    if start >= end:
        return
    consumer = Consumer(consumer_config(client, partition_eof=True))
    try:
        consumer.assign([TopicPartition(topic, partition, start)])
        heard = time.monotonic()
        while True:
            messages = consumer.consume(BATCH, 0.1)
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > TIMEOUT_SECONDS:
                raise Unavailable(
                    f"topic {topic} partition {partition}: nothing from the broker for {TIMEOUT_SECONDS:g} s"
                )
            for message in messages:
                error = message.error()
                if error is None:
                    if (message.offset() or 0) >= end:
                        return
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    if (message.offset() or 0) >= end:
                        return
                elif error.code() in (KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET):
                    raise InputLost(
                        f"topic {topic} partition {partition}: offset {start} is no longer in the log; start later"
                    )
                elif not passes(error):
                    raise Unavailable(f"topic {topic} partition {partition}: {error.str()}")
            # The last offsets may hold only transaction markers, for which no record comes.
            if consumer.position([TopicPartition(topic, partition)])[0].offset >= end:
                return
    finally:
        consumer.close()


def follow(
    client: ClientSettings, starts: Mapping[tuple[str, int], int], stop: Callable[[], bool]
) -> Iterator[Message]:
    """Records of many partitions from their starts on as they arrive, until ``stop`` says True.

    Raises InputLost when a start is not in the log any more, Unavailable for an error that does not go away.
    """
    consumer = Consumer(consumer_config(client))
    try:
        consumer.assign([TopicPartition(topic, partition, offset) for (topic, partition), offset in starts.items()])
        while not stop():
            for message in consumer.consume(BATCH, 0.1):
                error = message.error()
                if error is None:
                    yield message
                elif error.code() in (KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET):
                    raise InputLost(f"topic {message.topic()} partition {message.partition()}: {error.str()}")
                elif not passes(error):
                    raise Unavailable(f"topic {message.topic()} partition {message.partition()}: {error.str()}")
    finally:
        consumer.close()
