"""The flow from the decisions topic to telemetry events and webhooks; offsets live in a recovery folder of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from flows.clickhouse.sink import partition_key
from flows.errors import SnapshotIncompatible
from flows.journal.reader import decisions_file, raw_lines
from flows.kafka.source import KafkaSource
from flows.kafka.topics import partition_count
from flows.notifications.event_topic import KafkaEventTopic
from flows.notifications.notifier import Counts, EventTopic, Notifier
from flows.process import drain, failure
from flows.process.recovery_folder import RecoveryFolder
from flows.process.run_failed import RunFailed
from flows.process.worker import execute
from flows.settings import RECOVERY_PARTITIONS
from flows.topics import client_settings, topic_name
from operators.frames import RecordBlock
from schemas.configuration import Configuration
from schemas.configuration.notifications import Notifications

Stop = Callable[[], bool]


class NotificationSink(FixedPartitionedSink[RecordBlock, dict[str, Any]]):
    """Tells of record blocks of the decisions topic; ``told`` collects what was done, for whoever started the flow.

    A snapshot is taken after everything of its epoch was told: after a crash an epoch may be told twice, and never not.
    """

    def __init__(
        self, settings: Notifications, partitions: int, topic: Callable[[], EventTopic | None], stop: Stop, told: Counts
    ) -> None:
        self._settings, self._partitions, self._topic = settings, partitions, topic
        self._stop, self._told = stop, told

    def list_parts(self) -> list[str]:
        """One sink partition for each topic partition."""
        return [partition_key(partition) for partition in range(self._partitions)]

    def part_fn(self, item_key: str) -> int:
        """The topic partition that the key names."""
        return int(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: dict[str, Any] | None) -> NotificationPartition:
        """A notifier of its own for each partition; raises InvalidInput and SnapshotIncompatible."""
        notifier = Notifier(self._settings, self._topic(), stop=self._stop)
        notifier.counts = self._told
        if resume_state is not None:
            try:
                notifier.restore(resume_state)
            except ValueError as error:
                raise SnapshotIncompatible(f"{error}; start on a new recovery folder") from None
        return NotificationPartition(notifier)


class NotificationPartition(StatefulSinkPartition[RecordBlock, dict[str, Any]]):
    """One partition of a :class:`NotificationSink`; made by it."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    def write_batch(self, values: list[RecordBlock]) -> None:
        """Tells of every decision of the blocks, in order."""
        for block in values:
            for payload in block.payloads:
                self._notifier.take(payload)

    def snapshot(self) -> dict[str, Any]:
        """See :meth:`Notifier.snapshot`."""
        return self._notifier.snapshot()

    def close(self) -> None:
        """Stores what is still under way."""
        self._notifier.flush()


def notification_flow(source: Source[RecordBlock], sink: NotificationSink) -> Dataflow:
    """The flow from any source of record blocks. Step ids are recovery keys: never rename them."""
    flow = Dataflow("notifications")
    blocks = op.input("decisions", flow, source)
    keyed = op.key_on("partition", blocks, lambda block: partition_key(block.partition))
    op.output("notify", keyed, sink)
    return flow


def notify_from_kafka(configuration: Configuration, recovery: Path) -> Counts:
    """Follows the decisions topic until SIGTERM or SIGINT; raises what the flow raises, ClusterLocked where another
    process has the recovery folder."""
    client, told = client_settings(configuration), Counts()
    topic = topic_name(configuration, "decisions")
    partitions = partition_count(client, topic)
    events = topic_name(configuration, "telemetry") if configuration.notifications.events_topic else None
    if events is not None:
        partition_count(client, events)

    def event_topic() -> EventTopic | None:
        return None if events is None else KafkaEventTopic(client, events)

    with RecoveryFolder(recovery, RECOVERY_PARTITIONS) as folder, drain.on_signals():
        folder.begin("", "")
        source = KafkaSource(
            "decisions", topic, range(partitions), client, batch=configuration.kafka.poll_messages,
            drain=drain.requested,
        )  # fmt: skip
        sink = NotificationSink(configuration.notifications, partitions, event_topic, drain.requested, told)
        try:
            execute(
                notification_flow(source, sink),
                addresses=[],
                process=0,
                workers=1,
                recovery_folder=folder.snapshots,
                epoch_seconds=configuration.runtime.epoch_seconds,
            )
        except Exception as error:
            if failure.is_disk_full(error, folder.snapshots):
                raise RunFailed.of(failure.describe(error, folder.snapshots)) from error
            raise
        folder.end()
    return told


def notify_from_journal(settings: Notifications, journal: Path) -> Counts:
    """Tells of a run's journal (folder or file), once from its beginning; raises JournalUnusable."""
    notifier = Notifier(settings)
    for line in raw_lines(decisions_file(journal)):
        notifier.take(line)
    notifier.flush()
    return notifier.counts
