"""A small market with all that a portfolio meets: several partitions, commands, gaps, garbage, failing strategies."""

from __future__ import annotations

import hashlib
import pickle
import random
from collections.abc import Sequence
from typing import Any

from operators.frames import RecordBlock
from operators.pipeline import Pipeline
from operators.plan import Plan, compile_plan
from schemas.configuration import parse_configuration
from tests.operators.normalize.logs import MINUTE, SECOND, START, Record, bar, blocks, record, tick
from tests.operators.strategy_evaluate.laboratory import RAISE, registry

SYMBOLS = "ABCDEF"
PARTITIONS = 3
COMMANDS: tuple[tuple[str, dict[str, str], dict[str, str]], ...] = (
    ("kill", {"scope": "symbol", "name": "B"}, {"mode": "freeze"}),
    ("kill", {"scope": "pod", "name": "fast"}, {"mode": "flatten"}),
    ("arm", {"scope": "pod", "name": "fast"}, {}),
    ("arm", {"scope": "symbol", "name": "B"}, {}),
    ("trading_state", {"scope": "global"}, {"state": "REDUCING"}),
    ("trading_state", {"scope": "global"}, {"state": "ACTIVE"}),
    ("force_rebalance", {"scope": "portfolio"}, {}),
    ("unheard_of", {"scope": "global"}, {}),
)

#: (topic, partition) -> log
Logs = dict[tuple[str, int], list[Record]]


def market_plan(*, quality: dict[str, float] | None = None) -> Plan:
    """Two portfolios over three key groups, two control partitions, one strategy that fails at a certain price."""

    def schedule(number: int, strategy: str, **more: Any) -> dict[str, Any]:
        return {"id": f"s{number}", "strategy": strategy, **more}

    fast = {"fast": 1, "slow": 3}
    pods = [
        {
            "id": "fast",
            "schedules": [schedule(1, "sma_cross", parameters=fast), schedule(2, "steps", symbols=["A", "C"])],
        },
        {"id": "slow", "schedules": [schedule(3, "sma_cross", parameters={"fast": 2, "slow": 5}, interval="2m")]},
    ]
    document = {
        "time": {"cycle_seconds": 60},
        "topics": {
            "market": {
                "partitions": PARTITIONS, "partitioner": "explicit",
                "partition_of": {s: n % PARTITIONS for n, s in enumerate(SYMBOLS)},
            },
            "control": {"partitions": 2},
        },
        "quality": quality or {},
        "instruments": [{"symbol": s, "interval": "1m", "lot": 0.01} for s in SYMBOLS],
        "portfolios": [
            {"id": "main", "pods": pods, "heartbeat_cycles": 4},
            {
                "id": "other",
                "pods": [{"id": "alone", "schedules": [schedule(4, "sma_cross", symbols=["A", "E"], parameters=fast)]}],
            },
        ],
    }  # fmt: skip
    return compile_plan(parse_configuration(document), registry())


def market_logs(seed: int, minutes: int = 25) -> Logs:
    """Random walks of all symbols with gaps, corrections and late bars, and commands; sealed by ticks."""
    choose = random.Random(seed)
    logs: Logs = {("market", p): [] for p in range(PARTITIONS)} | {("control", p): [] for p in range(2)}
    price = dict.fromkeys(SYMBOLS, 100.0)
    for minute in range(1, minutes + 1):
        at = START + minute * MINUTE
        for number, symbol in enumerate(SYMBOLS):
            log = logs["market", number % PARTITIONS]
            price[symbol] = max(10.0, price[symbol] + choose.choice([-3, -1, 1, 3]))
            close = RAISE if symbol in "AC" and minute == 7 else price[symbol]
            if choose.random() < 0.9:
                log.append(record(bar(symbol, at, close, interval="1m")))
            if minute % 2 == 0 and choose.random() < 0.9:
                log.append(record(bar(symbol, at, close, interval="2m")))
            if choose.random() < 0.1 and log:
                log.append(choose.choice(log[-6:]))
            if choose.random() < 0.05:
                log.append(record(bar(symbol, at - 3 * MINUTE, close, interval="1m"), at))
            if choose.random() < 0.05:
                log.append(record(b"{", at))
        for partition in range(2):
            if choose.random() < 0.2:
                logs["control", partition].append(record(_command(choose, at, f"{partition}-{minute}")))
            elif choose.random() < 0.3:
                logs["control", partition].append(record(tick(at)))
    for log in logs.values():
        log.append(record(tick(START + (minutes + 1) * MINUTE)))
    return logs


