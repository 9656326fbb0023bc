"""Decisions and orders into Kafka, exactly once (design, "Exactly once into Kafka" and "Sink").

One sink partition for each portfolio. The decisions of a batch and their orders are one transaction; that is what
*journal before emit* means on Kafka.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from flows.crash_points import reached
from flows.errors import SnapshotIncompatible
from flows.journal.signing import EnvelopeOf
from flows.kafka.decision_chain import ChainInspector, decision_value
from flows.kafka.errors import ContiguityBroken
from flows.kafka.progress import ProgressWriter
from flows.kafka.settings import ClientSettings
from flows.kafka.topics import partition_count
from flows.kafka.transactional import Entry, TransactionalLog
from flows.kafka.watermarks import Channel
from flows.metrics import process_metrics
from operators.frames import Beat, OutputBlock
from schemas.partitioning import murmur2_partition

SNAPSHOT_VERSION: Final = 1


class SinkSnapshot(msgspec.Struct, frozen=True):
    """Recovery state of one portfolio's sink.

    ``decisions_end`` and ``orders_end`` are the broker offsets after the last committed record, None before the first.
    ``sequence`` and ``hash`` are those of the last decision, ``counter`` that of the last frame; None before the first.
    ``key_id`` is that of the last decision's signature, None where it has none.
    """

    decisions_topic: str
    decisions_partition: int
    decisions_end: int | None
    orders_topic: str
    orders_partition: int
    orders_end: int | None
    sequence: int | None
    hash: str | None
    counter: int | None
    version: int = SNAPSHOT_VERSION
    key_id: str | None = None


class KafkaDecisionSink(FixedPartitionedSink["OutputBlock | Beat", dict[str, Any]]):
    """Writes each portfolio's decisions and orders, keyed by portfolio id.

    Args:
        client: client settings.
        cluster_id: name of this Weir cluster; ``{cluster_id}-{portfolio}`` is the transactional id.
        portfolios: every portfolio of the configuration; the stream's keys.
        decisions_topic: broker name.
        orders_topic: broker name.
        envelope: makes the envelope of a decision, at the edge.
        first_sequence: sequence of a portfolio's very first decision.
        progress: told the last cycle after each commit.
    """

    def __init__(
        self,
        client: ClientSettings,
        cluster_id: str,
        portfolios: Sequence[str],
        decisions_topic: str,
        orders_topic: str,
        envelope: EnvelopeOf,
        *,
        first_sequence: int = 1,
        progress: ProgressWriter | None = None,
    ) -> None:
        self._client = client
        self._cluster_id = cluster_id
        self._portfolios = sorted(portfolios)
        self._decisions_topic = decisions_topic
        self._orders_topic = orders_topic
        self._first_sequence = first_sequence
        self._envelope = envelope
        self._progress = progress

    def list_parts(self) -> list[str]:
        """One partition for each portfolio."""
        return self._portfolios

    def part_fn(self, item_key: str) -> int:
        """A portfolio's own partition."""
        return self._portfolios.index(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: dict[str, Any] | None) -> KafkaDecisionPartition:
        """Open one portfolio's sink; this fences a predecessor that still runs.

        Raises:
            SnapshotIncompatible: the snapshot is of another version, or of other topics or partitions.
            Unavailable: a topic does not exist.
        """
        decisions, orders = (self._channel(topic, for_part) for topic in (self._decisions_topic, self._orders_topic))
        state = SinkSnapshot(*decisions, None, *orders, None, None, None, None)
        if resume_state is not None:
            state = _resumed(for_part, resume_state, state)
        part = KafkaDecisionPartition(
            self._client,
            f"{self._cluster_id}-{for_part}",
            for_part,
            state,
            self._first_sequence,
            self._envelope,
            self._progress,
        )
        part.log.open_soon()
        return part

    def _channel(self, topic: str, portfolio: str) -> Channel:
        return Channel(topic, murmur2_partition(portfolio.encode(), partition_count(self._client, topic)))


