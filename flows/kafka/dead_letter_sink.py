"""Refused messages into the dead-letter topic, exactly once (spec 2)."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import msgspec

from flows.kafka.append_sink import KafkaAppendSink
from flows.kafka.settings import ClientSettings
from operators.frames import DeadLetterRow, DeadLetters
from schemas.messages import DeadLetter


def dead_letter_key(role: str, partition: int) -> str:
    """The stream's key, and the record's, for dead letters of one source partition."""
    return f"{role}-{partition:05d}"


def dead_letter_value(row: DeadLetterRow) -> bytes:
    """A dead letter on the wire; its payload as text where it is UTF-8, else as base64."""
    try:
        text, encoded = row.payload.decode(), None
    except UnicodeDecodeError:
        text, encoded = None, base64.b64encode(row.payload).decode()
    return msgspec.json.encode(
        DeadLetter(
            error=row.error,
            offset=row.offset,
            partition=row.partition,
            payload=text,
            payload_base64=encoded,
            reason=row.reason,
            timestamp=row.timestamp,
            topic=row.topic,
        )
    )


def dead_letter_sink(
    client: ClientSettings, cluster_id: str, topic: str, sources: Sequence[tuple[str, int]]
) -> KafkaAppendSink[DeadLetters]:
    """The sink for ``sources``, the (role, partition) pairs that are read. Key items by :func:`dead_letter_key`."""
    keys = [dead_letter_key(role, partition) for role, partition in sources]
    return KafkaAppendSink(client, cluster_id, "dead_letters", topic, keys, _values)


def _values(frame: DeadLetters) -> list[bytes]:
    return [dead_letter_value(row) for row in frame.rows]
