"""Quarantine records: what the watchdog writes into the control topic when a strategy hangs, and who reads them.

They are read before a flow starts and hold from the cycle that they name, which cannot have been committed (design,
"Overrun and hang"). So a replay of the recorded topics leaves out the same schedule from the same cycle on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from flows.dump.layout import Dump
from flows.settings import Quarantine
from flows.topics import client_settings, topic_name
from schemas.canonical import short_id
from schemas.configuration import Configuration
from schemas.messages import ControlCommand, Target

COMMAND: Final = "quarantine"
OPERATOR: Final = "watchdog"
_DECODER: Final = msgspec.json.Decoder(ControlCommand)
#: Serving a read of the whole control topic; it is small and has unlimited retention.
READ_SECONDS: Final = 60.0


def quarantine_record(quarantine: Quarantine) -> bytes:
    """The wire value of a quarantine: its event time is the cycle itself, so that it moves no later time."""
    command = ControlCommand(
        id=short_id(COMMAND.encode(), quarantine.schedule.encode(), str(quarantine.first_cycle).encode()),
        command=COMMAND,
        operator=OPERATOR,
        ts=max(quarantine.first_cycle, 0),
        portfolio=quarantine.portfolio or "*",
        target=Target(scope="schedule", name=quarantine.schedule),
        reason="STRATEGY_QUARANTINED",
        body={"first_cycle": quarantine.first_cycle},
    )
    return msgspec.json.encode(command)


def quarantines_in(payloads: Iterable[bytes | None]) -> list[Quarantine]:
    """Quarantines among control records, each once, sorted by (portfolio, schedule, cycle); others are passed over."""
    found: set[tuple[str, str, int]] = set()
    for payload in payloads:
        if not payload or b'"quarantine"' not in payload:
            continue
        try:
            command = _DECODER.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        first = command.body.get("first_cycle")
        if command.command != COMMAND or command.target.scope != "schedule" or type(first) is not int:
            continue
        found.add(("" if command.portfolio == "*" else command.portfolio, command.target.name, first))
    return [Quarantine(portfolio=p, schedule=s, first_cycle=c) for p, s, c in sorted(found)]


def earliest(quarantines: Iterable[Quarantine]) -> dict[str, int]:
    """Portfolio/schedule, or schedule alone where it is for all -> first cycle. Several key groups may have hung, each
    at a cycle of its own; from the earliest on none goes on."""
    found: dict[str, int] = {}
    for one in quarantines:
        key = f"{one.portfolio}/{one.schedule}" if one.portfolio else one.schedule
        found[key] = min(one.first_cycle, found.get(key, one.first_cycle))
    return found


def quarantines_of_dump(dump: Dump) -> list[Quarantine]:
    """Quarantines in a dump's control topic."""
    return quarantines_in(
        payload
        for partition in range(len(dump.partitions("control")))
        for records in dump.read("control", partition, values_only=True)
        for payload in records.payloads
    )


def quarantines_of_kafka(configuration: Configuration) -> list[Quarantine]:
    """Quarantines in the control topic, read from its beginning to its present end.

    Raises Unavailable when it cannot be read; a flow without a control topic has none.
    """
    if configuration.topics.control is None:
        return []
    from flows.kafka_ranges import read_range, topic_range

    topic, client = topic_name(configuration, "control"), client_settings(configuration)
    return quarantines_in(
        message.value()
        for partition in range(configuration.topics.control.partitions)
        for message in read_range(client, topic, partition, *topic_range(client, topic, partition))
    )


def append_quarantine(configuration: Configuration, quarantine: Quarantine, timeout_seconds: float = 10.0) -> bool:
    """Writes a quarantine into the control topic; returns whether the broker has it."""
    from confluent_kafka import Producer

    from flows.kafka.settings import producer_config

    if configuration.topics.control is None:
        return False
    producer = Producer(producer_config(client_settings(configuration)))
    key = quarantine.schedule.encode()
    producer.produce(topic_name(configuration, "control"), quarantine_record(quarantine), key, partition=0)
    return producer.flush(timeout_seconds) == 0
