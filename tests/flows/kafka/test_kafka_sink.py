"""The exactly-once sinks against a real broker."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import bytewax.operators as op
import msgspec
import pytest
from bytewax.dataflow import Dataflow, Stream
from bytewax.operators import KeyedStream
from bytewax.testing import TestingSource, run_main
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from flows.errors import DivergedFromLog, Fenced, InputLost, SnapshotIncompatible
from flows.exit_codes import ExitCode, Unavailable, exit_code_of
from flows.journal.keys import HmacKey, KeyRing
from flows.journal.signing import EnvelopeOf, Signer, handover_of
from flows.kafka import committed_tail, transactional
from flows.kafka.dead_letter_sink import dead_letter_key, dead_letter_sink
from flows.kafka.errors import ContiguityBroken
from flows.kafka.settings import ClientSettings, transactional_config
from flows.kafka.sink import KafkaDecisionPartition, KafkaDecisionSink
from operators.frames import Beat, DeadLetterRow, DeadLetters, OutputBlock
from schemas.decision import GENESIS, Envelope
from tests.kafka_broker import read_all

MakeTopic = Callable[..., str]


class Decisions:
    """A portfolio's decisions as its step would make them, each with one order more than the last, and a cluster."""

    def __init__(self, client: ClientSettings, make_topic: MakeTopic, portfolio: str = "alpha") -> None:
        self.client = client
        self.portfolio = portfolio
        self.decisions_topic = make_topic("decisions")
        self.orders_topic = make_topic("orders")
        self.cluster = self.decisions_topic
        self.parts: list[KafkaDecisionPartition] = []
        self.envelope: EnvelopeOf = lambda *_: Envelope(code_version="1")

    def sink(self, **settings: Any) -> KafkaDecisionSink:
        return KafkaDecisionSink(
            self.client,
            self.cluster,
            [self.portfolio],
            self.decisions_topic,
            self.orders_topic,
            self.envelope,
            **settings,
        )

    def opened(self, state: dict[str, Any] | None = None) -> KafkaDecisionPartition:
        self.parts.append(self.sink().build_part("step", self.portfolio, state))
        return self.parts[-1]

    def close(self) -> None:
        for part in self.parts:
            part.close()

    def block(self, first: int, last: int, *, counter: int = 0, text: str = "") -> OutputBlock:
        """Decisions ``first`` to ``last``; ``text`` makes the last one differ."""
        chain = [GENESIS]
        bodies: list[bytes] = []
        for sequence in range(1, last + 1):
            note = text if sequence == last else ""
            body = {"note": note, "previous": chain[-1], "sequence": sequence}
            bodies.append(msgspec.json.encode(body))
            chain.append(hashlib.sha256(bodies[-1]).hexdigest())
        numbered = [(sequence, n) for sequence in range(first, last + 1) for n in range(sequence % 3)]
        orders = [b'{"order":"%d-%d"}' % order for order in numbered]
        order_decisions = [sequence - first for sequence, _ in numbered]
        count = last - first + 1
        return OutputBlock(
            self.portfolio, counter, last, first, list(range(first, last + 1)), bodies[-count:], chain[-count:],
            orders, order_decisions,
        )  # fmt: skip

    def sequences(self, *, committed: bool = True) -> list[int]:
        values = [m.value() or b"" for m in read_all(self.client, self.decisions_topic, committed=committed)]
        return [msgspec.json.decode(value)["body"]["sequence"] for value in values]

    def orders(self) -> list[bytes]:
        return [m.value() or b"" for m in read_all(self.client, self.orders_topic)]


@pytest.fixture
def decisions(kafka_client: ClientSettings, kafka_topic: MakeTopic) -> Iterator[Decisions]:
    made = Decisions(kafka_client, kafka_topic)
    yield made
    made.close()


def test_bodies_and_orders_arrive_verbatim_under_the_portfolios_key(decisions: Decisions) -> None:
    block = decisions.block(1, 5)
    decisions.opened().write_batch([block])
    records = read_all(decisions.client, decisions.decisions_topic)
    assert {record.key() for record in records} == {b"alpha"}
    first = (records[0].value() or b"").decode()
    assert first == (
        '{"body":' + block.bodies[0].decode() + f',"hash":"{block.hashes[0]}","envelope":{{"code_version":"1"}}}}'
    )
    assert decisions.sequences() == [1, 2, 3, 4, 5]
    assert decisions.orders() == block.orders


