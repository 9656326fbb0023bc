"""Which errors of the Kafka client are waited out."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from flows.kafka.errors import passes


@pytest.mark.parametrize("code", [KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT])
def test_a_broker_that_is_away_is_waited_for(code: int) -> None:
    """Defect: the client's own ``retriable()`` says False here, so a restarted broker ended a recording."""
    error = KafkaError(code)
    assert not error.retriable()
    assert passes(error)


@pytest.mark.parametrize("code", [KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_TOPIC_OR_PART])
def test_what_somebody_must_put_right_is_not(code: int) -> None:
    assert not passes(KafkaError(code))


def test_a_fatal_error_never_passes() -> None:
    assert not passes(KafkaError(KafkaError._TRANSPORT, "fenced", True))
