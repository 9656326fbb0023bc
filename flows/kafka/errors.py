"""Errors at the Kafka edge that end a run, beside those of :mod:`flows.errors` and :mod:`flows.exit_codes`; and those
that do not."""

from __future__ import annotations

from typing import Final

from confluent_kafka import KafkaError

from flows.errors import WeirError
from flows.exit_codes import ExitCode

#: A broker is away, starts, or hands a partition over: the client repeats by itself.
_PASSING: Final = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
        KafkaError._RESOLVE,
        KafkaError._WAIT_COORD,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.KAFKA_STORAGE_ERROR,
    }
)


class ContiguityBroken(WeirError):
    """A frame, counter or sequence is missing or came twice: always a defect of the flow."""

    exit_code = ExitCode.FAILED


def passes(error: KafkaError) -> bool:
    """Whether ``error`` goes away by itself, once the cluster is well.

    ``KafkaError.retriable()`` answers for the transaction calls alone; of everything else it says False.
    """
    return not error.fatal() and (error.retriable() or error.code() in _PASSING)
