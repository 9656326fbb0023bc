"""The smallest execution service that keeps the contract (docs/execution.md): start here, and replace ``trade``.

python execution_service.py BOOTSTRAP ORDERS_TOPIC HALTS_TOPIC FILLS_TOPIC
"""

import json
import sys
from typing import Any

from confluent_kafka import Consumer, Producer


def answer(order: dict[str, Any], status: str, **more: Any) -> list[dict[str, Any]]:
    """An execution report on an order."""
    report = {k: order[k] for k in ("portfolio", "client_order_id", "symbol", "side")}
    return [report | {"type": "execution_report", "ts": order["cycle"], "status": status} | more]


def refuse(order: dict[str, Any]) -> list[dict[str, Any]]:
    """What is said of an order that a halt covers."""
    return answer(order, "rejected", text="halted")


def trade(order: dict[str, Any]) -> list[dict[str, Any]]:
    """Sends an order to your market; returns execution reports. Here: filled at once, at the reference price."""
    execution = {"quantity": order["quantity"], "price": order["reference_price"]}
    return answer(order, "filled", execution_id="x-" + order["client_order_id"], **execution)


def halted(halts: set[tuple[str, str, str]], order: dict[str, Any]) -> bool:
    """Whether a halt covers the order; one of a pod, strategy or schedule is the flow's to obey."""
    portfolio = order["portfolio"]
    covers = {("global", ""), ("portfolio", ""), ("portfolio", portfolio), ("symbol", order["symbol"])}
    return any((p, *c) in halts for p in ("*", portfolio) for c in covers)


def main(servers: str, orders: str, halts_topic: str, fills: str) -> None:
    """Reads orders and halts, answers on the fills topic; ends with Ctrl-C."""
    # read_committed: Java's and librdkafka's defaults differ, and an aborted order must never be seen.
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "execution", "isolation.level": "read_committed",
                         "auto.offset.reset": "earliest", "enable.auto.commit": False})  # fmt: skip
    producer = Producer({"bootstrap.servers": servers, "enable.idempotence": True})
    consumer.subscribe([orders, halts_topic])
    halts: set[tuple[str, str, str]] = set()
    done: set[str] = set()  # keep it in a database: it is what makes a redelivered order harmless
    while True:
        messages = [m for m in consumer.consume(500, 0.1) if m.error() is None]
        for record in (json.loads(m.value() or b"{}") for m in messages):
            if record.get("type") == "halt":
                place = (record["portfolio"], record["scope"], record["name"])
                (halts.add if record["halted"] else halts.discard)(place)
            elif record.get("type") == "order" and record["client_order_id"] not in done:
                done.add(record["client_order_id"])
                for report in refuse(record) if halted(halts, record) else trade(record):
                    producer.produce(fills, json.dumps(report).encode(), record["portfolio"].encode())
        if messages:
            producer.flush()
            consumer.commit(asynchronous=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
