"""Where an explanation finds its decisions: in a run's files by scanning, or in ClickHouse by key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import msgspec
from clickhouse_connect.driver.client import Client

from flows.journal.line import JournalLine, decode_body, parse_line
from flows.journal.reader import ORDERS, TruncatedStream, decisions_file, find_file, raw_lines
from schemas.canonical import canonical_json
from schemas.decision import DecisionBody, Envelope


class Evidence(Protocol):
    """What :func:`flows.journal.explain.explain_order` asks."""

    def order_decision(self, client_order_id: str) -> JournalLine | None:
        """The decision that holds the order."""
        ...

    def before(self, line: JournalLine, symbol: str) -> Iterable[DecisionBody]:
        """The portfolio's decisions before ``line`` that hold an intent or target of ``symbol``, newest last.

        Only the newest of each (pod, schedule) intent and the newest two of each pod's targets need to be there.
        """
        ...

    def later(self, line: JournalLine, client_order_id: str) -> Iterable[DecisionBody]:
        """The decisions after ``line`` that booked fills of the order or took it back, in sequence."""
        ...

    def wire_order(self, client_order_id: str) -> dict[str, Any] | None:
        """The order line, where there is one."""
        ...


class JournalEvidence:
    """A run's folder (or journal file); each question is one pass over the lines that mention what is asked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._journal = decisions_file(path)
        self._orders = find_file(path, ORDERS) if path.is_dir() else None

    def order_decision(self, client_order_id: str) -> JournalLine | None:
        """See :class:`Evidence`."""
        for raw in _mentioning(self._journal, client_order_id):
            line = parse_line(raw)
            orders = line.body().orders
            if orders is not None and client_order_id in orders.client_order_id:
                return line
        return None

    def before(self, line: JournalLine, symbol: str) -> Iterator[DecisionBody]:
        """See :class:`Evidence`."""
        for raw in _mentioning(self._journal, symbol):
            found = parse_line(raw)
            if found.portfolio == line.portfolio:
                if found.sequence >= line.sequence:
                    return
                yield found.body()

    def later(self, line: JournalLine, client_order_id: str) -> Iterator[DecisionBody]:
        """See :class:`Evidence`."""
        for raw in _mentioning(self._journal, client_order_id):
            found = parse_line(raw)
            if found.portfolio == line.portfolio and found.sequence > line.sequence:
                yield found.body()

    def wire_order(self, client_order_id: str) -> dict[str, Any] | None:
        """See :class:`Evidence`."""
        if self._orders is None:
            return None
        for raw in _mentioning(self._orders, client_order_id):
            document: dict[str, Any] = msgspec.json.decode(raw, type=dict[str, Any])
            if document.get("client_order_id") == client_order_id:
                return document
        return None


def _mentioning(path: Path, text: str) -> Iterator[bytes]:
    """Lines that hold ``text`` as a JSON string; a search over bytes costs far less than decoding them all."""
    needle = canonical_json(text)
    try:
        for raw in raw_lines(path):
            if needle in raw:
                yield raw
    except TruncatedStream:
        # What is whole can be explained; verify speaks of the rest.
        return


class ClickHouseEvidence:
    """The views of a migrated database."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def order_decision(self, client_order_id: str) -> JournalLine | None:
        """See :class:`Evidence`."""
        rows = self._rows(
            "SELECT d.body, d.hash, d.code_version FROM decisions AS d INNER JOIN"
            " (SELECT portfolio, sequence FROM order_rows WHERE client_order_id = {id:String} LIMIT 1) AS o"
            " ON d.portfolio = o.portfolio AND d.sequence = o.sequence",
            {"id": client_order_id},
        )
        for raw, body_hash, code_version in rows:
            body = decode_body(_bytes(raw))
            envelope = Envelope(code_version=code_version)
            return JournalLine(
                _bytes(raw), body_hash, envelope, body.portfolio, body.sequence, body.previous, body.cycle
            )
        return None

    def before(self, line: JournalLine, symbol: str) -> list[DecisionBody]:
        """See :class:`Evidence`."""
        rows = self._rows(
            "SELECT body FROM decisions WHERE portfolio = {p:String} AND sequence IN ("
            " SELECT max(sequence) FROM intent_rows"
            " WHERE portfolio = {p:String} AND sequence < {s:UInt64} AND symbol = {y:String} GROUP BY pod, schedule"
            " UNION DISTINCT"
            " SELECT sequence FROM (SELECT DISTINCT pod, sequence FROM target_rows"
            " WHERE portfolio = {p:String} AND sequence < {s:UInt64} AND symbol = {y:String})"
            " ORDER BY sequence DESC LIMIT 2 BY pod"
            ") ORDER BY sequence",
            {"p": line.portfolio, "s": line.sequence, "y": symbol},
        )
        return [decode_body(_bytes(raw)) for (raw,) in rows]

    def later(self, line: JournalLine, client_order_id: str) -> list[DecisionBody]:
        """See :class:`Evidence`."""
        rows = self._rows(
            "SELECT body FROM decisions WHERE portfolio = {p:String} AND sequence IN ("
            " SELECT sequence FROM fill_rows"
            " WHERE portfolio = {p:String} AND sequence > {s:UInt64} AND client_order_id = {id:String}"
            " UNION DISTINCT SELECT sequence FROM cancel_rows"
            " WHERE portfolio = {p:String} AND sequence > {s:UInt64} AND client_order_id = {id:String}"
            ") ORDER BY sequence",
            {"p": line.portfolio, "s": line.sequence, "id": client_order_id},
        )
        return [decode_body(_bytes(raw)) for (raw,) in rows]

    def wire_order(self, client_order_id: str) -> dict[str, Any] | None:
        """None: ClickHouse holds decisions, not order lines."""
        return None

    def _rows(self, query: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._client.query(query, parameters=parameters).result_rows]


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
