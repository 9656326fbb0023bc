"""Batched Kafka source: a consumer for each partition, offsets in recovery state (design, "Edges", "Stale snapshots").

bytewax's stock source makes an object for each message; this one emits at most one
:class:`~operators.frames.RecordBlock` for each poll.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, cast

import numpy as np
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from flows.errors import InputLost, SnapshotIncompatible, WeirError
from flows.exit_codes import Unavailable
from flows.kafka.position import LogPosition, from_headers
from flows.kafka.run_ahead import Reached, ReadGate, RunAhead, event_time
from flows.kafka.settings import ClientSettings, consumer_config
from flows.kafka.topics import require_partition
from operators.frames import Int64, RecordBlock

SNAPSHOT_VERSION: Final = 1
#: With epochs shorter than a poll every beat is followed by a new epoch; that must not go on for ever.
DRAIN_BEATS: Final = 10

#: A source's recovery state: version, topic, partition, offset (broker, next), position (original, next), shift.
SourceSnapshot = dict[str, int | str]

#: Told (role, partition, records not read yet).
OnLag = Callable[[str, int, int], None]

_MAY_NOT_READ: Final = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
)


class KafkaSource(FixedPartitionedSource[RecordBlock, SourceSnapshot]):
    """Reads the partitions of one topic.

    Each partition emits a beat at its start and, in every epoch, at its first poll when there is nothing to read or
    the source is held. It ends only on ``drain``.

    Args:
        role: the topic's role in the configuration ("market", "control", ...); it names the blocks.
        topic: the topic's name at the broker.
        partitions: partitions to read; bytewax spreads them over the workers.
        client: client settings, see :mod:`flows.kafka.settings`.
        batch: most records for one block.
        start: where to begin without a snapshot: "beginning", or the broker offset for each partition.
        run_ahead: bounds reading by event time; None reads all it can.
        drain: when it says True the source ends (StopIteration) after one more beat in the epoch.
        on_lag: told the lag after each poll that brought records and at each beat.
        event_time_of: event time (UTC ns) of a payload, for ``run_ahead``.
    """

    def __init__(
        self,
        role: str,
        topic: str,
        partitions: Sequence[int],
        client: ClientSettings,
        *,
        batch: int = 5000,
        start: Literal["beginning"] | Mapping[int, int] = "beginning",
        run_ahead: RunAhead | None = None,
        drain: Callable[[], bool] | None = None,
        on_lag: OnLag | None = None,
        event_time_of: Callable[[bytes], int | None] = event_time,
    ) -> None:
        if not partitions:
            raise ValueError(f"source {role}: no partitions of topic {topic} are named")
        self._role = role
        self._topic = topic
        self._partitions = {f"{role}-{partition:05d}": partition for partition in sorted(partitions)}
        self._client = client
        self._batch = batch
        self._start = start
        self._run_ahead = run_ahead
        self._drain = drain or _never
        self._on_lag = on_lag
        self._event_time_of = event_time_of

    def list_parts(self) -> list[str]:
        """All partitions; bytewax gives each to one worker."""
        return list(self._partitions)

    def build_part(self, step_id: str, for_part: str, resume_state: SourceSnapshot | None) -> KafkaPartition:
        """Open one partition where the snapshot says, or at ``start``.

        Raises:
            SnapshotIncompatible: the snapshot is of another version or topic.
            Unavailable: the cluster does not answer, or has no such topic or partition.
        """
        partition = self._partitions[for_part]
        offset, position = self._where(partition, resume_state)
        consumer = Consumer(consumer_config(self._client, on_error=_on_client_error))
        require_partition(consumer, f"source {self._role}", self._topic, partition)
        return KafkaPartition(
            self._role,
            self._topic,
            offset,
            position,
            consumer,
            self._batch,
            None if self._run_ahead is None else self._run_ahead.gate(self._role),
            self._drain,
            self._on_lag,
            Reached(self._event_time_of),
        )

    def _where(self, partition: int, state: SourceSnapshot | None) -> tuple[int, LogPosition]:
        if state is not None:
            wanted = {"version": SNAPSHOT_VERSION, "topic": self._topic, "partition": partition}
            for key, value in wanted.items():
                if state.get(key) != value:
                    raise SnapshotIncompatible(
                        f"source {self._role}: its snapshot has {key} {state.get(key)!r}, this run {value!r}; resume "
                        "with the configuration and version that wrote it, or start on a new recovery folder"
                    )
            position = LogPosition(partition, int(state["position"]), int(state["shift"]))
            return int(state["offset"]), position
        if self._start == "beginning":
            return OFFSET_BEGINNING, LogPosition(partition)
        offset = self._start.get(partition, OFFSET_BEGINNING)
        return offset, LogPosition(partition, max(offset, 0))


class KafkaPartition(StatefulSourcePartition[RecordBlock, SourceSnapshot]):
    """One partition of a :class:`KafkaSource`; made by it."""

    def __init__(
        self,
        role: str,
        topic: str,
        offset: int,
        position: LogPosition,
        consumer: Consumer,
        batch: int,
        gate: ReadGate | None,
        drain: Callable[[], bool],
        on_lag: OnLag | None,
        reached: Reached,
    ) -> None:
        self._role = role
        self._topic = topic
        self._offset = offset
        self._position = position
        self._consumer = consumer
        self._batch = batch
        self._gate = gate
        self._drain = drain
        self._on_lag = on_lag
        self._reached = reached
        self._beat_due = True
        self._drain_beats = 0
        consumer.assign([TopicPartition(topic, position.partition, offset)])

    def next_batch(self) -> list[RecordBlock]:
        """At most one block; a beat where the epoch has had none.

        Raises:
            StopIteration: the cluster drains.
            InputLost: the next offset is no longer in the log.
            Unavailable: the topic does not exist, or may not be read.
        """
        if self._drain():
            # The last epoch needs its beat too, or a left-over row of an abandoned run could win on resume.
            if not self._beat_due or self._drain_beats == DRAIN_BEATS:
                raise StopIteration
            self._drain_beats += 1
            return [self._beat()]
        block = self._read()
        if block is not None:
            self._beat_due = False
            return [block]
        return [self._beat()] if self._beat_due else []

    def snapshot(self) -> SourceSnapshot:
        """The next offset; also starts a new epoch for the beat."""
        self._beat_due = True
        return {
            "version": SNAPSHOT_VERSION,
            "topic": self._topic,
            "partition": self._position.partition,
            "offset": self._offset,
            "position": self._position.next,
            "shift": self._position.shift,
        }

    def close(self) -> None:
        """Give up the connection."""
        self._consumer.close()

    def _read(self) -> RecordBlock | None:
        # A poll makes thousands of objects that live until its block is built; walking them would double its cost.
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            messages = self._poll()
            return self._block(messages) if messages else None
        finally:
            if was_enabled:
                gc.enable()

    def _poll(self) -> list[Message]:
        wanted = self._batch
        if self._gate is not None:
            wanted = self._gate.allowance(self._reached.first, self._reached.value, wanted)
        if wanted == 0:
            return []
        # A time-out above 0 would be waited for in full whenever fewer records arrive.
        messages = self._consumer.consume(wanted, 0)
        if any(map(Message.error, messages)):
            messages = [message for message in messages if not self._is_error(message)]
        return messages

    def _block(self, messages: list[Message]) -> RecordBlock:
        start = self._position.next
        # Method objects of the C type: half the time of a call for each message in a comprehension.
        values = list(map(Message.value, messages))
        payloads = cast("list[bytes]", values) if all(values) else [value or b"" for value in values]
        broker_offsets = cast("list[int]", list(map(Message.offset, messages)))
        offsets, timestamps = self._places(messages, broker_offsets)
        self._offset = broker_offsets[-1] + 1
        self._reached.take(payloads)
        self._report_lag()
        return RecordBlock(
            self._role, self._position.partition, start, self._position.next, offsets, timestamps, payloads
        )

    def _places(self, messages: list[Message], broker_offsets: list[int]) -> tuple[Int64, Int64]:
        """Original positions and record timestamps (ns), each [n]."""
        timestamps = np.array([ms for _, ms in map(Message.timestamp, messages)], np.int64) * 1_000_000
        headers = list(map(Message.headers, messages))
        if not any(headers):
            offsets = np.array(broker_offsets, np.int64) + self._position.shift
            self._position.next = int(offsets[-1]) + 1
            return offsets, timestamps
        offsets = np.empty(len(messages), np.int64)
        for i, broker_offset in enumerate(broker_offsets):
            original = from_headers(headers[i])
            offsets[i], believed = self._position.place(broker_offset, original)
            if believed and original is not None:
                timestamps[i] = original.timestamp
        return offsets, timestamps

    def _beat(self) -> RecordBlock:
        self._beat_due = False
        self._report_lag()
        return RecordBlock.beat(self._role, self._position.partition, self._position.next)

    def _report_lag(self) -> None:
        if self._on_lag is None or self._offset < 0:
            return
        place = TopicPartition(self._topic, self._position.partition)
        _, end = self._consumer.get_watermark_offsets(place, cached=True)
        if end >= 0:
            self._on_lag(self._role, self._position.partition, max(0, end - self._offset))

    def _is_error(self, message: Message) -> bool:
        """Whether ``message`` is an error; raises those that do not go away by themselves."""
        error = message.error()
        if error is None:
            return False
        where = f"topic {self._topic} partition {self._position.partition} ({self._role})"
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise InputLost(
                f"{where}: offset {self._offset} is not in the log any more ({error.str()}); restore the topic, or "
                "start on a new recovery folder and accept that the decisions in between cannot be made again"
            )
        if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC):
            raise Unavailable(f"{where}: it does not exist ({error.str()}); run: weir topics create")
        if error.code() in _MAY_NOT_READ:
            raise Unavailable(f"{where}: may not be read ({error.str()}); grant READ and DESCRIBE on it")
        if error.fatal():
            raise WeirError(f"{where}: {error.str()}")
        return True


def _on_client_error(error: KafkaError) -> None:
    """Errors of the connection; all but a wrong login go away by themselves when the cluster is back."""
    if error.code() in (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError._SSL):
        raise Unavailable(f"kafka client: {error.str()}; check sasl.* and ssl.* of the client settings")


def _never() -> bool:
    return False
