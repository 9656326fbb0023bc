"""Two venues with quotes by the second, outside models' views, and commands that hold signals back."""

from __future__ import annotations

import random
from typing import Any

from operators.plan import Plan, compile_plan
from operators.strategy_evaluate.registry import default_registry
from schemas.configuration import parse_configuration
from tests.operators.normalize.logs import MINUTE, SECOND, START, Record, bar, quote, record, tick
from tests.replay.market import Logs

#: One instrument on two venues, in two key groups, and three symbols with bars.
LEGS = ("BTC.X", "BTC.Y")
SYMBOLS = ("AAA", "BBB", "CCC")
_PARTITION = {"BTC.X": 0, "BTC.Y": 1, "AAA": 0, "BBB": 1, "CCC": 0}


def signals_plan(**portfolio: Any) -> Plan:
    """Cycles of 10 s; a pair, a follower of views, and three moving averages with limits and windows."""
    fast = {"parameters": {"fast": 1, "slow": 2, "short": True}, "strategy": "sma_cross", "symbols": list(SYMBOLS)}
    schedules = [
        {"id": "limited", "max_signals": 1, "tags": ["trend"], "interval": "1m", **fast},
        {"id": "tagged", "tags": ["trend", "new"], "interval": "1m", "cadence_seconds": 180, **fast},
        {
            "id": "hours", "interval": "1m", "max_drift_seconds": 0, "risk_profile": "aggressive",
            "window": {"start": "00:05", "end": "00:15"}, **fast,
        },
    ]  # fmt: skip
    pair = {
        "id": "pair", "strategy": "cross_exchange_arbitrage", "symbols": list(LEGS), "interval": "10s",
        "parameters": {"max_delay_seconds": 10}, "tags": ["pairs"], "max_signals": 2,
    }  # fmt: skip
    views = {
        "id": "views", "strategy": "external_signal", "symbols": list(SYMBOLS), "interval": "1m",
        "parameters": {"ttl_seconds": 90}, "tags": ["new"],
    }  # fmt: skip
    document = {
        "time": {"cycle_seconds": 10},
        "topics": {
            "market": {"partitions": 2, "partitioner": "explicit", "partition_of": _PARTITION, "close_on": "watermark"},
            "control": {"partitions": 2},
            "signals": {"partitions": 2},
        },
        "quality": {"minimum": 10_000},
        "instruments": [
            {"symbol": s, "lot": 0.001, "fee_rate": 0.0001, "interval": None if s in LEGS else "1m"}
            for s in (*LEGS, *SYMBOLS)
        ],
        "portfolios": [
            {
                "id": "main",
                "heartbeat_cycles": 12,
                "initial_suspensions": [{"tag": "new", "duration_seconds": 200, "reason": "not before it is warm"}],
                "initial_signal_limits": [
                    {"strategy": "sma_cross", "risk_profile": "aggressive", "limit": 1, "duration_seconds": 605}
                ],
                "pods": [
                    {"id": "trend", "schedules": schedules},
                    {"id": "pairs", "schedules": [pair]},
                    {"id": "outside", "schedules": [views]},
                ],
                **portfolio,
            }
        ],
    }
    return compile_plan(parse_configuration(document), default_registry())


_COMMANDS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("suspend", "schedule", "limited", {"duration_seconds": 95}),
    ("suspend", "tag", "trend", {"duration_seconds": 155.5}),
    ("suspend", "schedule", "pair", {}),
    ("suspend", "tag", "pairs", {"duration_seconds": 60}),
    ("suspend", "schedule", "views", {"duration_seconds": 30}),
    ("resume", "schedule", "limited", {}),
    ("resume", "schedule", "pair", {}),
    ("resume", "tag", "trend", {}),
    ("resume", "tag", "new", {}),
    ("set_limit", "strategy", "sma_cross", {"risk_profile": "balanced", "limit": 0, "duration_seconds": 120}),
    ("set_limit", "strategy", "sma_cross", {"risk_profile": "balanced", "limit": 2}),
    ("clear_limit", "strategy", "sma_cross", {"risk_profile": "balanced"}),
    ("set_limit", "strategy", "sma_cross", {"risk_profile": "unknown", "limit": 2}),
    ("kill", "symbol", "BTC.X", {"mode": "freeze"}),
    ("kill", "schedule", "limited", {"mode": "flatten"}),
    ("arm", "symbol", "BTC.X", {}),
    ("arm", "schedule", "limited", {}),
)


def signals_logs(seed: int, minutes: int = 20) -> Logs:
    """Random walks, a gap between the venues that opens and closes, views and commands; sealed by ticks."""
    choose = random.Random(seed)
    logs: Logs = {(t, p): [] for t in ("market", "control", "signals") for p in range(2)}
    price = dict.fromkeys(SYMBOLS, 100.0)
    middle, gap = 1000.0, 0.0
    for step in range(1, minutes * 6 + 1):
        at = START + step * 10 * SECOND
        middle += choose.choice([-1.0, 0.0, 1.0])
        gap = choose.choice([gap, gap, gap, 0.0, 4.0, -4.0])
        for leg, shift in zip(LEGS, (gap / 2, -gap / 2), strict=True):
            if choose.random() < 0.9:
                where = middle + shift
                _market(logs, leg, record(quote(leg, at - choose.randrange(9) * SECOND, where - 0.1, where + 0.1)))
        if at % MINUTE == 0:
            for symbol in SYMBOLS:
                price[symbol] = max(10.0, price[symbol] + choose.choice([-3, -1, 1, 3]))
                if choose.random() < 0.9:
                    _market(logs, symbol, record(bar(symbol, at, price[symbol], interval="1m")))
        for partition in range(2):
            if choose.random() < 0.15:
                logs["control", partition].append(record(_command(choose, at, f"{partition}-{step}")))
            if choose.random() < 0.2:
                logs["signals", partition].append(record(_view(choose, at)))
            elif choose.random() < 0.2:
                logs["signals", partition].append(record(tick(at)))
    for log in logs.values():
        log.append(record(tick(START + (minutes + 1) * MINUTE)))
    return logs


def _market(logs: Logs, symbol: str, one: Record) -> None:
    logs["market", _PARTITION[symbol]].append(one)


def _view(choose: random.Random, at: int) -> dict[str, Any]:
    symbol = choose.choice([*SYMBOLS, *SYMBOLS, "ZZZ"])
    return {
        "type": "signal", "model": "outside", "symbol": symbol, "ts": at - choose.choice([0, 3, 25]) * SECOND,
        "strength": choose.choice([-1.0, -0.5, 0.0, 0.5, 1.0]), "confidence": choose.choice([0.5, 1.0]),
    }  # fmt: skip


def _command(choose: random.Random, at: int, name: str) -> dict[str, Any]:
    command, scope, target, body = choose.choice(_COMMANDS)
    return {
        "type": "control", "id": name, "command": command, "operator": "op", "note": "a test", "portfolio": "main",
        "reason": "a test", "ts": at - choose.choice([0, 15]) * SECOND, "target": {"scope": scope, "name": target},
        "body": body,
    }  # fmt: skip
