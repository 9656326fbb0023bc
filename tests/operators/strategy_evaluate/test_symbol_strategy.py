"""Strategies in plain Python, and the author's own checks."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from operators.bars import BarBlock
from operators.frames import Bool, Float64
from operators.normalize.features.feature import Feature
from operators.strategy_evaluate.conformance import assert_block_independent, bars_from_closes, rehearse, sample_bars
from operators.strategy_evaluate.registry import Registry
from operators.strategy_evaluate.runtime import StrategyRuntime
from operators.strategy_evaluate.slices import cycles_of
from operators.strategy_evaluate.strategies.sma_cross import SmaCross, SmaCrossParameters
from operators.strategy_evaluate.strategy import Parameters, Targets
from operators.strategy_evaluate.symbol_strategy import Bar, Signal, SymbolStrategy
from schemas.configuration import ConfigurationError
from tests.operators.strategy_evaluate.laboratory import PlainSteps, Steps, plan_of


class PlainCross(SymbolStrategy):
    """``sma_cross`` once more, per symbol."""

    strategy_type = "plain_cross"
    version = "1.0.0"
    parameters_type = SmaCrossParameters

    def __init__(self, parameters: SmaCrossParameters) -> None:
        super().__init__(parameters)
        self.side = 0

    def features(self) -> tuple[Feature, ...]:
        """Two averages."""
        return (Feature("sma", (self.parameters.fast,)), Feature("sma", (self.parameters.slow,)))

    def on_bar(self, bar: Bar, features: tuple[float, ...], position: float) -> float | None:
        """Follows the cross."""
        gap = features[0] - features[1]
        band = 1e-12 * abs(features[1])
        side = 1 if gap > band else -1 if gap < -band else self.side
        changed, self.side = side != self.side and self.side != 0, side
        if not changed:
            return None
        return 1.0 if side > 0 else -1.0 if self.parameters.short else 0.0


class Recorder(SymbolStrategy):
    """Writes down what it is given and answers from a script."""

    strategy_type = "recorder"
    version = "1.0.0"
    script: tuple[Any, ...] = ()

    def __init__(self, parameters: Parameters) -> None:
        super().__init__(parameters)
        self.bars: list[Bar] = []
        self.positions: list[float] = []

    def features(self) -> tuple[Feature, ...]:
        """None."""
        return ()

    def on_bar(self, bar: Bar, features: tuple[float, ...], position: float) -> float | Signal | None:
        """The next line of the script."""
        self.bars.append(bar)
        self.positions.append(position)
        answer: float | Signal | None = self.script[len(self.bars) - 1]
        return answer


def recorded(closes: list[float], *script: Any) -> tuple[Recorder, Targets]:
    """What a scripted strategy saw over one block, and the answer."""
    strategy = type("Scripted", (Recorder,), {"script": script})(Parameters())
    state = strategy.initial_state(1)
    bars = bars_from_closes(closes)
    answer = strategy.step(bars, (), bars.fresh, state)
    return state["memory"][0], answer


class TestOnBar:
    """What ``on_bar`` is given and may answer."""

    def test_sees_bars_in_order_with_close_time_and_prices(self) -> None:
        one, _ = recorded([1.0, float("nan"), 3.0], None, None)
        assert [(b.ts, b.close, b.volume) for b in one.bars] == [(60 * 10**9, 1.0, 1.0), (180 * 10**9, 3.0, 1.0)]

    def test_a_target_is_filled_at_the_next_bar_not_at_emission(self) -> None:
        one, _ = recorded([1.0] * 4, 0.5, None, Signal(-1.0, 0.3), None)
        assert one.positions == [0.0, 0.5, 0.5, -1.0]

    def test_numbers_and_signals_are_answers(self) -> None:
        _, answer = recorded([1.0] * 3, 1, Signal(-2.0, 0.25), None)
        assert answer.emit[:, 0].tolist() == [True, True, False]
        assert answer.value[:2, 0].tolist() == [1.0, -2.0]
        assert answer.confidence[:2, 0].tolist() == [1.0, 0.25]

    def test_an_unusable_answer_is_no_position(self) -> None:
        one, _ = recorded([1.0] * 3, 0.5, float("nan"), None)
        assert one.positions == [0.0, 0.5, 0.5]

    def test_answers_what_the_vectorised_strategy_answers(self) -> None:
        parameters = SmaCrossParameters(fast=3, slow=8, short=True)
        assert rehearse(PlainCross(parameters), sample_bars()) == rehearse(SmaCross(parameters), sample_bars())

    def test_keeps_the_contract(self) -> None:
        assert_block_independent(PlainCross(SmaCrossParameters(fast=3, slow=8)))
        assert_block_independent(PlainSteps(Parameters()))

    def test_state_survives_the_copy_that_isolation_keeps(self) -> None:
        """More cycles than one checkpoint spans, then an error: nothing before it is lost."""
        plan = plan_of({"id": "one", "strategy": "plain_steps"})
        runtime = StrategyRuntime(plan, 0)
        closes = [2.0] * 1500 + [666.0, 2.0]
        bars = bars_from_closes(closes)
        seen = [float(v) for i in range(0, 1502, 100) for v in runtime.step([cycles_of(bars, i, i + 100)])[0].strength]
        assert seen == [float(i) for i in range(1, 1502)]


class TestAuthorsChecks:
    """``assert_block_independent`` finds what would go wrong in production."""

    def test_state_kept_on_the_strategy_itself(self) -> None:
        class Leaky(Steps):
            """Counts blocks."""

            blocks = 0

            def step(
                self, bars: BarBlock, features: tuple[Float64, ...], ready: Bool, state: dict[str, Any]
            ) -> Targets:
                """Remembers outside of its state."""
                self.blocks += 1
                return Targets(ready.copy(), np.full(ready.shape, float(self.blocks)), np.ones(ready.shape))

        with pytest.raises(AssertionError, match="a second run: first difference"):
            assert_block_independent(Leaky(Parameters()))

    def test_a_look_at_the_block_as_a_whole(self) -> None:
        class Prophet(Steps):
            """Knows the block's last close."""

            def step(
                self, bars: BarBlock, features: tuple[Float64, ...], ready: Bool, state: dict[str, Any]
            ) -> Targets:
                """Looks ahead."""
                best = np.nanmax(np.where(ready, bars.close, np.nan)) if ready.any() else 0.0
                return Targets(ready.copy(), np.full(ready.shape, best), np.ones(ready.shape))

        with pytest.raises(AssertionError, match="cycle by cycle"):
            assert_block_independent(Prophet(Parameters()))

    def test_symbols_that_influence_each_other(self) -> None:
        class Crowd(Steps):
            """Ranks symbols, which needs ``scope = "pod"``."""

            def initial_state(self, symbols: int) -> dict[str, Any]:
                """Nothing."""
                return {}

            def step(
                self, bars: BarBlock, features: tuple[Float64, ...], ready: Bool, state: dict[str, Any]
            ) -> Targets:
                """The number of symbols with a bar."""
                count = np.broadcast_to(ready.sum(axis=1, keepdims=True), ready.shape).astype(np.float64)
                return Targets(ready.copy(), count, np.ones(ready.shape))

        with pytest.raises(AssertionError, match="with symbol 0 alone"):
            assert_block_independent(Crowd(Parameters()))

    def test_an_attribute_that_cannot_be_pickled_is_named_before_start(self) -> None:
        class Locked(PlainSteps):
            """Holds a lock."""

            strategy_type = "locked"
            aliases = ()

            def __init__(self, parameters: Parameters) -> None:
                super().__init__(parameters)
                self.lock = threading.Lock()

        registry = Registry()
        registry.register(Locked)
        with pytest.raises(ConfigurationError, match=r"locked@1\.0\.0: attribute lock cannot be pickled"):
            registry.build("locked@1.0.0", {})
