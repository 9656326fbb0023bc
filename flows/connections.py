"""Sources and sinks of a run: a dump and files, or Kafka on both sides. Configuration alone chooses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from bytewax.inputs import FixedPartitionedSource
from bytewax.outputs import FixedPartitionedSink

from flows.dump.dead_letter_sink import FileDeadLetterSink
from flows.dump.file_sink import FileDecisionSink
from flows.dump.layout import open_dump
from flows.dump.slabs import slab_borders
from flows.dump.source import DumpSource
from flows.journal.keys import keys_from_environment
from flows.journal.signing import envelopes
from flows.process import drain
from flows.settings import DumpInput, FilesOutput, FlowSettings, Shadow
from flows.topics import client_settings, input_partitions, topic_name
from operators.frames import OutputBlock
from operators.plan import Plan
from schemas.configuration import Configuration
from schemas.configuration.base import seconds_to_nanoseconds
from schemas.decision import Envelope

#: Folder of the shadow's decisions below that of a replay.
SHADOW_FOLDER: Final = "shadow"


@dataclass(frozen=True, slots=True)
class Connections:
    """Where a run reads and writes: a source for each configured input role, the two sinks, and that of a shadow."""

    sources: dict[str, FixedPartitionedSource[Any, Any]]
    decisions: FixedPartitionedSink[Any, Any]
    dead_letters: FixedPartitionedSink[Any, Any]
    shadow: FixedPartitionedSink[Any, Any] | None = None
    #: key of the shadow's sink by portfolio id
    shadow_key: Callable[[str], str] = str


def connect(settings: FlowSettings, plan: Plan) -> Connections:
    """Builds sources and sinks; nothing is opened before bytewax asks for a partition."""
    partitions = input_partitions(plan.configuration)
    places = [(role, p) for role, count in partitions.items() for p in range(count)]
    envelope = Envelope(code_version=settings.code_version)
    # Signing is of the edge: keys come from the environment of each process and never through the settings.
    keys = keys_from_environment()
    envelope_of = envelopes(keys, settings.code_version)
    portfolios = [p.id for p in plan.portfolios]
    if isinstance(settings.source, DumpInput):
        sources = _dump_sources(settings.source, partitions)
    else:
        sources = _kafka_sources(settings, plan, partitions)
    if isinstance(settings.sink, FilesOutput):
        out, recovery = Path(settings.sink.out), settings.recovery is not None
        return Connections(
            sources,
            FileDecisionSink(
                out,
                portfolios,
                msgspec.to_builtins(envelope),
                recovery=recovery,
                signer=envelope_of if keys is not None and keys.hmac else None,
            ),
            FileDeadLetterSink(out, places, recovery=recovery),
            _shadow_files(settings, out, msgspec.to_builtins(envelope)),
        )
    from flows.kafka.dead_letter_sink import dead_letter_sink
    from flows.kafka.progress import ProgressWriter
    from flows.kafka.sink import KafkaDecisionSink

    configuration = plan.configuration
    client, cluster = client_settings(configuration), configuration.kafka.cluster_id
    return Connections(
        sources,
        KafkaDecisionSink(
            client,
            cluster,
            portfolios,
            topic_name(configuration, "decisions"),
            topic_name(configuration, "orders"),
            envelope_of,
            progress=ProgressWriter(client, topic_name(configuration, "progress"), settings.run),
        ),
        dead_letter_sink(client, cluster, topic_name(configuration, "dead_letters"), places),
        _shadow_topic(settings, configuration, envelope),
        lambda portfolio: shadow_key(settings, portfolio),
    )


def _shadow_files(settings: FlowSettings, out: Path, envelope: dict[str, Any]) -> FileDecisionSink | None:
    if settings.shadow is None:
        return None
    recovery = settings.recovery is not None
    return FileDecisionSink(out / SHADOW_FOLDER, shadow_portfolios(settings.shadow), envelope, recovery=recovery)


def _shadow_topic(
    settings: FlowSettings, configuration: Configuration, envelope: Envelope
) -> FixedPartitionedSink[Any, Any] | None:
    """Decisions into the role ``shadow_decisions``; the generation is in the key, so that each has a log of its own."""
    if settings.shadow is None:
        return None
    from flows.kafka.append_sink import KafkaAppendSink
    from flows.kafka.decision_chain import decision_value

    def values(block: OutputBlock) -> list[bytes]:
        pairs = zip(block.bodies, block.hashes, strict=True)
        return [decision_value(body, digest, envelope) for body, digest in pairs]

    return KafkaAppendSink(
        client_settings(configuration),
        configuration.kafka.cluster_id,
        "shadow",
        topic_name(configuration, "shadow_decisions"),
        [shadow_key(settings, portfolio) for portfolio in shadow_portfolios(settings.shadow)],
        values,
    )


def _dump_sources(source: DumpInput, partitions: dict[str, int]) -> dict[str, FixedPartitionedSource[Any, Any]]:
    dump = open_dump(Path(source.path))
    borders = slab_borders(dump.manifest, source.slab_records)
    return {
        role: DumpSource(dump, role, borders, batch=source.batch, ragged=source.ragged or None, drain=drain.requested)
        for role in partitions
    }


def _kafka_sources(
    settings: FlowSettings, plan: Plan, partitions: dict[str, int]
) -> dict[str, FixedPartitionedSource[Any, Any]]:
    from flows.kafka.progress import Drain, ProgressReader, ProgressWriter
    from flows.kafka.run_ahead import RunAhead
    from flows.kafka.source import KafkaSource
    from flows.metrics import observe_lag

    configuration = plan.configuration
    client, progress = client_settings(configuration), topic_name(configuration, "progress")
    reader = ProgressReader(client, progress, settings.run, [p.id for p in plan.portfolios])
    draining = Drain(drain.requested, ProgressWriter(client, progress, settings.run), reader)
    time = configuration.time
    margin = 2 * configuration.kafka.tick_seconds + time.allowed_lateness_seconds + time.side_lag_seconds
    hold = configuration.kafka.hold_cycles * plan.cycle_ns + seconds_to_nanoseconds(margin)
    return {
        role: KafkaSource(
            role,
            topic_name(configuration, role),
            list(range(count)),
            client,
            batch=configuration.kafka.poll_messages,
            run_ahead=RunAhead(reader, hold),
            drain=draining,
            on_lag=observe_lag,
        )
        for role, count in partitions.items()
    }


def shadow_portfolios(shadow: Shadow) -> list[str]:
    """Ids of the portfolios of a shadow."""
    return [portfolio["id"] for portfolio in shadow.configuration["portfolios"]]


def shadow_key(settings: FlowSettings, portfolio: str) -> str:
    """Key of a shadow's records in Kafka: ``main@2`` is the second beginning of a shadow of portfolio ``main``."""
    return portfolio if settings.shadow is None else f"{portfolio}@{settings.shadow.generation}"
