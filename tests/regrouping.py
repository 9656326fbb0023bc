"""A market that is cut in time at a cycle border, for the tests of repartitioning.

One half of it lies in so many partitions, the other half in others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from operators.frames import RecordBlock
from schemas.configuration import Configuration, parse_configuration
from schemas.partitioning import murmur2_partition

HOUR = 3_600_000_000_000
START = 472_223 * HOUR
HOURS = 240
#: Hour number of the border at which the market is cut.
CUT = 130
BORDER = START + CUT * HOUR
SYMBOLS = [f"SYM{n:02d}" for n in range(12)]

#: (offset, event time, payload) of one partition, in log order.
Rows = list[tuple[int, int, bytes]]


def configuration(partitions: int, **sections: Any) -> Configuration:
    """Two pods, one whose schedules may disagree and one that leaves symbols out, and a control topic."""
    fast = {"id": "fast", "strategy": "sma_cross", "parameters": {"fast": 3, "slow": 8}}
    slow = {"id": "slow", "strategy": "sma_cross", "parameters": {"fast": 5, "slow": 20}, "symbols": SYMBOLS[3:]}
    reverting = {"id": "reverting", "strategy": "mean_reversion", "parameters": {"window": 24}}
    document = {
        "instruments": [{"symbol": s, "interval": "1h", "lot": 0.001} for s in SYMBOLS],
        "time": {"cycle_seconds": 3600},
        "topics": {"market": {"partitions": partitions}, "control": {"partitions": 1}},
        "portfolios": [
            {
                "id": "main",
                "capital": {"name": "inverse_volatility", "min_returns": 3, "lookback_days": 5},
                "rebalance": {"interval_seconds": 86_400},
                "pods": [{"id": "mixed", "schedules": [fast, reverting]}, {"id": "trend", "schedules": [slow]}],
            }
        ],
    }
    return parse_configuration(document | sections)


def _bars() -> Iterator[tuple[int, str, bytes]]:
    """(hour, symbol, payload) of a random walk in which about one bar in thirty is missing, never a symbol's first."""
    random = np.random.default_rng(20_261_121)
    steps = random.normal(0.0, 0.01, (HOURS, len(SYMBOLS)))
    missing = random.random((HOURS, len(SYMBOLS))) < 0.03
    closes = 100.0 * np.exp(np.cumsum(steps, axis=0))
    for hour in range(HOURS):
        for column, symbol in enumerate(SYMBOLS):
            if hour and missing[hour, column]:
                continue
            close = round(float(closes[hour, column]), 2)
            opened = round(float(closes[hour - 1, column]), 2) if hour else close
            bar = {
                "type": "bar", "v": 1, "symbol": symbol, "interval": "1h", "ts": START + hour * HOUR,
                "open": opened, "high": max(opened, close), "low": min(opened, close), "close": close, "volume": 5.0,
            }  # fmt: skip
            yield hour, symbol, msgspec.json.encode(bar)


BARS = list(_bars())


def tick(ts: int) -> bytes:
    """A clock tick."""
    return msgspec.json.encode({"type": "clock_tick", "v": 1, "ts": ts})


def market(partitions: int, first: int, last: int) -> dict[int, Rows]:
    """Bars of hours first..last in each of ``partitions``, sealed by a tick at ``last``."""
    rows: dict[int, Rows] = {p: [] for p in range(partitions)}
    for hour, symbol, payload in BARS:
        if first <= hour <= last:
            part = rows[murmur2_partition(symbol.encode(), partitions)]
            part.append((len(part), START + hour * HOUR, payload))
    for part in rows.values():
        part.append((len(part), START + last * HOUR, tick(START + last * HOUR)))
    return rows


def control() -> Rows:
    """A symbol is killed before the border and armed after it; ticks reach the border, then the end."""
    killed, armed, end = BORDER - 20 * HOUR, BORDER + 15 * HOUR, START + HOURS * HOUR
    kill = {
        "type": "control", "id": "k1", "command": "kill", "operator": "ann", "portfolio": "main",
        "target": {"scope": "symbol", "name": SYMBOLS[4]}, "ts": killed, "body": {"mode": "flatten"},
    }  # fmt: skip
    arm = {**kill, "id": "a1", "command": "arm", "ts": armed, "note": "done", "body": {}}
    return [
        (0, killed, msgspec.json.encode(kill)),
        (1, BORDER, tick(BORDER)),
        (2, armed, msgspec.json.encode(arm)),
        (3, end, tick(end)),
    ]


def block(topic: str, partition: int, rows: Rows, start: int = 0) -> RecordBlock:
    """Rows as one block that follows position ``start``."""
    offsets, times, payloads = zip(*rows, strict=True)
    return RecordBlock(
        topic, partition, start, offsets[-1] + 1, np.array(offsets), np.array(times), [bytes(p) for p in payloads]
    )


def comparable(body: dict[str, Any]) -> dict[str, Any]:
    """A decision without what the configuration's hash and the partitions go into: ids, chain and input positions."""
    kept = {k: v for k, v in body.items() if k not in ("config_hash", "decision_id", "previous", "inputs")}
    for table in ("orders", "fills"):
        if table in kept:
            kept[table] = {k: v for k, v in kept[table].items() if k != "client_order_id"}
    kept["cancels"] = [{k: v for k, v in c.items() if k != "client_order_id"} for c in kept.get("cancels", [])]
    return kept


def comparable_order(order: dict[str, Any]) -> dict[str, Any]:
    """An order without the ids that the configuration's hash goes into."""
    return {k: v for k, v in order.items() if k not in ("config_hash", "decision_id", "client_order_id")}