def test_the_first_decision_that_another_key_signs_says_so_after_a_crash(decisions: Decisions) -> None:
    """The snapshot knows decision 2; up to 4 were committed with key k0; then a crash, and a start with k1."""
    first, second = HmacKey("k0", b"0" * 32), HmacKey("k1", b"1" * 32)
    decisions.envelope = Signer(KeyRing((first,)), "1")
    part = decisions.opened()
    part.write_batch([decisions.block(1, 2)])
    state = part.snapshot()
    part.write_batch([decisions.block(3, 4, counter=1)])
    decisions.envelope = Signer(KeyRing((first, second)), "1")
    decisions.opened(state).write_batch([decisions.block(3, 6, counter=1)])
    records = [m.value() or b"" for m in read_all(decisions.client, decisions.decisions_topic)]
    envelopes = [msgspec.json.decode(record)["envelope"] for record in records]
    assert [envelope["key_id"] for envelope in envelopes] == ["k0"] * 4 + ["k1"] * 2
    changes = [envelope.get("key_change") for envelope in envelopes]
    assert [n for n, change in enumerate(changes, 1) if change is not None] == [5]
    handover = handover_of(first, "alpha", 5, msgspec.json.decode(records[4])["hash"], "k1")
    assert changes[4] == {"handover": handover, "previous_key_id": "k0"}


def test_each_portfolio_goes_to_its_own_sink_under_its_own_key(
    kafka_client: ClientSettings, kafka_topic: MakeTopic
) -> None:
    names = ["zeta", "Alpha", "mid", "alpha"]
    books = {name: Decisions(kafka_client, kafka_topic, name) for name in names}
    shared = books["mid"]
    sink = KafkaDecisionSink(
        kafka_client, shared.cluster, names, shared.decisions_topic, shared.orders_topic,
        lambda *_: Envelope(code_version="1"),
    )  # fmt: skip
    flow = Dataflow("four_portfolios")
    frames: list[OutputBlock | Beat] = [books[name].block(1, 1 + i) for i, name in enumerate(names)]
    blocks: Stream[OutputBlock | Beat] = op.input("in", flow, TestingSource(frames))
    keyed: KeyedStream[OutputBlock | Beat] = op.key_on("key", blocks, lambda block: getattr(block, "portfolio", ""))
    op.output("out", keyed, sink)
    run_main(flow)  # type: ignore[no-untyped-call]
    keys = [message.key() for message in read_all(kafka_client, shared.decisions_topic)]
    assert {key: keys.count(key) for key in keys} == {b"zeta": 1, b"Alpha": 2, b"mid": 3, b"alpha": 4}


def test_a_resumed_sink_skips_what_is_committed_and_writes_the_rest_once(decisions: Decisions) -> None:
    first = decisions.opened()
    first.write_batch([decisions.block(1, 2)])
    state = first.snapshot()
    first.write_batch([decisions.block(3, 5, counter=1)])

    second = decisions.opened(state)
    second.write_batch([decisions.block(3, 4, counter=1)])
    second.write_batch([decisions.block(5, 7, counter=2)])
    assert decisions.sequences() == [1, 2, 3, 4, 5, 6, 7]
    assert len(decisions.orders()) == sum(sequence % 3 for sequence in range(1, 8))


def test_without_a_snapshot_the_whole_topic_is_compared(decisions: Decisions) -> None:
    decisions.opened().write_batch([decisions.block(1, 4)])
    again = decisions.opened()
    assert again.snapshot()["decisions_end"] is None
    again.write_batch([decisions.block(1, 2), decisions.block(3, 5, counter=1)])
    assert decisions.sequences() == [1, 2, 3, 4, 5]


def test_a_different_decision_stops_the_flow_with_an_exit_code_of_its_own(decisions: Decisions) -> None:
    decisions.opened().write_batch([decisions.block(1, 3)])
    with pytest.raises(DivergedFromLog, match=r"decision 3: its digest is .* offset 2 has") as caught:
        decisions.opened().write_batch([decisions.block(1, 3, text="another configuration")])
    assert exit_code_of(caught.value) is ExitCode.DIVERGED
    assert decisions.sequences() == [1, 2, 3]


def test_a_different_order_or_one_that_is_missing_or_too_many_stops_the_flow(decisions: Decisions) -> None:
    decisions.opened().write_batch([decisions.block(1, 2)])
    right = decisions.block(1, 2).orders
    assert len(right) == 3
    for orders in ([*right[:2], b"changed"], right[:2], [*right, b"one more"]):
        block = decisions.block(1, 2)
        block.orders, block.order_decisions = orders, [0] + [1] * (len(orders) - 1)
        with pytest.raises(DivergedFromLog):
            decisions.opened().write_batch([block])
    assert decisions.orders() == right


