"""Exactly once into Kafka: a transactional producer compares before it repeats (design, "Exactly once into Kafka").

One :class:`TransactionalLog` has one fixed transactional id and one key. What it writes comes in *groups* that are
committed whole (a decision and its orders). Groups that are committed already, by a run that died, are recognised by
their digests and skipped; a difference stops the flow. Where the outcome of a transaction is unknown the log is asked,
never guessed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from flows.crash_points import reached
from flows.errors import DivergedFromLog, Fenced, WeirError
from flows.exit_codes import Unavailable
from flows.kafka.committed_tail import Inspect, TailRecord, read_tail
from flows.kafka.settings import ClientSettings, transactional_config
from flows.kafka.watermarks import Channel

#: How long a batch may take to be settled before the flow gives up; longer than a broker needs to come back, and than
#: the broker needs to end a transaction that someone left open.
SETTLE_SECONDS: Final = 90.0
#: Pause before the log is asked again.
RETRY_SECONDS: Final = 0.1

_FENCED: Final = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)
_REFUSED: Final = (
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.UNSUPPORTED_VERSION,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A record to write: where, its value, the digest that tells it from others, and what it is called in errors."""

    channel: Channel
    value: bytes
    digest: str
    label: str


class TransactionalLog:
    """Writes groups of entries exactly once, over crashes, zombies and lost answers.

    Args:
        client: client settings.
        name: what its crash points are called: ``{name}.before_commit`` and ``{name}.after_commit``.
        transactional_id: fixed id; a new holder fences the old one.
        key: key of every record; only records with it are compared.
        channels: where it writes, the leading one first: each group begins with exactly one entry of it.
        ends: offset after the last committed record that the snapshot knows, for each channel; None reads the channel
            from its beginning.
        last_digest: digest of the last committed entry of the leading channel that the snapshot knows.
        inspector: makes what looks at the committed records after ``ends``, each time they are read.
        settle_seconds: how long :meth:`write` tries before it gives up.

    Attributes:
        ends: offset after the last record that is known to be committed, for each channel.
        last_digest: digest of the last such record of the leading channel.
    """

    def __init__(
        self,
        client: ClientSettings,
        name: str,
        transactional_id: str,
        key: bytes,
        channels: Sequence[Channel],
        ends: Mapping[Channel, int | None],
        last_digest: str | None,
        inspector: Callable[[], Inspect],
        *,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        self._client = client
        self._name = name
        self._id = transactional_id
        self._key = key
        self._channels = tuple(channels)
        self.ends: dict[Channel, int | None] = {channel: ends.get(channel) for channel in channels}
        self.last_digest = last_digest
        self._inspector = inspector
        self._settle_seconds = settle_seconds
        self._producer: Producer | None = None
        self._tail: CommittedTail | None = None
        self._opening: Future[None] | None = None

    def open_soon(self) -> None:
        """Begin :meth:`open` in a thread, since it takes up to 0.5 s and many logs open at once.

        Every other call waits for it and raises what it met.
        """
        thread = ThreadPoolExecutor(1, "kafka-open")
        self._opening = thread.submit(self._settle_open)
        thread.shutdown(wait=False)

    def open(self) -> None:
        """Take over the transactional id: fences a zombie and aborts what it left open. Does nothing when open.

        Raises:
            Unavailable: Kafka cannot be reached in time, or refuses.
        """
        opening, self._opening = self._opening, None
        if opening is None:
            self._settle_open()
        else:
            opening.result()

    def read_committed(self) -> None:
        """Open, and read what is committed after ``ends``. Does nothing when that was done.

        Raises:
            InputLost: the log does not reach back to ``ends``.
            DivergedFromLog: what is committed does not follow what the snapshot knows.
        """
        self.open()
        self._until_settled(self._read_tail)

    def write(self, groups: Sequence[Sequence[Entry]]) -> None:
        """Commit ``groups`` in one transaction, less those at the front that are committed already.

        Raises:
            DivergedFromLog: a committed record differs from the one that was about to repeat it.
            Fenced: another holder of the transactional id has taken over.
            Unavailable: no outcome in ``settle_seconds``.
        """
        self.open()
        waiting = deque(groups)

        def attempt() -> None:
            tail = self._read_tail()
            while waiting and tail.covers(waiting[0]):
                self.last_digest = waiting.popleft()[0].digest
                self.ends.update(tail.passed)
            if waiting:
                self._commit([entry for group in waiting for entry in group])
                self.last_digest = waiting[-1][0].digest
                waiting.clear()

        self._until_settled(attempt)

    def close(self) -> None:
        """Let go of the producer; nothing is under way between writes."""
        if self._opening is not None:
            wait([self._opening])
        self._forget()

    def _settle_open(self) -> None:
        self._until_settled(self._open)

    def _open(self) -> Producer:
        if self._producer is None:
            producer = Producer(transactional_config(self._client, self._id))
            producer.init_transactions(self._settle_seconds)
            self._producer = producer
        return self._producer

    def _read_tail(self) -> CommittedTail:
        self._open()
        if self._tail is None:
            records = read_tail(self._client, self._key, self.ends, self._inspector(), self._settle_seconds)
            self._tail = CommittedTail(self._channels, records)
        return self._tail

    def _commit(self, entries: Sequence[Entry]) -> None:
        producer = self._open()
        delivered: dict[Channel, int] = {}
        failed: list[KafkaError] = []
        count = 0

        def on_delivery(error: KafkaError | None, message: Message) -> None:
            nonlocal count
            if error is not None:
                failed.append(error)
                return
            count += 1
            channel = Channel(message.topic() or "", message.partition() or 0)
            delivered[channel] = max(delivered.get(channel, -1), message.offset() or 0)

        producer.begin_transaction()
        for entry in entries:
            _produce(producer, entry, self._key, on_delivery)
        left = producer.flush(self._settle_seconds)
        if failed or left or count != len(entries):
            raise KafkaException(failed[0] if failed else KafkaError(KafkaError._TIMED_OUT, f"{left} not delivered"))
        reached(f"{self._name}.before_commit")
        self._commit_transaction(producer)
        reached(f"{self._name}.after_commit")
        for channel, offset in delivered.items():
            self.ends[channel] = offset + 1

    def _commit_transaction(self, producer: Producer) -> None:
        deadline = time.monotonic() + self._settle_seconds
        while True:
            try:
                producer.commit_transaction(min(10.0, self._settle_seconds))
                return
            except KafkaException as error:
                # A retriable commit is resumed by calling it again; it never commits twice.
                if not _kafka_error(error).retriable() or time.monotonic() > deadline:
                    raise

    def _until_settled(self, attempt: Callable[[], object]) -> None:
        deadline = time.monotonic() + self._settle_seconds
        while True:
            try:
                attempt()
                return
            except KafkaException as error:
                self._settle(_kafka_error(error), deadline)

    def _settle(self, error: KafkaError, deadline: float) -> None:
        """Return if the attempt may be repeated, after making sure that the log is asked what became of it."""
        self._raise_if_final(error)
        if not error.fatal() and self._producer is not None:
            # Asked of the old producer on purpose: only it is told when a successor has taken over.
            try:
                self._producer.abort_transaction(10.0)
                self._tail = None
            except KafkaException as again:
                self._raise_if_final(_kafka_error(again))
                self._forget()
        else:
            self._forget()
        if time.monotonic() > deadline:
            raise Unavailable(
                f"{self._id}: no outcome after {self._settle_seconds:.0f} s: {error.str()}; check the brokers, "
                "then start again: what is committed will be found and skipped"
            )
        time.sleep(RETRY_SECONDS)

    def _raise_if_final(self, error: KafkaError) -> None:
        if error.code() in _FENCED:
            raise Fenced(
                f"{self._id}: another process has taken over this transactional id ({error.str()}); it goes on"
            )
        if error.code() in _REFUSED:
            raise Unavailable(
                f"{self._id}: Kafka refuses to write to {', '.join(sorted({c.topic for c in self._channels}))}: "
                f"{error.str()}; grant WRITE and DESCRIBE, or raise max.message.bytes"
            )

    def _forget(self) -> None:
        """Drop the producer and what is believed to be committed; both are built anew from the log."""
        producer, self._producer, self._tail = self._producer, None, None
        if producer is not None:
            producer.purge()


class CommittedTail:
    """Committed records that the flow is about to repeat, in log order for each channel.

    Attributes:
        passed: offset after the last record that was repeated, for each channel.
    """

    def __init__(self, channels: Sequence[Channel], records: Mapping[Channel, Sequence[TailRecord]]) -> None:
        self._leading = channels[0]
        self._left = {channel: deque(records.get(channel, ())) for channel in channels}
        self.passed: dict[Channel, int] = {}

    def __len__(self) -> int:
        return sum(len(records) for records in self._left.values())

    def covers(self, group: Sequence[Entry]) -> bool:
        """Whether ``group`` is committed already; its records are then used up.

        Raises:
            DivergedFromLog: some of it is, and the rest differs.
        """
        if not any(self._left.values()):
            return False
        for entry in group:
            committed = self._left[entry.channel].popleft() if self._left[entry.channel] else None
            if committed is None:
                raise DivergedFromLog(
                    f"{entry.label}: topic {entry.channel.topic} partition {entry.channel.partition} has no such "
                    "record, while others of the same transaction are committed; " + _HOW_TO_GO_ON
                )
            if committed.digest != entry.digest:
                raise DivergedFromLog(
                    f"{entry.label}: its digest is {entry.digest}, the record at topic {entry.channel.topic} partition "
                    f"{entry.channel.partition} offset {committed.offset} has {committed.digest}; " + _HOW_TO_GO_ON
                )
            self.passed[entry.channel] = committed.offset + 1
        if not self._left[self._leading] and any(self._left.values()):
            more = next(channel for channel, records in self._left.items() if records)
            raise DivergedFromLog(
                f"{group[0].label}: topic {more.topic} partition {more.partition} has more records from offset "
                f"{self._left[more][0].offset} on than belong to it; " + _HOW_TO_GO_ON
            )
        return True


_HOW_TO_GO_ON: Final = (
    "configuration, code or input are not those that made the log: put them back, or start a new portfolio id"
)


def _produce(
    producer: Producer, entry: Entry, key: bytes, on_delivery: Callable[[KafkaError | None, Message], None]
) -> None:
    while True:
        try:
            producer.produce(entry.channel.topic, entry.value, key, entry.channel.partition, on_delivery=on_delivery)
            return
        except BufferError:
            # The queue is bounded; serving deliveries makes room.
            producer.poll(0.1)


def _kafka_error(error: KafkaException) -> KafkaError:
    inner = error.args[0] if error.args else None
    if not isinstance(inner, KafkaError):
        raise WeirError(f"kafka client: {error}") from error
    return inner
