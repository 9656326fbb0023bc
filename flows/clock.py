"""The ``clock`` job: ClockTicks for every partition of the live topics that falls silent (design, "Punctuation").

It lives outside the decision path, so the wall clock is allowed here and nowhere else; what it writes is in the log,
so a replay sees the same ticks. Two clocks on the same topics do no harm.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from confluent_kafka import OFFSET_END, Consumer, KafkaError, Producer, TopicPartition

from flows.dump.importer import clock_tick
from flows.exit_codes import Unavailable
from flows.kafka.settings import consumer_config, producer_config
from flows.process import drain
from flows.topics import client_settings, input_partitions, topic_name
from schemas.configuration import Configuration
from schemas.configuration.base import seconds_to_nanoseconds

Place = tuple[str, int]
#: Begins the payload of every tick that Weir writes; a tick is no sign of life.
_TICK: Final = clock_tick(0)[:20]


@dataclass(frozen=True, slots=True)
class Rule:
    """When a partition gets ticks: silent for ``grace`` ns, then one each ``interval`` ns, ``grace`` behind the time.

    A market partition's grace is the time that a bar may take, since a bar that comes after its tick is late. A side
    partition has none: a message that comes after a tick takes effect after it, and is not lost.
    """

    interval: int
    grace: int

    def due(self, now: int, heard: int, ticked: int) -> int | None:
        """The event time (ns) of the tick to write at ``now``, None for none.

        Args:
            now: wall clock in ns.
            heard: wall clock of the last message that was no tick.
            ticked: event time of the last tick that was written here.
        """
        if now - heard < max(self.grace, self.interval if self.grace == 0 else 0):
            return None
        ts = (now - self.grace) // self.interval * self.interval
        return ts if ts > ticked else None


def rules(configuration: Configuration, grace_seconds: float | None = None) -> dict[str, Rule]:
    """The rule of each configured input role; the market's grace is ``time.allowed_lateness_seconds`` by default."""
    interval = seconds_to_nanoseconds(configuration.kafka.tick_seconds)
    seconds = configuration.time.allowed_lateness_seconds if grace_seconds is None else grace_seconds
    grace = seconds_to_nanoseconds(seconds)
    return {role: Rule(interval, grace if role == "market" else 0) for role in input_partitions(configuration)}


class Silence:
    """Which partitions are silent, and the ticks that are due."""

    def __init__(self, places: Mapping[Place, Rule], now: int) -> None:
        self._rules = dict(places)
        self._heard = dict.fromkeys(places, now)
        self._ticked = dict.fromkeys(places, 0)

    def hear(self, place: Place, payload: bytes | None, now: int) -> None:
        """A message was read; ticks, its own and others', do not count."""
        if payload is None or not payload.startswith(_TICK):
            self._heard[place] = now

    def due(self, now: int) -> list[tuple[Place, int]]:
        """(place, event time in ns) of the ticks to write now, each returned once."""
        found: list[tuple[Place, int]] = []
        for place, rule in self._rules.items():
            ts = rule.due(now, self._heard[place], self._ticked[place])
            if ts is not None:
                self._ticked[place] = ts
                found.append((place, ts))
        return found


def run_clock(
    configuration: Configuration,
    *,
    grace_seconds: float | None = None,
    stop: Callable[[], bool] = drain.requested,
    now: Callable[[], int] = time.time_ns,
) -> int:
    """Ticks until ``stop`` says True (SIGTERM or SIGINT); returns the number of ticks written.

    Raises Unavailable when a topic does not exist or may not be written.
    """
    by_role = rules(configuration, grace_seconds)
    client = client_settings(configuration)
    places = {
        (topic_name(configuration, role), partition): by_role[role]
        for role, count in input_partitions(configuration).items()
        for partition in range(count)
    }
    consumer, producer = Consumer(consumer_config(client)), Producer(producer_config(client))
    silence, written = Silence(places, now()), 0
    longest_wait = min(rule.interval for rule in places.values()) / 1e9
    try:
        consumer.assign([TopicPartition(topic, partition, OFFSET_END) for topic, partition in places])
        while not stop():
            for message in consumer.consume(1000, min(0.05, longest_wait / 4)):
                error = message.error()
                if error is None:
                    silence.hear((message.topic() or "", message.partition() or 0), _value(message.value()), now())
                elif error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED):
                    raise Unavailable(f"topic {message.topic()}: {error.str()}; run: weir topics create")
            for (topic, partition), ts in silence.due(now()):
                producer.produce(topic, clock_tick(ts), partition=partition)
                written += 1
            producer.poll(0)
    finally:
        producer.flush(5.0)
        consumer.close()
    return written


def _value(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
