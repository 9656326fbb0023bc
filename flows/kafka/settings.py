"""From a plain mapping of client settings to librdkafka configurations (design, "Edges" and "Parts").

A user says where the cluster is and how to log in; everything that exactly-once or determinism rests on is fixed here
and is refused in the mapping.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from confluent_kafka import KafkaError

ClientSettings = Mapping[str, str | int | float | bool]

#: What a user may set, by exact name or by prefix (ending in a dot).
ALLOWED: Final = (
    "bootstrap.servers",
    "security.protocol",
    "sasl.",
    "ssl.",
    "enable.ssl.certificate.verification",
    "client.id",
    "client.rack",
    "socket.",
    "reconnect.",
    "metadata.",
    "topic.metadata.",
    "broker.address.",
    "connections.max.idle.ms",
    "debug",
)

#: A transaction that its producer left open is aborted by the broker after this time.
TRANSACTION_TIMEOUT_MS: Final = 30_000


class ClientSettingsError(ValueError):
    """The client settings cannot be used; the text names the key and the fix."""


def checked(client: ClientSettings) -> dict[str, Any]:
    """``client`` as a new dictionary, if it has nothing but what a user may set.

    Raises:
        ClientSettingsError: ``bootstrap.servers`` is missing, or keys are set that Weir fixes or does not know.
    """
    if not client.get("bootstrap.servers"):
        raise ClientSettingsError("kafka client: bootstrap.servers is missing; set it to host:port[,host:port]")
    wrong = sorted(key for key in client if not any(key == a or (a[-1] == "." and key.startswith(a)) for a in ALLOWED))
    if wrong:
        raise ClientSettingsError(
            f"kafka client: {', '.join(wrong)} cannot be set: Weir fixes what exactly-once rests on; "
            f"remove it (allowed: {', '.join(a + '*' if a[-1] == '.' else a for a in ALLOWED)})"
        )
    return dict(client)


def consumer_config(
    client: ClientSettings, *, partition_eof: bool = False, on_error: Callable[[KafkaError], None] | None = None
) -> dict[str, Any]:
    """Settings of a consumer with manual assignment that never commits offsets.

    Args:
        client: see :func:`checked`.
        partition_eof: report the end of a partition as an event.
        on_error: told of errors that belong to no record, from inside a poll.
    """
    config = checked(client) | {
        # librdkafka asks for a name even where no group is joined.
        "group.id": "weir-manual-assignment",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "queued.max.messages.kbytes": 4096,
        # The default second of pause after a full queue would starve a queue as small as this one.
        "fetch.queue.backoff.ms": 5,
        "fetch.error.backoff.ms": 100,
        "enable.partition.eof": partition_eof,
    }
    return config if on_error is None else config | {"error_cb": on_error}


def transactional_config(client: ClientSettings, transactional_id: str) -> dict[str, Any]:
    """Settings of a transactional producer with a fixed id."""
    return _producer(client) | {
        "transactional.id": transactional_id,
        "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
        "queue.buffering.max.messages": 1_000_000,
    }


def producer_config(client: ClientSettings) -> dict[str, Any]:
    """Settings of an idempotent producer that retries without end."""
    return _producer(client) | {"message.timeout.ms": 0}


def admin_config(client: ClientSettings) -> dict[str, Any]:
    """Settings of an administration client."""
    return checked(client)


def _producer(client: ClientSettings) -> dict[str, Any]:
    # murmur2 is what Java and Kafka Streams use, so any client finds a key in the same partition.
    return checked(client) | {"enable.idempotence": True, "acks": "all", "partitioner": "murmur2_random"}