class KafkaDecisionPartition(StatefulSinkPartition["OutputBlock | Beat", dict[str, Any]]):
    """The sink of one portfolio; made by :class:`KafkaDecisionSink`."""

    def __init__(
        self,
        client: ClientSettings,
        transactional_id: str,
        portfolio: str,
        state: SinkSnapshot,
        first_sequence: int,
        envelope: EnvelopeOf,
        progress: ProgressWriter | None,
    ) -> None:
        self._portfolio = portfolio
        self._state = state
        self._first_sequence = first_sequence
        self._envelope = envelope
        self._progress = progress
        self._transactions = process_metrics().histogram("weir_transaction_seconds").labels(portfolio)
        self._decisions = Channel(state.decisions_topic, state.decisions_partition)
        self._orders = Channel(state.orders_topic, state.orders_partition)
        #: (sequence, key id) of the last committed decision
        self._committed = (state.sequence or 0, state.key_id)
        self.log = TransactionalLog(
            client,
            "decisions",
            transactional_id,
            portfolio.encode(),
            (self._decisions, self._orders),
            {self._decisions: state.decisions_end, self._orders: state.orders_end},
            state.hash,
            self._inspector,
        )

    def write_batch(self, values: list[OutputBlock | Beat]) -> None:
        """Commit the decisions and orders of ``values`` in one transaction.

        A beat alone takes over the transactional id and reads what is committed, so that a zombie is fenced even when
        there is nothing to write.

        Raises:
            ContiguityBroken: a frame or a sequence is missing or came twice.
            DivergedFromLog: what is committed differs from what is about to be repeated.
            Fenced: another process has taken over.
        """
        groups: list[list[Entry]] = []
        cycle: int | None = None
        for block in values:
            if isinstance(block, Beat):
                continue
            self._follow(block)
            if block.bodies:
                # Where the log ends tells which decision is the first that this run's key signs.
                self.log.read_committed()
            groups += self._groups(block)
            cycle = block.to_cycle
        if groups:
            with self._transactions.time():
                self.log.write(groups)
        else:
            self.log.read_committed()
        if self._progress is not None:
            if cycle is not None:
                self._progress.cycle(self._portfolio, cycle)
            self._progress.poll()

    def snapshot(self) -> dict[str, Any]:
        """See :class:`SinkSnapshot`."""
        reached("decisions.before_snapshot")
        ends = self.log.ends
        state = msgspec.structs.replace(
            self._state,
            decisions_end=ends[self._decisions],
            orders_end=ends[self._orders],
            key_id=self._committed[1],
        )
        reached("decisions.after_snapshot")
        return msgspec.structs.asdict(state)

    def close(self) -> None:
        """Let go of the producer."""
        self.log.close()

    def _follow(self, block: OutputBlock) -> None:
        """Take in the block's counter and sequences; hard errors where they do not continue the last ones."""
        state = self._state
        if block.portfolio != self._portfolio:
            raise ContiguityBroken(
                f"portfolio {self._portfolio}: a frame of portfolio {block.portfolio} came; key the stream by portfolio"
            )
        if state.counter is not None and block.counter != state.counter + 1:
            raise ContiguityBroken(
                f"portfolio {self._portfolio}: frame {block.counter} follows frame {state.counter}; "
                "a frame was lost or came twice, which is a defect of the flow"
            )
        expected = self._first_sequence if state.sequence is None else state.sequence + 1
        if block.bodies and block.first_sequence != expected:
            raise ContiguityBroken(
                f"portfolio {self._portfolio}: decision {block.first_sequence} comes where {expected} is expected; "
                "a decision was lost or came twice, which is a defect of the flow"
            )
        if block.bodies:
            last = block.first_sequence + len(block.bodies) - 1
            state = msgspec.structs.replace(state, sequence=last, hash=block.hashes[-1])
        self._state = msgspec.structs.replace(state, counter=block.counter)

    def _groups(self, block: OutputBlock) -> list[list[Entry]]:
        """One group for each decision: its record, then its orders."""
        groups: list[list[Entry]] = []
        for i, (body, body_hash) in enumerate(zip(block.bodies, block.hashes, strict=True)):
            sequence = block.first_sequence + i
            committed, key_id = self._committed
            envelope = self._envelope(self._portfolio, sequence, body_hash, block.cycles[i], key_id)
            if sequence > committed:
                self._committed = sequence, envelope.key_id
            value = decision_value(body, body_hash, envelope)
            label = f"portfolio {self._portfolio} decision {sequence}"
            groups.append([Entry(self._decisions, value, body_hash, label)])
        for j, (order, decision) in enumerate(zip(block.orders, block.order_decisions, strict=True)):
            label = f"portfolio {self._portfolio} order {j} of decision {block.first_sequence + decision}"
            groups[decision].append(Entry(self._orders, order, hashlib.sha256(order).hexdigest(), label))
        return groups

    def _inspector(self) -> ChainInspector:
        last = self.log.last_digest
        return ChainInspector(self._portfolio, self._decisions, last, self._first_sequence, self._note_committed)

    def _note_committed(self, sequence: int, key_id: str | None) -> None:
        if sequence > self._committed[0]:
            self._committed = sequence, key_id


def _resumed(portfolio: str, resume_state: dict[str, Any], now: SinkSnapshot) -> SinkSnapshot:
    version = resume_state.get("version")
    if version != SNAPSHOT_VERSION:
        raise SnapshotIncompatible(
            f"sink of portfolio {portfolio}: snapshot version {version!r}, this program writes {SNAPSHOT_VERSION}; "
            "resume with the version that wrote it"
        )
    state = msgspec.convert(resume_state, SinkSnapshot)
    for name in ("decisions_topic", "decisions_partition", "orders_topic", "orders_partition"):
        was, is_now = getattr(state, name), getattr(now, name)
        if was != is_now:
            raise SnapshotIncompatible(
                f"sink of portfolio {portfolio}: {name} was {was!r} and is now {is_now!r}; put it back, or change it "
                "over a clean stop and a new recovery folder"
            )
    return state
