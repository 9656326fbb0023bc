"""What a run wrote, in one form for files and for Kafka, and what must hold of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from flows.dump.decision_lines import split_line
from flows.kafka.settings import ClientSettings
from flows.kafka.topics import partition_count
from schemas.decision import GENESIS
from tests.kafka_broker import read_all


@dataclass(slots=True)
class Outputs:
    """Decision bodies and orders by portfolio, in log order; dead letters as (topic, partition, offset, reason)."""

    bodies: dict[str, list[bytes]] = field(default_factory=dict)
    orders: dict[str, list[bytes]] = field(default_factory=dict)
    dead_letters: list[tuple[str, int, int, str]] = field(default_factory=list)

    @property
    def decisions_sha256(self) -> str:
        """As ``weir replay`` states it."""
        return _digest(body for portfolio in sorted(self.bodies) for body in self.bodies[portfolio])

    @property
    def orders_sha256(self) -> str:
        """As ``weir replay`` states it."""
        return _digest(order for portfolio in sorted(self.orders) for order in self.orders[portfolio])

    @property
    def total(self) -> int:
        """Number of decisions."""
        return sum(map(len, self.bodies.values()))

    def counts(self) -> dict[str, int]:
        """Number of decisions by portfolio."""
        return {portfolio: len(bodies) for portfolio, bodies in sorted(self.bodies.items())}


def _digest(lines: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line + b"\n")
    return digest.hexdigest()


def outputs_of_files(out: Path) -> Outputs:
    """What ``weir replay`` left in its folder."""
    found = Outputs()
    for line in (out / "decisions.jsonl").read_bytes().splitlines():
        body, _ = split_line(line)
        found.bodies.setdefault(msgspec.json.decode(body)["portfolio"], []).append(body)
    for line in (out / "orders.jsonl").read_bytes().splitlines():
        found.orders.setdefault(msgspec.json.decode(line)["portfolio"], []).append(line)
    letters = [msgspec.json.decode(line) for line in (out / "dead_letters.jsonl").read_bytes().splitlines()]
    found.dead_letters = sorted((d["topic"], d["partition"], d["offset"], d["reason"]) for d in letters)
    return found


def outputs_of_kafka(client: ClientSettings, prefix: str, *, wait: bool = True) -> Outputs:
    """What a read_committed consumer sees in the topics ``{prefix}.decisions``, ``.orders`` and ``.dead_letters``.

    ``wait`` for the end of open transactions, or take what can be seen now.
    """
    found = Outputs()
    for key, value in committed(client, f"{prefix}.decisions", wait):
        found.bodies.setdefault(key, []).append(split_line(value)[0])
    for key, value in committed(client, f"{prefix}.orders", wait):
        found.orders.setdefault(key, []).append(value)
    letters = [msgspec.json.decode(value) for _, value in committed(client, f"{prefix}.dead_letters", wait)]
    found.dead_letters = sorted((d["topic"], d["partition"], d["offset"], d["reason"]) for d in letters)
    return found


def committed(client: ClientSettings, topic: str, wait: bool = True) -> list[tuple[str, bytes]]:
    """(key, value) of every committed record, partition by partition."""
    found: list[tuple[str, bytes]] = []
    for partition in range(partition_count(client, topic)):
        for message in read_all(client, topic, partition=partition, wait=wait):
            key, value = message.key(), message.value()
            assert isinstance(key, bytes) and isinstance(value, bytes)
            found.append((key.decode(), value))
    return found


def assert_each_once_in_sequence(found: Outputs) -> None:
    """Every decision continues the chain of its portfolio; every order is there once, its sequence without gaps."""
    for portfolio, bodies in found.bodies.items():
        previous = GENESIS
        for number, body in enumerate(bodies, start=1):
            link = json.loads(body)
            assert (link["sequence"], link["previous"]) == (number, previous), f"{portfolio}: decision {number}"
            previous = hashlib.sha256(body).hexdigest()
    for portfolio, orders in found.orders.items():
        decoded = [order for order in map(json.loads, orders) if order["type"] != "cycle_end"]
        assert [order["sequence"] for order in decoded] == list(range(1, len(decoded) + 1)), f"{portfolio}: a gap"
        ids = [(order["type"], order["client_order_id"]) for order in decoded]
        assert len(set(ids)) == len(ids), f"{portfolio}: an order came twice"


def assert_begins(found: Outputs, expected: Outputs) -> None:
    """Each portfolio's decisions and orders are the first ones that are expected, and not all of them."""
    assert_each_once_in_sequence(found)
    for portfolio, bodies in found.bodies.items():
        assert bodies == expected.bodies[portfolio][: len(bodies)], f"{portfolio}: other decisions than expected"
    for portfolio, orders in found.orders.items():
        assert orders == expected.orders[portfolio][: len(orders)], f"{portfolio}: other orders than expected"
    assert found.total < expected.total, "the log was at its end"


def assert_equal(found: Outputs, expected: Outputs) -> None:
    """The same decisions, orders and dead letters, by value; each order exactly once."""
    assert_each_once_in_sequence(found)
    assert found.counts() == expected.counts()
    assert found.decisions_sha256 == expected.decisions_sha256
    assert found.orders_sha256 == expected.orders_sha256
    assert found.dead_letters == expected.dead_letters
