"""Commands into the control topic, and halts beside them (design, "Kill is immediate").

A kill is written to ``halts`` first: an execution service obeys that at once, while the flow obeys the command at the
cycle that event time gives it.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Final

import msgspec
from confluent_kafka import KafkaError, Message, Producer

from flows.errors import InvalidInput
from flows.exit_codes import Unavailable
from flows.kafka.settings import producer_config
from flows.topics import client_settings, topic_name
from schemas.configuration import Configuration
from schemas.messages import ControlCommand, Halt, Target

#: How long the broker may take to have a command, in seconds.
SEND_SECONDS: Final = 30.0
_HALTS: Final = {"kill": True, "arm": False}


def new_command(
    command: str,
    target: Target,
    *,
    portfolio: str,
    operator: str,
    reason: str = "",
    note: str = "",
    body: dict[str, object] | None = None,
    effective_at: int | None = None,
    expires_at: int | None = None,
    now: Callable[[], int] = time.time_ns,
) -> ControlCommand:
    """A command with an id of its own, given now."""
    return ControlCommand(
        id=uuid.uuid4().hex,
        command=command,
        operator=operator,
        ts=now(),
        portfolio=portfolio,
        target=target,
        reason=reason,
        note=note,
        body=body or {},
        effective_at=effective_at,
        expires_at=expires_at,
    )


def halt_of(command: ControlCommand) -> Halt | None:
    """What an execution service is told of a command; None for one that is none of its business."""
    halted = _HALTS.get(command.command)
    if halted is None or command.target.scope == "tag":
        return None
    return Halt(
        halted=halted,
        id=command.id,
        operator=command.operator,
        portfolio=command.portfolio,
        reason=command.reason or command.note,
        scope=command.target.scope,
        name=command.target.name,
        ts=command.ts,
    )


def send(configuration: Configuration, command: ControlCommand, timeout_seconds: float = SEND_SECONDS) -> None:
    """Writes a command, and the halt that goes with it, and returns when the broker has both.

    Raises:
        InvalidInput: the configuration has no control topic.
        Unavailable: the broker did not take them in time; the text says which of the two is in doubt.
    """
    if configuration.topics.control is None:
        raise InvalidInput("topics.control is not set: this deployment takes no commands; set it to {}")
    producer = Producer(producer_config(client_settings(configuration)))
    halt = halt_of(command)
    # A lift only after the flow's own command: trading may go on when the flow knows that it may.
    records: list[tuple[str, ControlCommand | Halt]] = (
        [("control", command)] if halt is None else [("halts", halt), ("control", command)]
    )
    if halt is not None and not halt.halted:
        records.reverse()
    for role, message in records:
        _write(producer, topic_name(configuration, role), command.portfolio.encode(), message, timeout_seconds)


def _write(
    producer: Producer, topic: str, key: bytes, message: ControlCommand | Halt, timeout_seconds: float
) -> None:  # fmt: skip
    answers: list[KafkaError | None] = []

    def on_delivery(error: KafkaError | None, _message: Message) -> None:
        answers.append(error)

    producer.produce(topic, msgspec.json.encode(message), key, partition=0, on_delivery=on_delivery)
    producer.flush(timeout_seconds)
    if answers != [None]:
        error = answers[0] if answers else None
        why = f"no answer in {timeout_seconds:g} s" if error is None else error.str()
        raise Unavailable(
            f"topic {topic}: {why}; it is not known whether the command is written: check the topic, then repeat it"
            " (a repeated kill does no harm)"
        )
