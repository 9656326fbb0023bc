"""Writes decision lines into ClickHouse: columns in batches, repeatable at will, and never with a gap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from flows.clickhouse.errors import DecisionsMissing
from flows.clickhouse.tables import Batch
from flows.crash_points import reached
from flows.errors import DivergedFromLog
from flows.journal.line import JournalLine, MalformedLine, parse_decision
from schemas.decision import GENESIS

#: A batch ends here even when it has fewer than ``batch_rows`` decisions: it bounds memory.
BATCH_BYTES: Final = 64 << 20


class DecisionWriter:
    """Takes journal lines in the order of each portfolio's chain and inserts them by batches.

    Lines that are stored already may come again (a resumed flow repeats its last epoch): they are compared by hash and
    written once more, which the views do not show. A failed insert leaves the batch in place: call :meth:`flush` again.
    Bytes that are no intact decision go to ``rejected_records`` with the reason.

    Args:
        client: a connection to a migrated database.
        batch_rows: decisions for one insert.
    """

    def __init__(self, client: Client, *, batch_rows: int = 20_000) -> None:
        self._client = client
        self._batch_rows = batch_rows
        self._batch = Batch()
        self._rejected = _Rejected()
        self._pending: list[tuple[str, pa.Table]] = []
        #: (sequence, hash) of the last decision taken, None where the portfolio has none
        self._heads: dict[str, tuple[int, str] | None] = {}
        self._stored: dict[str, dict[int, str]] = {}
        self.decisions = 0
        self.rejected = 0

    def use(self, client: Client) -> None:
        """Goes on with another connection; what is pending stays pending."""
        self._client = client

    @property
    def pending(self) -> int:
        """How much is taken and not inserted yet; 0 says that everything is stored."""
        return len(self._batch) + len(self._rejected) + len(self._pending)

    def write(self, lines: Sequence[bytes], topic: str = "", partition: int = 0, offsets: Sequence[int] = ()) -> None:
        """Takes lines (without newline) and inserts every full batch.

        Args:
            lines: journal lines.
            topic, partition, offsets: where they stand, for ``rejected_records``; without offsets, their index.

        Raises:
            DecisionsMissing: a sequence does not follow the last one.
            DivergedFromLog: a stored decision has another hash, or the next one does not name it as its predecessor.
            clickhouse_connect.driver.exceptions.ClickHouseError: an insert failed; nothing is lost.
        """
        for index, line in enumerate(lines):
            self.take(line, topic, partition, int(offsets[index]) if len(offsets) else index)
            if self.is_full:
                self.flush()

    @property
    def is_full(self) -> bool:
        """Whether the batch has reached one of its bounds."""
        return len(self._batch) + len(self._rejected) >= self._batch_rows or self._batch.size >= BATCH_BYTES

    def take(self, line: bytes, topic: str = "", partition: int = 0, offset: int = 0) -> None:
        """Takes one line into the batch without inserting; raises as :meth:`write`."""
        try:
            parsed, body = parse_decision(line)
            if not parsed.is_intact():
                raise MalformedLine(
                    f"decision {parsed.sequence} of {parsed.portfolio}: the hash is not that of the body"
                )
        except MalformedLine as error:
            self._rejected.add(topic, partition, offset, str(error), line)
            self.rejected += 1
            return
        self._follow(parsed)
        self._batch.add(parsed.raw, body, parsed.hash, parsed.envelope)
        self.decisions += 1

    def flush(self) -> None:
        """Inserts what is taken; raises what the client raises, and can then be called again."""
        if not self._pending and (len(self._batch) or len(self._rejected)):
            # Tables are made once, so that a repeated insert sends the same block.
            self._pending = self._rejected.tables() + (self._batch.tables() if len(self._batch) else [])
            self._batch, self._rejected = Batch(), _Rejected()
        while self._pending:
            name, table = self._pending[0]
            reached("clickhouse.before_insert")
            self._client.insert_arrow(name, table)
            self._pending.pop(0)
            reached("clickhouse.after_insert")
        self._stored.clear()

    def _follow(self, line: JournalLine) -> None:
        """Checks that ``line`` repeats or follows what is there."""
        if line.portfolio not in self._heads:
            self._heads[line.portfolio] = self._read_head(line.portfolio)
        head = self._heads[line.portfolio]
        where = f"clickhouse: decision {line.sequence} of portfolio {line.portfolio}"
        if head is None:
            if line.previous != GENESIS:
                raise DecisionsMissing(
                    f"{where} is the first to be stored but not the first of its chain; copy the journal from its "
                    "beginning (an earlier dump, or the topic with unlimited retention)"
                )
        elif line.sequence <= head[0]:
            self._compare(line, head, where)
            return
        elif line.sequence > head[0] + 1:
            raise DecisionsMissing(f"{where} follows {head[0]}: {line.sequence - head[0] - 1} decision(s) are missing")
        elif line.previous != head[1]:
            raise DivergedFromLog(
                f"{where} names {line.previous[:12]} as its predecessor, stored is {head[1][:12]}: it is of another "
                "run; use another clickhouse.database for it"
            )
        self._heads[line.portfolio] = (line.sequence, line.hash)

    def _compare(self, line: JournalLine, head: tuple[int, str], where: str) -> None:
        stored = self._stored.setdefault(line.portfolio, {head[0]: head[1]})
        if line.sequence not in stored:
            stored.update(self._read_hashes(line.portfolio, line.sequence, line.sequence + self._batch_rows))
        known = stored.get(line.sequence)
        if known is not None and known != line.hash:
            raise DivergedFromLog(
                f"{where} has hash {line.hash[:12]}, stored is {known[:12]}: the two come of different runs; use "
                "another clickhouse.database for this one"
            )

    def _read_head(self, portfolio: str) -> tuple[int, str] | None:
        rows = self._client.query(
            "SELECT sequence, hash FROM decision_rows WHERE portfolio = {p:String} ORDER BY sequence DESC LIMIT 1",
            parameters={"p": portfolio},
        ).result_rows
        return (int(rows[0][0]), str(rows[0][1])) if rows else None

    def _read_hashes(self, portfolio: str, first: int, last: int) -> dict[int, str]:
        rows = self._client.query(
            "SELECT sequence, hash FROM decision_rows FINAL"
            " WHERE portfolio = {p:String} AND sequence BETWEEN {a:UInt64} AND {b:UInt64}",
            parameters={"p": portfolio, "a": first, "b": last},
        ).result_rows
        return {int(sequence): str(body_hash) for sequence, body_hash in rows}


class _Rejected:
    """Rows of ``rejected_record_rows``."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, int, int, str, bytes]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, topic: str, partition: int, offset: int, error: str, payload: bytes) -> None:
        self._rows.append((topic, partition, offset, error, payload))

    def tables(self) -> list[tuple[str, pa.Table]]:
        if not self._rows:
            return []
        topic, partition, offset, error, payload = zip(*self._rows, strict=True)
        columns = {
            "topic": pa.array(topic, pa.string()),
            "partition": pa.array(partition, pa.int32()),
            "offset": pa.array(offset, pa.int64()),
            "error": pa.array(error, pa.string()),
            "payload": pa.array(payload, pa.binary()),
        }
        return [("rejected_record_rows", pa.table(columns))]