def test_a_foreign_record_under_the_portfolios_key_stops_the_flow(decisions: Decisions) -> None:
    producer = Producer(dict(decisions.client))
    producer.produce(decisions.decisions_topic, b"not a decision", b"alpha")
    producer.flush(30)
    with pytest.raises(DivergedFromLog, match="is no decision"):
        decisions.opened().write_batch([decisions.block(1, 1)])


def test_a_committed_tail_that_does_not_follow_the_snapshot_stops_the_flow(decisions: Decisions) -> None:
    part = decisions.opened()
    part.write_batch([decisions.block(1, 2)])
    state = part.snapshot()
    part.write_batch([decisions.block(3, 3, counter=1)])
    with pytest.raises(DivergedFromLog, match="does not continue the log"):
        decisions.opened({**state, "hash": "0" * 63 + "1"}).write_batch([Beat("market")])


def test_a_gap_in_sequence_or_counter_is_a_hard_error(decisions: Decisions) -> None:
    part = decisions.opened()
    part.write_batch([decisions.block(1, 2)])
    with pytest.raises(ContiguityBroken, match="decision 4 comes where 3 is expected"):
        part.write_batch([decisions.block(4, 4, counter=1)])
    other = decisions.opened()
    other.write_batch([decisions.block(1, 2)])
    block = decisions.block(3, 3, counter=1)
    block.portfolio = "beta"
    with pytest.raises(ContiguityBroken, match="a frame of portfolio beta came"):
        other.write_batch([block])
    with pytest.raises(ContiguityBroken, match="frame 5 follows frame 0"):
        other.write_batch([decisions.block(3, 3, counter=5)])


def test_an_open_transaction_of_a_dead_predecessor_is_aborted_and_stays_unseen(decisions: Decisions) -> None:
    dead = Producer(transactional_config(decisions.client, f"{decisions.cluster}-alpha"))
    dead.init_transactions(30)
    dead.begin_transaction()
    dead.produce(decisions.decisions_topic, msgspec.json.encode({"body": {"sequence": 99}}), b"alpha", 0)
    assert dead.flush(30) == 0

    decisions.opened().write_batch([decisions.block(1, 2)])
    assert decisions.sequences() == [1, 2]
    assert decisions.sequences(committed=False) == [99, 1, 2]


def test_a_zombie_is_fenced_by_a_beat_of_its_successor(decisions: Decisions) -> None:
    zombie = decisions.opened()
    zombie.write_batch([decisions.block(1, 2)])
    successor = decisions.opened(zombie.snapshot())
    successor.write_batch([Beat("market")])
    with pytest.raises(Fenced) as caught:
        zombie.write_batch([decisions.block(3, 3, counter=1)])
    assert exit_code_of(caught.value) is ExitCode.FENCED
    successor.write_batch([decisions.block(3, 4, counter=1)])
    assert decisions.sequences() == [1, 2, 3, 4]


class LosesTheAnswer(Producer):
    """A real producer whose first answer to a commit gets lost, after (or before) the broker committed."""

    commits = True
    lost = False

    def commit_transaction(self, timeout: float = -1) -> None:
        if LosesTheAnswer.lost:
            super().commit_transaction(timeout)
            return
        LosesTheAnswer.lost = True
        if self.commits:
            super().commit_transaction(timeout)
        raise KafkaException(KafkaError(KafkaError._TRANSPORT, "the answer got lost"))


@pytest.mark.parametrize("committed", [True, False])
def test_an_unknown_outcome_is_looked_up_in_the_log(
    decisions: Decisions, committed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LosesTheAnswer, "lost", False)
    monkeypatch.setattr(LosesTheAnswer, "commits", committed)
    monkeypatch.setattr(transactional, "Producer", LosesTheAnswer)
    part = decisions.opened()
    part.write_batch([decisions.block(1, 3)])
    assert LosesTheAnswer.lost
    part.write_batch([decisions.block(4, 5, counter=1)])
    assert decisions.sequences() == [1, 2, 3, 4, 5]
    assert decisions.sequences(committed=False) == ([1, 2, 3, 4, 5] if committed else [1, 2, 3, 1, 2, 3, 4, 5])


