"""The progress topic, the run-ahead bound and the drain announcement."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from flows.exit_codes import Unavailable
from flows.kafka.progress import Drain, ProgressReader, ProgressWriter
from flows.kafka.run_ahead import STALL_RECORDS, START_RECORDS, Reached, RunAhead, event_time
from flows.kafka.settings import ClientSettings
from flows.kafka.source import KafkaSource
from flows.kafka.topics import COMPACTED
from tests.kafka_broker import produce

MakeTopic = Callable[..., str]


def until(condition: Callable[[], bool]) -> None:
    """Poll ``condition`` until it holds."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not come true within 30 s"


def follows(reader: ProgressReader, slowest: int | None) -> Callable[[], bool]:
    def look() -> bool:
        reader.poll()
        return reader.slowest == slowest

    return look


def test_the_slowest_portfolio_is_known_when_all_have_spoken(
    kafka_client: ClientSettings, kafka_topic: MakeTopic
) -> None:
    topic = kafka_topic("progress", config=COMPACTED)
    writer = ProgressWriter(kafka_client, topic, "run 2")
    reader = ProgressReader(kafka_client, topic, "run 2", ["a", "b"])
    # What an earlier run left there does not count.
    ProgressWriter(kafka_client, topic, "run 1").cycle("b", 1_000)
    writer.cycle("a", 30)
    writer.cycle("b", 20)
    until(follows(reader, 20))
    writer.cycle("b", 40)
    until(follows(reader, 30))
    reader.close()


def test_a_drain_asked_of_one_process_reaches_the_others(kafka_client: ClientSettings, kafka_topic: MakeTopic) -> None:
    topic = kafka_topic("progress", config=COMPACTED)

    def process(run: str, requested: bool = False) -> Drain:
        writer, reader = ProgressWriter(kafka_client, topic, run), ProgressReader(kafka_client, topic, run, ["a"])
        return Drain(lambda: requested, writer, reader)

    other = process("run 2")
    assert not other()
    assert process("run 1", requested=True)()
    assert process("run 2", requested=True)()
    until(other)
    # The next start of the cluster is not drained by what the last one left behind.
    later, writer = process("run 3"), ProgressWriter(kafka_client, topic, "run 3")
    writer.cycle("a", 1)
    assert later._reader is not None
    until(follows(later._reader, 1))
    assert not later()


def test_a_missing_progress_topic_is_named(kafka_client: ClientSettings) -> None:
    reader = ProgressReader(kafka_client, "there.is.no.progress", "run", ["a"])
    with pytest.raises(Unavailable, match="weir topics create"):
        reader.poll()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Slowest(ProgressReader):
    """A reader that is told the slowest cycle by the test."""

    def __init__(self) -> None:
        super().__init__({"bootstrap.servers": "127.0.0.1:1"}, "progress", "run", ["a"])

    def poll(self) -> None:
        """Nothing arrives but what the test sets."""


def test_a_source_reads_until_it_is_hold_ahead_of_the_slowest() -> None:
    reader = Slowest()
    gate = RunAhead(reader, 100, clock=Clock()).gate("market")
    assert gate.allowance(None, None, 5_000) == 5_000
    # Before the first progress: no further than hold beyond its own first poll.
    assert gate.allowance(1_000, 1_100, 5_000) == 5_000
    assert gate.allowance(1_000, 1_101, 5_000) == 0
    reader.slowest = 1_050
    assert gate.allowance(1_000, 1_150, 5_000) == 5_000
    assert gate.allowance(1_000, 1_151, 5_000) == 0


def test_a_side_topics_history_is_read_in_small_polls_before_the_first_cycle() -> None:
    reader = Slowest()
    gate = RunAhead(reader, 100, clock=Clock()).gate("control")
    assert gate.allowance(1, 1_000_000, 5_000) == START_RECORDS
    reader.slowest = 50
    assert gate.allowance(1, 1_000_000, 5_000) == 0


def test_a_held_source_yields_when_nothing_moves_each_time_later() -> None:
    reader, clock = Slowest(), Clock()
    reader.slowest = 0
    gate = RunAhead(reader, 100, stall_seconds=5, clock=clock).gate("market")
    read_at: list[int] = []
    for second in range(60):
        clock.now = second
        if gate.allowance(0, 101, 5_000):
            read_at.append(second)
    assert read_at == [5, 15, 35]
    assert gate.allowance(0, 101, 5_000) == 0
    clock.now = 1_000
    assert gate.allowance(0, 101, 5_000) == STALL_RECORDS
    # Movement starts the waiting anew.
    reader.slowest = 1
    assert gate.allowance(0, 102, 5_000) == 0


def test_one_message_with_a_wrong_year_does_not_hold_a_source() -> None:
    reached = Reached()
    reached.take([b'{"ts":100}', b'{"ts":101}'])
    reached.take([b'{"ts":9999999999}'])
    assert reached.value == 101
    reached.take([b'{"ts":102}'])
    assert (reached.first, reached.value) == (100, 102)


@pytest.mark.parametrize("payload", [b"", b"{", b'{"ts":"x"}', b'{"ts":1.5}', b"[1]", b"\xff", b"{}", b"[" * 9_999])
def test_what_has_no_event_time_has_none(payload: bytes) -> None:
    assert event_time(payload) is None


def test_a_held_source_emits_beats_and_goes_on_when_the_portfolio_does(
    kafka_client: ClientSettings, kafka_topic: MakeTopic
) -> None:
    progress, market = kafka_topic("progress", config=COMPACTED), kafka_topic("market")
    produce(kafka_client, market, [b'{"ts":%d}' % (100 * i) for i in range(10)])
    reader = ProgressReader(kafka_client, progress, "run", ["a"])
    writer = ProgressWriter(kafka_client, progress, "run")
    bound = RunAhead(reader, 300, stall_seconds=1e9)
    source = KafkaSource("market", market, [0], kafka_client, batch=2, run_ahead=bound)
    part = source.build_part("step", source.list_parts()[0], None)
    read: list[bytes] = []

    def has_read(count: int) -> Callable[[], bool]:
        def look() -> bool:
            read.extend(payload for block in part.next_batch() for payload in block.payloads)
            return len(read) >= count

        return look

    until(has_read(6))
    part.snapshot()
    for _ in range(50):
        assert not any(block.payloads for block in part.next_batch())
    assert len(read) == 6
    writer.cycle("a", 400)
    until(has_read(10))
