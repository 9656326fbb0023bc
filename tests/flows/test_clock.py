"""The clock job: who gets a tick, when, and with which event time."""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka import Consumer, TopicPartition

from flows.clock import Rule, Silence, run_clock
from flows.dump.importer import clock_tick
from flows.kafka.settings import ClientSettings, consumer_config
from schemas.configuration import parse_configuration
from tests.kafka_broker import kafka_client, kafka_topic

__all__ = ["kafka_client", "kafka_topic"]

SECOND = 1_000_000_000
MARKET = Rule(interval=SECOND, grace=5 * SECOND)
SIDE = Rule(interval=SECOND, grace=0)


def test_a_market_partition_is_ticked_only_after_its_grace_and_only_that_far() -> None:
    heard = 100 * SECOND
    assert MARKET.due(now=heard + 5 * SECOND - 1, heard=heard, ticked=0) is None
    assert MARKET.due(now=heard + 5 * SECOND, heard=heard, ticked=0) == heard


def test_a_side_partition_is_ticked_up_to_now_once_it_was_silent_for_an_interval() -> None:
    heard = 100 * SECOND
    assert SIDE.due(now=heard + SECOND - 1, heard=heard, ticked=0) is None
    assert SIDE.due(now=heard + SECOND + 5, heard=heard, ticked=0) == heard + SECOND


def test_no_event_time_is_ticked_twice_and_none_goes_back() -> None:
    silence = Silence({("side", 0): SIDE}, now=100 * SECOND)
    assert silence.due(101 * SECOND) == [(("side", 0), 101 * SECOND)]
    assert silence.due(101 * SECOND + 1) == []
    assert silence.due(99 * SECOND) == []
    assert silence.due(102 * SECOND) == [(("side", 0), 102 * SECOND)]


def test_a_message_ends_the_silence_and_a_tick_does_not() -> None:
    silence = Silence({("market", 0): MARKET}, now=100 * SECOND)
    silence.hear(("market", 0), clock_tick(104 * SECOND), now=104 * SECOND)
    assert silence.due(105 * SECOND) == [(("market", 0), 100 * SECOND)]
    silence.hear(("market", 0), b'{"type":"bar"}', now=105 * SECOND)
    assert silence.due(109 * SECOND) == []
    assert silence.due(110 * SECOND) == [(("market", 0), 105 * SECOND)]


def test_every_silent_partition_gets_its_ticks_in_the_topic(
    kafka_client: ClientSettings, kafka_topic: Callable[..., str]
) -> None:
    market, control = kafka_topic("market", partitions=2), kafka_topic("control")

    configuration = parse_configuration(
        {
            "topics": {"market": {"partitions": 2}, "control": {"partitions": 1}},
            "portfolios": [
                {"id": "main", "pods": [{"id": "pod", "schedules": [{"id": "s", "strategy": "sma_cross"}]}]}
            ],
            "kafka": {
                "bootstrap_servers": str(kafka_client["bootstrap.servers"]),
                "topics": {"market": market, "control": control},
            },
        }
    )
    times = iter(range(1_000 * SECOND, 1_100 * SECOND, SECOND))
    now = 0

    def advance() -> int:
        nonlocal now
        now = next(times, 0)
        return now

    written = run_clock(configuration, grace_seconds=5.0, stop=lambda: now >= 1_012 * SECOND, now=advance)
    found: dict[tuple[str, int], list[bytes]] = {}
    consumer = Consumer(consumer_config(kafka_client))
    places = [TopicPartition(market, 0, 0), TopicPartition(market, 1, 0), TopicPartition(control, 0, 0)]
    consumer.assign(places)
    while sum(map(len, found.values())) < written:
        for message in consumer.consume(100, 0.1):
            assert message.error() is None
            place = (message.topic() or "", message.partition() or 0)
            found.setdefault(place, []).append(bytes(message.value() or b""))
    consumer.close()
    assert set(found) == {(market, 0), (market, 1), (control, 0)}
    assert found[market, 0] == found[market, 1]
    assert found[market, 0][0] == clock_tick(1_000 * SECOND)
    assert found[control, 0][0] == clock_tick(1_001 * SECOND)
    for payloads in found.values():
        assert payloads == sorted(payloads)
        assert len(set(payloads)) == len(payloads)
