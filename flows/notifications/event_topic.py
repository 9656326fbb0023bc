"""Telemetry events into their topic, keyed by portfolio."""

from __future__ import annotations

from confluent_kafka import KafkaError, Message, Producer

from flows.exit_codes import Unavailable
from flows.kafka.settings import ClientSettings, producer_config

FLUSH_SECONDS = 30.0


class KafkaEventTopic:
    """An idempotent producer; what was taken is stored when :meth:`flush` returns."""

    def __init__(self, client: ClientSettings, topic: str) -> None:
        self._topic = topic
        self._producer = Producer(producer_config(client))
        self._failed: list[KafkaError] = []

    def write(self, key: str, values: list[bytes]) -> None:
        """Takes events of one portfolio, in order."""
        for value in values:
            try:
                self._producer.produce(self._topic, value, key.encode(), on_delivery=self._delivered)
            except BufferError:
                self.flush()
                self._producer.produce(self._topic, value, key.encode(), on_delivery=self._delivered)
        self._producer.poll(0)

    def flush(self) -> None:
        """Waits for the broker; raises Unavailable when it does not take them."""
        waiting = self._producer.flush(FLUSH_SECONDS)
        if waiting or self._failed:
            why = self._failed[0].str() if self._failed else f"{waiting} not taken in {FLUSH_SECONDS:g} s"
            raise Unavailable(f"topic {self._topic}: {why}; it goes on from its recovery folder when it is back")

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._failed.append(error)
