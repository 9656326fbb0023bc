"""Where the writer is used: the bulk load of a run's folder, and a bytewax sink that outlasts ClickHouse."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from clickhouse_connect.driver.client import Client

from flows.clickhouse.migrate import migrate
from flows.clickhouse.persistent import PersistentWriter
from flows.clickhouse.writer import DecisionWriter
from flows.journal.reader import TruncatedStream, decisions_file, raw_lines
from operators.frames import RecordBlock
from schemas.configuration.document import ClickHouse

_log = structlog.get_logger("weir.clickhouse")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a bulk load did."""

    decisions: int
    rejected: int
    seconds: float


def load_decisions(
    out_dir: Path,
    client: Client,
    *,
    batch_rows: int = 20_000,
    progress: Callable[[int], None] | None = None,
) -> Loaded:
    """Loads a run's decision journal (folder or file) into a database, migrating it first.

    ``progress`` is told the number of decisions taken so far. May be repeated: what is there is compared, not doubled.

    Raises:
        JournalUnusable: there is no journal at ``out_dir``.
        DivergedFromLog: the database holds another run of this portfolio.
        DecisionsMissing: the journal has a gap.
    """
    started = time.monotonic()
    migrate(client)
    writer = DecisionWriter(client, batch_rows=batch_rows)
    source = decisions_file(out_dir)
    try:
        for number, line in enumerate(raw_lines(source), 1):
            writer.take(line, source.name, 0, number)
            if writer.is_full:
                writer.flush()
                if progress is not None:
                    progress(writer.decisions)
    except TruncatedStream as error:
        # A run that was killed may end in half a line; whole decisions are loaded all the same.
        _log.warning("journal_truncated", error=str(error), decisions=writer.decisions)
    writer.flush()
    if progress is not None:
        progress(writer.decisions)
    return Loaded(writer.decisions, writer.rejected, time.monotonic() - started)


class ClickHouseSink(FixedPartitionedSink[RecordBlock, None]):
    """Inserts record blocks of the decisions topic.

    Everything taken in an epoch is inserted before the epoch's snapshot, and bytewax commits the source's offsets with
    that snapshot: so an offset is committed only after its decision is stored.

    Args:
        settings: the configuration's ``clickhouse`` section.
        partitions: how many partitions the decisions topic has; each is written by one worker.
        stop: see :class:`PersistentWriter`.
        changed: see :class:`Availability`.
    """

    def __init__(
        self,
        settings: ClickHouse,
        partitions: int,
        *,
        stop: Callable[[], bool] | None = None,
        changed: Callable[[bool], None] | None = None,
    ) -> None:
        self._settings = settings
        self._partitions = partitions
        self._stop = stop
        self._changed = changed

    def list_parts(self) -> list[str]:
        """One sink partition for each topic partition, named by :func:`partition_key`."""
        return [partition_key(partition) for partition in range(self._partitions)]

    def part_fn(self, item_key: str) -> int:
        """The topic partition that the key names."""
        return int(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> ClickHousePartition:
        """A writer of its own for each partition; it connects at its first record."""
        return ClickHousePartition(PersistentWriter(self._settings, stop=self._stop, changed=self._changed))


class ClickHousePartition(StatefulSinkPartition[RecordBlock, None]):
    """One partition of a :class:`ClickHouseSink`; made by it."""

    def __init__(self, writer: PersistentWriter) -> None:
        self._writer = writer

    def write_batch(self, values: list[RecordBlock]) -> None:
        """Takes blocks; full batches are inserted at once."""
        for block in values:
            self._writer.take(block)

    def snapshot(self) -> None:
        """Ends an epoch: returns only when all that was taken is stored."""
        self._writer.flush()

    def close(self) -> None:
        """Inserts the rest and gives up the connection."""
        self._writer.flush()
        self._writer.close()


def partition_key(partition: int) -> str:
    """The key that routes a block to its sink partition; sorts as numbers do."""
    return f"{partition:05d}"
