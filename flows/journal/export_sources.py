"""Where an export takes decisions from: the decisions topic, or ClickHouse. A run's files need nothing of either."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from flows.dump.decision_lines import decision_line
from schemas.canonical import canonical_json
from schemas.configuration import Configuration
from schemas.decision import Envelope, KeyChange

#: Decisions in one answer of ClickHouse.
PAGE: Final = 5_000

_QUERY: Final = (
    "SELECT sequence, body, hash, code_version, key_id, key_change, signature, traceparent FROM decisions"
    " WHERE portfolio = {portfolio:String} AND sequence > {after:UInt64} ORDER BY sequence LIMIT {page:UInt32}"
)


def kafka_lines(configuration: Configuration) -> Iterator[bytes]:
    """Every committed record of the decisions topic, each partition from its beginning to its present end.

    Raises:
        InputLost, Unavailable: see :mod:`flows.kafka_ranges`.
    """
    from flows.kafka.topics import partition_count
    from flows.kafka_ranges import read_range, topic_range
    from flows.topics import client_settings, topic_name

    client, topic = client_settings(configuration), topic_name(configuration, "decisions")
    for partition in range(partition_count(client, topic)):
        start, end = topic_range(client, topic, partition)
        for message in read_range(client, topic, partition, start, end):
            yield message.value() or b""


def clickhouse_lines(configuration: Configuration) -> Iterator[bytes]:
    """Every decision of ClickHouse, portfolio after portfolio, as the line that it was.

    Raises:
        ClickHouseUnavailable: the server does not answer.
    """
    from flows.clickhouse.client import connect

    client = connect(configuration.clickhouse)
    try:
        found = client.query("SELECT DISTINCT portfolio FROM decisions ORDER BY portfolio")
        for (portfolio,) in found.result_rows:
            after = 0
            while rows := client.query(
                _QUERY, parameters={"portfolio": portfolio, "after": after, "page": PAGE}
            ).result_rows:
                for sequence, body, digest, *envelope in rows:
                    yield decision_line(_bytes(body), digest, _envelope(*map(str, envelope)))[:-1]
                    after = sequence
    finally:
        client.close()


def _envelope(code_version: str, key_id: str, key_change: str, signature: str, traceparent: str) -> bytes:
    change = msgspec.json.decode(key_change, type=KeyChange) if key_change else None
    return canonical_json(
        Envelope(
            code_version=code_version,
            key_change=change,
            key_id=key_id or None,
            signature=signature or None,
            traceparent=traceparent or None,
        )
    )


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
