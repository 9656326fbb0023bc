"""Acceptance criteria of the strategy engine (seed 002): many strategies at once, on and off by configuration, rollback
by pinning a version, and a replay that gives identical intents."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np

from operators.frames import RecordBlock
from operators.pipeline import Pipeline
from operators.plan import compile_plan
from operators.strategy_evaluate.registry import Registry, default_registry
from operators.strategy_evaluate.strategies.sma_cross import SmaCross
from schemas.configuration import parse_configuration

MINUTE = 60_000_000_000
SYMBOLS = ("AAA", "BBB", "CCC")


class OlderSmaCross(SmaCross):
    """An earlier version of the shipped strategy: it is slower by a bar, for its fast average is longer."""

    version = "0.9.0"
    aliases = ()

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters.model_copy(update={"fast": parameters.fast + 1}))


def registry() -> Registry:
    both = default_registry()
    both.register(OlderSmaCross)
    return both


def bars(cycles: int = 240) -> RecordBlock:
    """Three symbols that swing with different periods, so that every strategy finds something to do."""
    payloads: list[bytes] = []
    previous = dict.fromkeys(SYMBOLS, 100.0)
    for cycle in range(1, cycles + 1):
        for number, symbol in enumerate(SYMBOLS):
            close = round(100 + 12 * math.sin(cycle / (9 + 4 * number)) + 3 * math.sin(cycle / 2.5), 2)
            low, high = sorted((previous[symbol], close))
            bar = {
                "symbol": symbol, "ts": cycle * MINUTE, "open": previous[symbol], "high": high, "low": low,
                "close": close, "volume": 1000, "interval": "1m", "seq": cycle,
            }  # fmt: skip
            payloads.append(msgspec.json.encode(bar))
            previous[symbol] = close
    count = len(payloads)
    times = np.repeat(np.arange(1, cycles + 1, dtype=np.int64) * MINUTE, len(SYMBOLS))
    return RecordBlock("market", 0, 0, count, np.arange(count), times, payloads)


def schedule(name: str, strategy: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "strategy": strategy, **more}


def intents(schedules: list[dict[str, Any]]) -> list[tuple[int, str, str, float, str]]:
    """Every intent of a run: (cycle, schedule, symbol, value, feature hash)."""
    configuration = parse_configuration(
        {
            "time": {"cycle_seconds": 60},
            "topics": {"market": {"partitions": 1}},
            "instruments": [{"symbol": s, "interval": "1m", "lot": 0.001} for s in SYMBOLS],
            "portfolios": [{"id": "main", "pods": [{"id": "pod", "schedules": schedules}]}],
        }
    )
    outputs, letters = Pipeline(compile_plan(configuration, registry())).feed(bars())
    assert not letters
    found = []
    for output in outputs:
        for body in map(msgspec.json.decode, output.bodies):
            table = body.get("intents")
            if table:
                rows = zip(
                    table["schedule"], table["symbol"], table["value"], table["feature_snapshot_hash"], strict=True
                )
                found += [(body["cycle"], *row) for row in rows]
    return found


THREE = [
    schedule("cross", "sma_cross@1.0.0", parameters={"fast": 5, "slow": 15}),
    schedule("reversion", "mean_reversion@1.0.0", parameters={"window": 20, "volatility_cap": 1.0}),
    schedule("legacy", "legacy_macd_rsi@1.0.0"),
]


def by_schedule(rows: list[tuple[int, str, str, float, str]], name: str) -> list[tuple[int, str, str, float, str]]:
    return [row for row in rows if row[1] == name]


def test_three_strategies_run_at_once() -> None:
    found = intents(THREE)
    assert {row[1] for row in found} == {"cross", "reversion", "legacy"}


def test_replay_gives_identical_intents() -> None:
    assert intents(THREE) == intents(THREE)


def test_a_strategy_is_turned_off_by_configuration_alone_and_others_do_not_notice() -> None:
    found = intents(THREE)
    without = intents([THREE[0], {**THREE[1], "enabled": False}, THREE[2]])
    assert by_schedule(without, "reversion") == []
    assert by_schedule(without, "cross") == by_schedule(found, "cross")
    assert by_schedule(without, "legacy") == by_schedule(found, "legacy")


def test_pinning_an_older_version_rolls_back() -> None:
    now = intents([schedule("cross", "sma_cross@1.0.0", parameters={"fast": 5, "slow": 15})])
    pinned = intents([schedule("cross", "sma_cross@0.9.0", parameters={"fast": 5, "slow": 15})])
    as_it_was = intents([schedule("cross", "sma_cross@1.0.0", parameters={"fast": 6, "slow": 15})])
    assert pinned == as_it_was
    assert pinned != now


def test_two_versions_run_side_by_side() -> None:
    found = intents(
        [
            schedule("old", "sma_cross@0.9.0", parameters={"fast": 5, "slow": 15}),
            schedule("new", "sma_cross@1.0.0", parameters={"fast": 5, "slow": 15}),
        ]
    )
    assert by_schedule(found, "old") and by_schedule(found, "new")
