"""The ``progress`` topic: how far portfolios are, and whether the cluster drains (design, "Run-ahead", "Clean stop").

It changes when things are read, never what is decided. It is small, compacted and has one partition. Every record says
which *run* of the cluster wrote it, since what an earlier run left there says nothing about this one.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection
from typing import Final

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, Producer, TopicPartition

from flows.exit_codes import Unavailable
from flows.kafka.settings import ClientSettings, consumer_config, producer_config
from flows.kafka.topics import require_partition

PARTITION: Final = 0
DRAIN_KEY: Final = b"drain"
_CYCLE: Final = b"cycle/"


class _Progress(msgspec.Struct, frozen=True):
    """Value of a progress record; ``cycle`` in UTC ns is absent in a drain announcement."""

    run: str
    cycle: int | None = None


class ProgressWriter:
    """Writes cycles and the drain announcement. One per process; safe to share between threads.

    Args:
        client: client settings.
        topic: name of the progress topic.
        run: id that the launcher gives to all processes of one start of the cluster.
    """

    def __init__(self, client: ClientSettings, topic: str, run: str) -> None:
        self._client = client
        self._topic = topic
        self._run = run
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self._newest: dict[str, int] = {}

    def cycle(self, portfolio: str, cycle: int) -> None:
        """Say that ``portfolio`` has written everything up to ``cycle`` (UTC ns). Never waits for the broker."""
        if self._newest.get(portfolio, cycle - 1) >= cycle:
            return
        self._newest[portfolio] = cycle
        self._produce(_CYCLE + portfolio.encode(), cycle)

    def announce_drain(self, timeout_seconds: float = 2.0) -> bool:
        """Tell every process of the cluster to stop in order; returns whether the broker took it in time."""
        self._produce(DRAIN_KEY, None)
        return self._opened().flush(timeout_seconds) == 0

    def poll(self) -> None:
        """Serve the client; cheap, call it now and then."""
        if self._producer is not None:
            self._producer.poll(0)

    def _produce(self, key: bytes, cycle: int | None) -> None:
        value = msgspec.json.encode(_Progress(self._run, cycle))
        producer = self._opened()
        # With a broker that is away so long that the buffer is full, the next cycle says more than this one.
        with contextlib.suppress(BufferError):
            producer.produce(self._topic, value, key, PARTITION)
        producer.poll(0)

    def _opened(self) -> Producer:
        with self._lock:
            if self._producer is None:
                self._producer = Producer(producer_config(self._client))
            return self._producer


class ProgressReader:
    """Follows the progress topic without a thread of its own: :meth:`poll` it. Safe to share between threads.

    Args:
        client: client settings.
        topic: name of the progress topic.
        run: id of this start of the cluster; records of other runs do not count.
        portfolios: the portfolios that must all have said something before :attr:`slowest` is known.
    """

    def __init__(self, client: ClientSettings, topic: str, run: str, portfolios: Collection[str]) -> None:
        self._client = client
        self._topic = topic
        self._run = run
        self._portfolios = frozenset(portfolios)
        self._lock = threading.Lock()
        self._consumer: Consumer | None = None
        self._cycles: dict[str, int] = {}
        self.slowest: int | None = None
        self.draining = False

    def poll(self) -> None:
        """Take in what has arrived.

        Raises:
            Unavailable: the topic does not exist or may not be read.
        """
        if not self._lock.acquire(blocking=False):
            return
        try:
            for message in self._opened().consume(500, 0):
                self._take(message)
        finally:
            self._lock.release()

    def close(self) -> None:
        """Give up the connection."""
        with self._lock:
            if self._consumer is not None:
                self._consumer.close()
                self._consumer = None

    def _opened(self) -> Consumer:
        if self._consumer is None:
            self._consumer = Consumer(consumer_config(self._client))
            require_partition(self._consumer, "progress", self._topic, PARTITION)
            self._consumer.assign([TopicPartition(self._topic, PARTITION, OFFSET_BEGINNING)])
        return self._consumer

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            # Whatever goes by itself is the client's to repeat; this topic only steers timing.
            if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED):
                raise Unavailable(f"progress topic {self._topic}: {error.str()}; run: weir topics create")
            return
        key, value = message.key() or b"", message.value() or b""
        try:
            said = msgspec.json.decode(value, type=_Progress)
        except msgspec.DecodeError:
            return
        if said.run != self._run:
            return
        if key == DRAIN_KEY:
            self.draining = True
        elif key.startswith(_CYCLE) and said.cycle is not None:
            self._advance(key[len(_CYCLE) :].decode(errors="replace"), said.cycle)

    def _advance(self, portfolio: str, cycle: int) -> None:
        if portfolio not in self._portfolios:
            return
        self._cycles[portfolio] = max(cycle, self._cycles.get(portfolio, cycle))
        if len(self._cycles) == len(self._portfolios):
            self.slowest = min(self._cycles.values())


class Drain:
    """The flag on which every source of every process ends at its next poll (design, "Clean stop").

    Give the object to each source as its drain flag.

    Args:
        requested: whether this process was asked to stop; a signal handler sets what it looks at.
        writer: announces the request to the other processes.
        reader: hears of the requests of others.
    """

    def __init__(
        self, requested: Callable[[], bool], writer: ProgressWriter | None = None, reader: ProgressReader | None = None
    ) -> None:
        self._requested = requested
        self._writer = writer
        self._reader = reader
        self._announced = False

    def __call__(self) -> bool:
        """Whether to stop reading now."""
        if self._requested():
            if self._writer is not None and not self._announced:
                self._announced = True
                self._writer.announce_drain()
            return True
        if self._reader is None:
            return False
        self._reader.poll()
        return self._reader.draining
