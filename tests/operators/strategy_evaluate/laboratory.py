"""Small plans and misbehaving strategies for the tests of the runtime."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from operators.bars import BarBlock
from operators.frames import Bool, Float64, Intents, StrategyEvent
from operators.normalize.features.feature import Feature
from operators.plan import Plan, compile_plan
from operators.strategy_evaluate.conformance import MINUTE_NS, bars_from_closes
from operators.strategy_evaluate.registry import Registry, default_registry
from operators.strategy_evaluate.runtime import StrategyRuntime
from operators.strategy_evaluate.slices import cycles_of
from operators.strategy_evaluate.strategy import Parameters, Strategy, Targets
from operators.strategy_evaluate.symbol_strategy import Bar, Signal, SymbolStrategy
from schemas.configuration import parse_configuration

#: Closes at which the misbehaving strategies below misbehave.
RAISE, NOT_A_NUMBER, OVERCONFIDENT = 666.0, 777.0, 888.0


class Steps(Strategy):
    """Targets the number of bars that it has seen, times the parity of the close; misbehaves at certain closes."""

    strategy_type = "steps"
    version = "1.0.0"
    aliases: ClassVar[tuple[str, ...]] = ("steps",)

    def features(self) -> tuple[Feature, ...]:
        """The close."""
        return (Feature("close"),)

    def initial_state(self, symbols: int) -> dict[str, Any]:
        """Bars seen."""
        return {"count": np.zeros(symbols, np.int64)}

    def step(self, bars: BarBlock, features: tuple[Float64, ...], ready: Bool, state: dict[str, Any]) -> Targets:
        """Counts, then misbehaves: what is counted in a failing cycle must not stay."""
        targets = Targets.nothing(ready.shape)
        for c, s in np.argwhere(ready):
            close = features[0][c, s]
            state["count"][s] += 1
            if close == RAISE:
                raise ValueError(f"no price for {object()}")
            targets.emit[c, s] = True
            value = float(state["count"][s]) * (1 if close % 2 == 0 else -1)
            targets.value[c, s] = np.nan if close == NOT_A_NUMBER else value
            targets.confidence[c, s] = 1.5 if close == OVERCONFIDENT else 0.5
        return targets


class PlainSteps(SymbolStrategy):
    """The same per symbol in plain Python."""

    strategy_type = "plain_steps"
    version = "1.0.0"
    aliases: ClassVar[tuple[str, ...]] = ("plain_steps",)

    def __init__(self, parameters: Parameters) -> None:
        super().__init__(parameters)
        self.closes: list[float] = []

    def features(self) -> tuple[Feature, ...]:
        """The close."""
        return (Feature("close"),)

    def on_bar(self, bar: Bar, features: tuple[float, ...], position: float) -> Signal | None:
        """Counts, then misbehaves."""
        self.closes.append(bar.close)
        if bar.close == RAISE:
            raise ValueError(f"no price for {object()}")
        value = float(len(self.closes)) * (1 if bar.close % 2 == 0 else -1)
        if bar.close == OVERCONFIDENT:
            return Signal(value, 1.5)
        return Signal(float("nan") if bar.close == NOT_A_NUMBER else value, 0.5)


def registry() -> Registry:
    """What ships, and the strategies above."""
    found = default_registry()
    found.register(Steps)
    found.register(PlainSteps)
    return found


def plan_of(*schedules: Mapping[str, Any], symbols: int = 1, installed: Registry | None = None, **more: Any) -> Plan:
    """A plan with one group whose symbols are S000, S001 ...; each schedule is its own pod."""
    pods = [{"id": f"pod-{s['id']}", "schedules": [dict(s)]} for s in schedules]
    document = {
        "time": {"cycle_seconds": 60},
        "topics": {"market": {"partitions": 1}},
        "instruments": [{"symbol": f"S{i:03}", "interval": "1m"} for i in range(symbols)],
        "portfolios": [{"id": "main", "pods": pods}],
        **more,
    }
    return compile_plan(parse_configuration(document), installed or registry())


def bars(closes: Iterable[Any]) -> BarBlock:
    """Minute bars: closes of one symbol, or a row of closes for each minute; NaN is no bar."""
    return bars_from_closes(list(closes))


def minute(number: int) -> int:
    """The cycle of the bar with this number, counted from 1."""
    return number * MINUTE_NS


Seen = list[tuple[int, str, str, float, float]]
Told = list[tuple[int, str, str]]


def run(
    runtime: StrategyRuntime, block: BarBlock, cuts: Iterable[int] = ()
) -> tuple[Seen, Told, list[tuple[Intents, list[StrategyEvent]]]]:
    """Steps through a block in pieces: intents as (minute, schedule, symbol, strength, confidence), events as
    (minute, schedule, reason), and all that came out."""
    plan = runtime.plan
    borders = [0, *sorted(set(cuts)), len(block)]
    pieces = [runtime.step([cycles_of(block, first, last)]) for first, last in itertools.pairwise(borders)]
    seen: Seen = []
    told: Told = []
    for intents, events in pieces:
        rows = zip(intents.cycle, intents.schedule, intents.symbol, intents.strength, intents.confidence, strict=True)
        seen += [
            (int(t // MINUTE_NS), plan.schedules[k].id, plan.symbols[s], float(v), float(c)) for t, k, s, v, c in rows
        ]
        told += [(e.cycle // MINUTE_NS, plan.schedules[e.schedule].id, e.reason) for e in events]
    return seen, told, pieces


def targets(runtime: StrategyRuntime, closes: Iterable[Any]) -> list[tuple[int, float]]:
    """(minute, strength) of each intent of a single schedule on a single symbol."""
    return [(t, v) for t, _, _, v, _ in run(runtime, bars(closes))[0]]
