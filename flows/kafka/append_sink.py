"""An exactly-once sink for streams of records that are neither decisions nor orders: dead letters, events.

One sink partition, with a transactional id of its own, for each key of the stream; what a key writes keeps its order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from flows.errors import SnapshotIncompatible
from flows.kafka.committed_tail import Inspect
from flows.kafka.errors import ContiguityBroken
from flows.kafka.settings import ClientSettings
from flows.kafka.topics import partition_count
from flows.kafka.transactional import Entry, TransactionalLog
from flows.kafka.watermarks import Channel
from operators.frames import Beat
from schemas.partitioning import murmur2_partition

SNAPSHOT_VERSION: Final = 1


class Counted(Protocol):
    """A frame with a contiguity counter."""

    counter: int


Frame = TypeVar("Frame", bound=Counted)


class AppendSnapshot(msgspec.Struct, frozen=True):
    """Recovery state of one key's sink: where it writes, the broker offset after its last committed record (None before
    the first) and the counter of its last frame."""

    topic: str
    partition: int
    end: int | None = None
    counter: int | None = None
    version: int = SNAPSHOT_VERSION


class KafkaAppendSink(FixedPartitionedSink["Frame | Beat", dict[str, Any]], Generic[Frame]):
    """Writes the records of each frame, in order and exactly once.

    Args:
        client: client settings.
        cluster_id: name of this Weir cluster; ``{cluster_id}-{name}-{key}`` is the transactional id.
        name: what it writes ("dead_letters"); also the prefix of its crash points.
        topic: broker name.
        keys: every key of the stream.
        encode: values of the records of a frame; a pure function, or what is repeated differs from what is committed.
    """

    def __init__(
        self,
        client: ClientSettings,
        cluster_id: str,
        name: str,
        topic: str,
        keys: Sequence[str],
        encode: Callable[[Frame], list[bytes]],
    ) -> None:
        self._client = client
        self._cluster_id = cluster_id
        self._name = name
        self._topic = topic
        self._keys = sorted(keys)
        self._encode = encode

    def list_parts(self) -> list[str]:
        """One partition for each key."""
        return self._keys

    def part_fn(self, item_key: str) -> int:
        """A key's own partition."""
        return self._keys.index(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: dict[str, Any] | None) -> AppendPartition[Frame]:
        """Open one key's sink; fences a predecessor, also when there is nothing to write yet.

        A zombie that opened its sink later, for its first record, would fence its successor.

        Raises:
            SnapshotIncompatible: the snapshot is of another version, topic or partition.
            Unavailable: the topic does not exist.
        """
        partition = murmur2_partition(for_part.encode(), partition_count(self._client, self._topic))
        state = AppendSnapshot(self._topic, partition)
        if resume_state is not None:
            state = self._resumed(for_part, resume_state, state)
        part = AppendPartition(self._client, self._cluster_id, self._name, for_part, state, self._encode)
        part.log.open_soon()
        return part

    def _resumed(self, key: str, resume_state: dict[str, Any], now: AppendSnapshot) -> AppendSnapshot:
        for name in ("version", "topic", "partition"):
            was, is_now = resume_state.get(name), getattr(now, name)
            if was != is_now:
                raise SnapshotIncompatible(
                    f"sink {self._name} of {key}: {name} was {was!r} and is now {is_now!r}; resume with the version "
                    "and configuration that wrote the snapshot, or start on a new recovery folder"
                )
        return msgspec.convert(resume_state, AppendSnapshot)


class AppendPartition(StatefulSinkPartition["Frame | Beat", dict[str, Any]], Generic[Frame]):
    """The sink of one key; made by :class:`KafkaAppendSink`."""

    def __init__(
        self,
        client: ClientSettings,
        cluster_id: str,
        name: str,
        key: str,
        state: AppendSnapshot,
        encode: Callable[[Frame], list[bytes]],
    ) -> None:
        self._name = name
        self._key = key
        self._state = state
        self._encode = encode
        self._channel = Channel(state.topic, state.partition)
        self.log = TransactionalLog(
            client,
            name,
            f"{cluster_id}-{name}-{key}",
            key.encode(),
            (self._channel,),
            {self._channel: state.end},
            None,
            _digests,
        )

    def write_batch(self, values: list[Frame | Beat]) -> None:
        """Commit the records of ``values`` in one transaction.

        Raises:
            ContiguityBroken: a frame is missing or came twice.
            DivergedFromLog: what is committed differs from what is about to be repeated.
            Fenced: another process has taken over.
        """
        groups: list[list[Entry]] = []
        for frame in values:
            if isinstance(frame, Beat):
                continue
            self._follow(frame.counter)
            for i, value in enumerate(self._encode(frame)):
                label = f"{self._name} of {self._key}, frame {frame.counter} record {i}"
                groups.append([Entry(self._channel, value, hashlib.sha256(value).hexdigest(), label)])
        if groups:
            self.log.write(groups)

    def snapshot(self) -> dict[str, Any]:
        """See :class:`AppendSnapshot`. Once an epoch is stored, this sink takes over from nobody any more."""
        self.log.open()
        return msgspec.structs.asdict(msgspec.structs.replace(self._state, end=self.log.ends[self._channel]))

    def close(self) -> None:
        """Let go of the producer."""
        self.log.close()

    def _follow(self, counter: int) -> None:
        last = self._state.counter
        if last is not None and counter != last + 1:
            raise ContiguityBroken(
                f"{self._name} of {self._key}: frame {counter} follows frame {last}; a frame was lost or came twice, "
                "which is a defect of the flow"
            )
        self._state = msgspec.structs.replace(self._state, counter=counter)


def _digests() -> Inspect:
    return lambda channel, offset, value: hashlib.sha256(value).hexdigest()
