"""The sample execution service keeps the contract: it sees no aborted order, fills each once, and obeys halts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from flows.kafka.settings import ClientSettings, transactional_config
from tests.kafka_broker import produce, read_all
from tests.processes.live_cluster import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.process]

EXAMPLE = Path(__file__).parents[2] / "deploy" / "examples" / "execution_service.py"


def order(client_order_id: str, symbol: str = "AAA") -> dict[str, Any]:
    return {
        "type": "order", "portfolio": "main", "client_order_id": client_order_id, "symbol": symbol, "side": "buy",
        "quantity": 2.0, "reference_price": 10.0, "cycle": 60, "a_field_of_tomorrow": 1,
    }  # fmt: skip


def transaction(client: ClientSettings, topic: str, orders: list[dict[str, Any]], commit: bool) -> None:
    producer = Producer(transactional_config(client, f"test-{topic}"))
    producer.init_transactions(30)
    producer.begin_transaction()
    for one in orders:
        producer.produce(topic, json.dumps(one).encode(), b"main", 0)
    assert producer.flush(30) == 0
    if commit:
        producer.commit_transaction(30)
    else:
        producer.abort_transaction(30)


def test_aborted_orders_stay_unseen_repeated_ones_are_harmless_and_halts_are_obeyed(
    kafka_client: ClientSettings, kafka_topic: Callable[..., str]
) -> None:
    orders, halts, fills = kafka_topic("orders"), kafka_topic("halts"), kafka_topic("fills")
    servers = str(kafka_client["bootstrap.servers"])
    halt = {
        "type": "halt", "halted": True, "id": "k", "operator": "ada", "portfolio": "*", "reason": "drill",
        "scope": "symbol", "name": "BBB", "ts": 1,
    }  # fmt: skip
    produce(kafka_client, halts, [json.dumps(halt).encode()])
    transaction(kafka_client, orders, [order("never")], commit=False)
    transaction(kafka_client, orders, [order("a"), order("a"), {"type": "weather"}], commit=True)
    service = subprocess.Popen([sys.executable, str(EXAMPLE), servers, orders, halts, fills])
    try:

        def told() -> list[dict[str, Any]]:
            return [json.loads(m.value() or b"") for m in read_all(kafka_client, fills)]

        eventually("the fill of a", lambda: len(told()) == 1)
        transaction(kafka_client, orders, [order("b", "BBB"), order("c")], commit=True)
        eventually("the answers to b and c", lambda: len(told()) == 3)
        found = [(r["client_order_id"], r["status"], r.get("quantity")) for r in told()]
        assert found == [("a", "filled", 2.0), ("b", "rejected", None), ("c", "filled", 2.0)]
    finally:
        service.kill()
        service.wait(30)
