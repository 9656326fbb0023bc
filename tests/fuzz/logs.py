"""Logs of every input topic for fuzzing the whole pipeline: between good records there is room for bad ones."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from operators.frames import DeadLetterRow, RecordBlock
from operators.pipeline import Pipeline
from operators.plan import Plan, compile_plan
from operators.strategy_evaluate.registry import default_registry
from schemas.configuration import parse_configuration
from schemas.partitioning import murmur2_partition

HOUR = 3_600_000_000_000
START = 472_223 * HOUR
HOURS = 36
PARTITIONS = 2
SYMBOLS = ("AAA", "BBB", "CCC")
#: Offsets from one good record to the next: bad ones lie between, as compaction leaves gaps in Kafka.
GAP = 1000
Place = tuple[str, int]
#: (offset, record timestamp, payload)
Rows = list[tuple[int, int, bytes]]
PLACES: tuple[Place, ...] = (
    *(("market", p) for p in range(PARTITIONS)),
    ("control", 0),
    ("signals", 0),
    ("overlay", 0),
)


def document() -> dict[str, Any]:
    """Two pods whose strategies trade often. The quality gate is off: flaws of bad messages count against a symbol,
    which is what it is for, and would change decisions."""
    fast = {"id": "fast", "strategy": "sma_cross", "parameters": {"fast": 2, "slow": 4}}
    reverting = {"id": "reverting", "strategy": "mean_reversion", "parameters": {"window": 5, "entry": 0.5}}
    pods = [{"id": "one", "schedules": [fast]}, {"id": "two", "schedules": [reverting]}]
    return {
        "time": {"cycle_seconds": 3600},
        "topics": {"market": {"partitions": PARTITIONS}, "control": {}, "signals": {}, "overlay": {}},
        "instruments": [{"symbol": s, "interval": "1h", "lot": 0.01} for s in SYMBOLS],
        "quality": {"minimum": 1_000_000},
        "portfolios": [{"id": "main", "pods": pods, "heartbeat_cycles": 10}],
    }


def make_plan() -> Plan:
    return compile_plan(parse_configuration(document()), default_registry())


def bar(symbol: str, hour: int, **fields: Any) -> dict[str, Any]:
    """A bar of a zigzag that keeps both strategies busy."""
    k = SYMBOLS.index(symbol) if symbol in SYMBOLS else 0
    close = 100.0 + (hour * (k + 3)) % 11
    made = {"type": "bar", "v": 1, "symbol": symbol, "interval": "1h", "ts": START + hour * HOUR, "seq": hour}
    return made | {"open": close, "high": close + 1, "low": close - 1, "close": close, "volume": 5.0} | fields


def command(hour: int, **fields: Any) -> dict[str, Any]:
    """A command that switches AAA off or on."""
    given = {"type": "control", "id": f"c{hour}", "operator": "ann", "portfolio": "main", "note": "n", "v": 1}
    return given | {"target": {"scope": "symbol", "name": "AAA"}, "ts": START + hour * HOUR} | fields


def tick(hour: int) -> dict[str, Any]:
    """A clock tick."""
    return {"type": "clock_tick", "v": 1, "ts": START + hour * HOUR}


def good() -> dict[Place, Rows]:
    """The log without anything bad."""
    told: dict[Place, list[dict[str, Any]]] = {place: [] for place in PLACES}
    for hour in range(1, HOURS + 1):
        for symbol in SYMBOLS:
            told["market", murmur2_partition(symbol.encode(), PARTITIONS)].append(bar(symbol, hour))
        told["signals", 0].append(
            {"type": "signal", "v": 1, "model": "m", "symbol": "AAA", "ts": START + hour * HOUR, "strength": 0.5}
        )
    told["control", 0] = [
        command(12, command="kill", body={"mode": "flatten"}),
        command(20, command="arm"),
        command(25, command="force_rebalance", target={"scope": "portfolio"}),
    ]
    for messages in told.values():
        messages.append(tick(HOURS + 1))
    return {
        place: [((n + 1) * GAP, m["ts"], msgspec.json.encode(m)) for n, m in enumerate(messages)]
        for place, messages in told.items()
    }


@dataclass
class Outcome:
    """Everything that left a run."""

    bodies: list[bytes] = field(default_factory=list)
    orders: list[bytes] = field(default_factory=list)
    letters: list[DeadLetterRow] = field(default_factory=list)

    def letters_of(self, place: Place) -> list[DeadLetterRow]:
        """Dead letters of one partition, as they came."""
        return [row for row in self.letters if (row.topic, row.partition) == place]

    def ordered(self) -> int:
        """How many orders the decisions name."""
        return sum(len((json.loads(b).get("orders") or {"symbol": []})["symbol"]) for b in self.bodies)


def played(plan: Plan, log: dict[Place, Rows], size: int = 50) -> Outcome:
    """A log through the whole pipeline, in blocks of ``size`` records, side topics last."""
    pipeline, outcome = Pipeline(plan), Outcome()
    for place in PLACES:
        start = 0
        rows = log[place]
        for at in range(0, len(rows), size):
            part = rows[at : at + size]
            offsets, times, payloads = zip(*part, strict=True)
            block = RecordBlock(
                *place, start, offsets[-1] + 1, np.array(offsets), np.array(times), [bytes(p) for p in payloads]
            )
            outputs, letters = pipeline.feed(block)
            start = offsets[-1] + 1
            for output in outputs:
                outcome.bodies += output.bodies
                outcome.orders += output.orders
            outcome.letters += [row for one in letters for row in one.rows]
    return outcome