def _command(choose: random.Random, at: int, name: str) -> dict[str, Any]:
    command, target, body = choose.choice(COMMANDS)
    return {
        "type": "control", "id": name, "command": command, "operator": "op", "note": "a test", "portfolio": "*",
        "ts": at - choose.choice([0, 30, 90]) * SECOND, "target": target, "body": body,
    }  # fmt: skip


class Decisions:
    """What a pipeline decided: running hashes of each portfolio's decisions and orders, and all dead letters.

    Decisions and orders are hashed apart: which of them a block hands out together depends on the cut.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.pipeline = Pipeline(plan)
        self.hashes = {p.id: hashlib.sha256() for p in plan.portfolios}
        self.order_hashes = {p.id: hashlib.sha256() for p in plan.portfolios}
        self.decisions = self.orders = 0
        self.letters: dict[tuple[str, int], list[Any]] = {}

    def feed(self, block: RecordBlock) -> None:
        """One block of any topic."""
        outputs, letters = self.pipeline.feed(block)
        for output in outputs:
            digest = self.hashes[output.portfolio]
            for part in output.bodies:
                digest.update(part)
            for place, order in zip(output.order_decisions, output.orders, strict=True):
                self.order_hashes[output.portfolio].update(output.hashes[place].encode() + order)
            self.decisions += len(output.bodies)
            self.orders += len(output.orders)
        for group in letters:
            self.letters.setdefault((group.topic, group.partition), []).extend(group.rows)

    def resume(self) -> None:
        """Every process ends; new ones go on from the snapshots."""
        old, new = self.pipeline, Pipeline(self.plan)
        pairs = [
            *zip(old.groups, new.groups, strict=True),
            *zip(old.pods, new.pods, strict=True),
            *zip(old.portfolios, new.portfolios, strict=True),
            *((step, new.sides[key]) for key, step in old.sides.items()),
        ]
        for before, after in pairs:
            after.restore(pickle.loads(pickle.dumps(before.snapshot())))  # type: ignore[arg-type, union-attr]
        self.pipeline = new

    def digest(self) -> tuple[str, ...]:
        """All that was decided, in a few characters."""
        return tuple(h.hexdigest() for h in (*self.hashes.values(), *self.order_hashes.values()))


def decide(plan: Plan, logs: Logs, seed: int, most: int, *, crashes: float = 0.0) -> Decisions:
    """Runs ``logs`` cut into blocks of up to ``most`` records and interleaved at random, with restarts in between."""
    choose = random.Random(seed)
    waiting: list[list[RecordBlock]] = []
    for (topic, partition), log in logs.items():
        cuts = [n for n in range(len(log)) if choose.random() < 1 / most]
        waiting.append(blocks(log, cuts, topic, partition))
    made = Decisions(plan)
    while waiting:
        place = choose.randrange(len(waiting))
        made.feed(waiting[place].pop(0))
        waiting = [w for w in waiting if w]
        if choose.random() < crashes:
            made.resume()
    return made


def in_order(plan: Plan, logs: Logs, order: Sequence[tuple[str, int]]) -> Decisions:
    """Whole partitions, one after another."""
    made = Decisions(plan)
    for topic, partition in order:
        made.feed(blocks(logs[topic, partition], [], topic, partition)[0])
    return made