def test_what_another_portfolios_open_transaction_hides_is_waited_for(
    decisions: Decisions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Committed records behind an open transaction are invisible to read_committed; they must not be written twice."""
    first = decisions.opened()
    first.write_batch([Beat("market")])
    other = Producer(transactional_config(decisions.client, f"{decisions.cluster}-beta"))
    other.init_transactions(30)
    other.begin_transaction()
    other.produce(decisions.decisions_topic, b"{}", b"beta", 0)
    assert other.flush(30) == 0
    first.write_batch([decisions.block(1, 3)])

    waited: list[bool] = []

    def on_waiting(*_: object) -> None:
        if not waited:
            other.abort_transaction(30)
        waited.append(True)

    monkeypatch.setattr(committed_tail, "_check_time", on_waiting)
    decisions.opened().write_batch([decisions.block(1, 4)])
    assert waited
    assert decisions.sequences() == [1, 2, 3, 4]


def test_a_tail_lost_to_retention_stops_the_flow(decisions: Decisions) -> None:
    part = decisions.opened()
    part.write_batch([decisions.block(1, 2)])
    state = part.snapshot()
    part.write_batch([decisions.block(3, 5, counter=1)])
    admin = AdminClient(dict(decisions.client))
    (deleted,) = admin.delete_records([TopicPartition(decisions.decisions_topic, 0, 5)]).values()
    deleted.result(30)
    with pytest.raises(InputLost, match="restore the topic"):
        decisions.opened(state).write_batch([Beat("market")])


def test_a_snapshot_of_another_version_or_topic_is_refused(decisions: Decisions) -> None:
    state = decisions.opened().snapshot()
    with pytest.raises(SnapshotIncompatible, match="snapshot version 7"):
        decisions.opened({**state, "version": 7})
    with pytest.raises(SnapshotIncompatible, match="orders_topic was 'old'"):
        decisions.opened({**state, "orders_topic": "old"})


def test_an_idle_zombie_never_fences_its_successor_with_its_first_record(
    kafka_client: ClientSettings, kafka_topic: MakeTopic
) -> None:
    """Defect: a sink without records opened at its first one, so an old cluster's first dead letter ended the new."""
    topic = kafka_topic("dead_letters")
    sink = dead_letter_sink(kafka_client, topic, topic, [("market", 0)])
    key = dead_letter_key("market", 0)
    frame = DeadLetters("market", 0, 0, [DeadLetterRow("market", 0, 10, 5, "DECODE_MALFORMED", "not JSON", b"{")])
    zombie = sink.build_part("step", key, None)
    state = zombie.snapshot()
    successor = sink.build_part("step", key, state)
    successor.snapshot()
    with pytest.raises(Fenced):
        zombie.write_batch([frame])
    successor.write_batch([frame])
    assert len(read_all(kafka_client, topic)) == 1


def test_a_missing_topic_is_named(decisions: Decisions) -> None:
    decisions.orders_topic = "there.is.no.such.topic"
    with pytest.raises(Unavailable, match="weir topics create"):
        decisions.opened()


def test_dead_letters_are_written_once_and_compared_on_resume(
    kafka_client: ClientSettings, kafka_topic: MakeTopic
) -> None:
    topic = kafka_topic("dead_letters")
    sink = dead_letter_sink(kafka_client, topic, topic, [("market", 0)])
    key = dead_letter_key("market", 0)

    def frame(counter: int, error: str = "not JSON") -> DeadLetters:
        row = DeadLetterRow("market", 0, 10 + counter, 5, "DECODE_MALFORMED", error, b"\xff" if counter else b"{")
        return DeadLetters("market", 0, counter, [row])

    first = sink.build_part("step", key, None)
    first.write_batch([frame(0)])
    state = first.snapshot()
    first.write_batch([Beat("market"), frame(1)])
    second = sink.build_part("step", key, state)
    second.write_batch([frame(1), frame(2)])
    letters = [msgspec.json.decode(m.value() or b"") for m in read_all(kafka_client, topic)]
    assert [(letter["offset"], letter["payload"], letter["payload_base64"]) for letter in letters] == [
        (10, "{", None),
        (11, None, "/w=="),
        (12, None, "/w=="),
    ]
    with pytest.raises(DivergedFromLog, match="dead_letters of market-00000, frame 1 record 0"):
        sink.build_part("step", key, state).write_batch([frame(1, "another error")])
    with pytest.raises(ContiguityBroken, match="frame 3 follows frame 0"):
        sink.build_part("step", key, state).write_batch([frame(3)])
