"""The flow that copies the decisions topic to ClickHouse (design, "ClickHouse").

It reads with offsets of its own and retries without end; the trading flow knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source

from flows.clickhouse.sink import ClickHouseSink, partition_key
from flows.errors import InvalidInput
from flows.kafka.source import KafkaSource, OnLag
from flows.kafka.topics import partition_count
from flows.topics import client_settings, topic_name
from operators.frames import RecordBlock
from schemas.configuration import Configuration
from schemas.configuration.document import ClickHouse

ROLE = "decisions"


def decisions_to_clickhouse(
    configuration: Configuration,
    *,
    drain: Callable[[], bool] | None = None,
    on_lag: OnLag | None = None,
    on_availability: Callable[[bool], None] | None = None,
) -> Dataflow:
    """The flow for a configuration; give it a recovery folder of its own, in which its offsets live.

    Args:
        configuration: its ``kafka`` and ``clickhouse`` sections are used.
        drain: when it says True the flow inserts what it has and ends.
        on_lag: told how many decisions are still to be read.
        on_availability: told True or False when ClickHouse comes back or goes away.

    Raises:
        InvalidInput: the configuration names no ClickHouse server.
        Unavailable: the decisions topic does not exist.
    """
    settings = configuration.clickhouse
    if settings.dsn is None:
        # Seen once: the embedded engine beside librdkafka in one process ended with a corrupted heap.
        raise InvalidInput(
            "clickhouse.dsn is not set; copying from Kafka needs a server, the embedded engine is for dumps"
        )
    kafka = configuration.kafka
    client = client_settings(configuration)
    topic = topic_name(configuration, ROLE)
    partitions = partition_count(client, topic)
    source = KafkaSource(ROLE, topic, range(partitions), client, batch=kafka.poll_messages, drain=drain, on_lag=on_lag)
    return copy_flow(source, partitions, settings, drain=drain, on_availability=on_availability)


def copy_flow(
    source: Source[RecordBlock],
    partitions: int,
    settings: ClickHouse,
    *,
    drain: Callable[[], bool] | None = None,
    on_availability: Callable[[bool], None] | None = None,
) -> Dataflow:
    """The flow from any source of record blocks. Step ids are recovery keys: never rename them."""
    flow = Dataflow("decisions_to_clickhouse")
    blocks = op.input("decisions", flow, source)
    keyed = op.key_on("partition", blocks, _key)
    op.output("clickhouse", keyed, ClickHouseSink(settings, partitions, stop=drain, changed=on_availability))
    return flow


def _key(block: RecordBlock) -> str:
    return partition_key(block.partition)
