"""The runtime: intents on change only, warm-up, isolation and the circuit breaker, all on event time (spec 3)."""

from __future__ import annotations

import dataclasses
import itertools
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.strategy_evaluate.conformance import sample_bars
from operators.strategy_evaluate.runtime import StrategyRuntime
from operators.strategy_evaluate.slices import cycles_of
from tests.operators.strategy_evaluate.laboratory import (
    NOT_A_NUMBER,
    OVERCONFIDENT,
    RAISE,
    bars,
    minute,
    plan_of,
    run,
)

STEPS = {"id": "one", "strategy": "steps"}
#: Three errors open the circuit for five minutes.
FIVE_MINUTES: dict[str, Any] = {"circuit": {"errors": 3, "open_seconds": 300}}
BOTH = pytest.mark.parametrize("strategy", ["steps", "plain_steps"])


def runtime_of(*schedules: dict[str, Any], symbols: int = 1, **more: Any) -> StrategyRuntime:
    """A runtime over one group."""
    return StrategyRuntime(plan_of(*schedules, symbols=symbols, **more), 0)


class TestIntents:
    """What leaves the stage."""

    def test_an_intent_carries_price_features_and_global_symbol(self) -> None:
        runtime = runtime_of(STEPS, symbols=2)
        intents, events = runtime.step([bars([[10.0, np.nan], [np.nan, 20.0]])])
        assert events == []
        assert intents.cycle.tolist() == [minute(1), minute(2)]
        assert intents.symbol.tolist() == [0, 1]
        assert intents.strength.tolist() == [1.0, 1.0]
        assert np.isnan(intents.notional).all()
        assert intents.confidence.tolist() == [0.5, 0.5]
        assert intents.price.tolist() == [10.0, 20.0]
        assert intents.features.tolist() == [[10.0], [20.0]]

    def test_stating_the_standing_target_again_is_no_intent(self) -> None:
        schedule = {"id": "one", "strategy": "legacy_macd_rsi", "parameters": {"buy_below": 100}}
        runtime = runtime_of(schedule)
        seen, _, _ = run(runtime, bars([100.0 + 0.1 * i * i for i in range(60)]))
        assert [(v, c) for _, _, _, v, c in seen] == [(1.0, 0.65)]

    def test_a_first_target_of_zero_is_no_intent(self) -> None:
        schedule = {"id": "one", "strategy": "legacy_macd_rsi", "parameters": {"sell_above": 0}}
        runtime = runtime_of(schedule)
        assert run(runtime, bars([100.0 - 0.1 * i * i for i in range(30)] + [20.0 + i for i in range(3)]))[0] == []

    def test_sorted_by_cycle_schedule_and_symbol(self) -> None:
        runtime = runtime_of(STEPS, {"id": "two", "strategy": "plain_steps"}, symbols=3)
        intents, _ = runtime.step([bars([[1.0, 2.0, 3.0]] * 4)])
        keys = list(zip(intents.cycle, intents.schedule, intents.symbol, strict=True))
        assert keys == sorted(keys)
        assert len(keys) == 24

    def test_a_schedule_sees_only_its_own_symbols(self) -> None:
        runtime = runtime_of({**STEPS, "symbols": ["S002", "S000"]}, symbols=3)
        intents, _ = runtime.step([bars([[1.0, 2.0, 3.0]])])
        assert intents.symbol.tolist() == [0, 2]
        assert intents.price.tolist() == [1.0, 3.0]

    def test_features_are_padded_to_the_widest_schedule(self) -> None:
        runtime = runtime_of(STEPS, {"id": "wide", "strategy": "sma_cross"})
        intents, _ = runtime.step([bars([4.0])])
        assert intents.features.shape == (1, 2)
        assert intents.features[0, 0] == 4.0
        assert np.isnan(intents.features[0, 1])

    def test_no_bars_no_intents(self) -> None:
        runtime = runtime_of(STEPS)
        intents, events = runtime.step([])
        assert len(intents) == 0
        assert events == []

    def test_two_intervals_at_once(self) -> None:
        hourly = {"id": "hourly", "strategy": "steps", "interval": "1h"}
        runtime = runtime_of(STEPS, hourly)
        minutes = bars([2.0] * 60)
        hours = dataclasses.replace(cycles_of(minutes, 59, 60), interval=runtime.plan.intervals.index("1h"))
        intents, _ = runtime.step([minutes, hours])
        last = intents.cycle == minute(60)
        assert intents.schedule[last].tolist() == [0, 1]
        assert intents.strength[last].tolist() == [60.0, 1.0]


class TestWarmUp:
    """``warmup_bars`` emit nothing (spec 3)."""

    @BOTH
    def test_the_first_target_comes_one_bar_after_the_warm_up(self, strategy: str) -> None:
        runtime = runtime_of({"id": "one", "strategy": strategy, "warmup_bars": 3})
        assert [t for t, *_ in run(runtime, bars([2.0] * 5))[0]] == [4, 5]

    def test_each_symbol_warms_up_by_its_own_bars(self) -> None:
        runtime = runtime_of({**STEPS, "warmup_bars": 2}, symbols=2)
        closes = [[2.0, np.nan], [2.0, 2.0], [2.0, np.nan], [2.0, 2.0], [2.0, 2.0]]
        seen = run(runtime, bars(closes))[0]
        assert [(t, s) for t, _, s, _, _ in seen] == [(3, "S000"), (4, "S000"), (5, "S000"), (5, "S001")]

    def test_nothing_is_stated_before_every_feature_is_finite(self) -> None:
        schedule = {"id": "one", "strategy": "sma_cross", "parameters": {"fast": 1, "slow": 3}}
        seen = run(runtime_of(schedule), bars([3.0, 2.0, 9.0, 1.0, 9.0]))[0]
        assert [(t, v) for t, _, _, v, _ in seen] == [(5, 1.0)], "bar 3 seeds, bar 4 crosses to flat, bar 5 up"


class TestIsolation:
    """An exception or NaN is counted and isolated; the others go on (spec 3)."""

    @BOTH
    def test_one_failing_cycle_loses_only_its_own_bar(self, strategy: str) -> None:
        runtime = runtime_of({"id": "one", "strategy": strategy})
        seen, told, _ = run(runtime, bars([2.0, 2.0, RAISE, 2.0]))
        assert [(t, v) for t, _, _, v, _ in seen] == [(1, 1.0), (2, 2.0), (4, 3.0)]
        assert told == [(3, "one", "STRATEGY_ERROR")]

    @BOTH
    def test_the_error_text_holds_no_memory_address(self, strategy: str) -> None:
        runtime = runtime_of({"id": "one", "strategy": strategy})
        _, events = runtime.step([bars([RAISE])])
        assert events[0].detail == "ValueError: no price for <object object at 0x>"

    @BOTH
    @pytest.mark.parametrize("close", [NOT_A_NUMBER, OVERCONFIDENT])
    def test_an_unusable_answer_is_dropped_alone(self, strategy: str, close: float) -> None:
        runtime = runtime_of({"id": "one", "strategy": strategy}, symbols=2)
        intents, events = runtime.step([bars([[2.0, close], [2.0, 2.0]])])
        assert list(zip(intents.symbol, intents.strength, strict=True)) == [(0, 1.0), (0, 2.0), (1, 2.0)]
        assert [(e.cycle, e.symbol, e.reason) for e in events] == [(minute(1), 1, "STRATEGY_NOT_FINITE")]

    def test_other_schedules_do_not_notice(self) -> None:
        good = {"id": "good", "strategy": "sma_cross", "parameters": {"fast": 1, "slow": 2}}
        closes = bars([2.0, RAISE, 3.0, RAISE, RAISE, RAISE, 1.0, 9.0])
        alone = run(runtime_of(good), closes)[0]
        beside = run(runtime_of({**STEPS, "id": "bad"}, good), closes)[0]
        assert [i for i in beside if i[1] == "good"] == alone
        assert alone

    def test_a_strategy_cannot_write_to_what_others_see(self) -> None:
        runtime = runtime_of(STEPS)
        block = bars([2.0])
        runtime.plan.schedules[0].strategy.step = lambda bars, *_: bars.close.fill(0)  # type: ignore[method-assign]
        _, events = runtime.step([block])
        assert "read-only" in events[0].detail
        assert block.close[0, 0] == 2.0

    def test_an_answer_of_the_wrong_shape_is_an_error(self) -> None:
        runtime = runtime_of(STEPS)
        runtime.plan.schedules[0].strategy.step = lambda *_: None  # type: ignore[method-assign, assignment]
        _, events = runtime.step([bars([2.0])])
        assert events[0].reason == "STRATEGY_ERROR"


class TestCircuit:
    """Opens after three errors in a row until event time +300 s, then half-open."""

    @BOTH
    def test_opens_skips_and_closes_on_event_time(self, strategy: str) -> None:
        runtime = runtime_of({"id": "one", "strategy": strategy}, **FIVE_MINUTES)
        seen, told, _ = run(runtime, bars([2.0, RAISE, RAISE, RAISE] + [2.0] * 8))
        assert told == [
            (2, "one", "STRATEGY_ERROR"),
            (3, "one", "STRATEGY_ERROR"),
            (4, "one", "STRATEGY_ERROR"),
            (4, "one", "STRATEGY_CIRCUIT_OPEN"),
            (9, "one", "STRATEGY_CIRCUIT_HALF_OPEN"),
            (9, "one", "STRATEGY_CIRCUIT_CLOSED"),
        ]
        assert [(t, v) for t, _, _, v, _ in seen] == [(1, 1.0), (9, 2.0), (10, 3.0), (11, 4.0), (12, 5.0)]

    def test_a_good_evaluation_between_errors_starts_the_count_anew(self) -> None:
        runtime = runtime_of(STEPS, **FIVE_MINUTES)
        told = run(runtime, bars([RAISE, RAISE, 2.0, RAISE, RAISE, 2.0]))[1]
        assert {reason for *_, reason in told} == {"STRATEGY_ERROR"}

    def test_defect_skips_are_not_errors_and_never_keep_a_circuit_open(self) -> None:
        """One evaluation decides when it is half-open; a thousand skipped bars before it count for nothing."""
        runtime = runtime_of(STEPS, circuit={"errors": 3, "open_seconds": 60_000})
        told = run(runtime, bars([RAISE] * 3 + [RAISE] * 999 + [2.0]))[1]
        assert told[-2:] == [(1003, "one", "STRATEGY_CIRCUIT_HALF_OPEN"), (1003, "one", "STRATEGY_CIRCUIT_CLOSED")]

    def test_an_error_while_half_open_opens_it_again(self) -> None:
        runtime = runtime_of(STEPS, **FIVE_MINUTES)
        told = run(runtime, bars([RAISE] * 3 + [2.0] * 4 + [RAISE] + [2.0] * 5))[1]
        assert told[-5:] == [
            (8, "one", "STRATEGY_CIRCUIT_HALF_OPEN"),
            (8, "one", "STRATEGY_ERROR"),
            (8, "one", "STRATEGY_CIRCUIT_OPEN"),
            (13, "one", "STRATEGY_CIRCUIT_HALF_OPEN"),
            (13, "one", "STRATEGY_CIRCUIT_CLOSED"),
        ]

    def test_a_cycle_without_bars_of_the_schedule_decides_nothing(self) -> None:
        runtime = runtime_of({**STEPS, "symbols": ["S000"]}, symbols=2, **FIVE_MINUTES)
        closes = [[RAISE, 1.0]] * 3 + [[np.nan, 1.0]] * 8 + [[2.0, 1.0]]
        told = run(runtime, bars(closes))[1]
        assert told[-1] == (12, "one", "STRATEGY_CIRCUIT_CLOSED")

    def test_nan_answers_open_it_too(self) -> None:
        told = run(runtime_of(STEPS, **FIVE_MINUTES), bars([NOT_A_NUMBER] * 3))[1]
        assert told[-1] == (3, "one", "STRATEGY_CIRCUIT_OPEN")

    def test_on_silence_hold_keeps_the_target(self) -> None:
        seen = run(runtime_of(STEPS, **FIVE_MINUTES), bars([2.0] + [RAISE] * 3))[0]
        assert [(t, v) for t, _, _, v, _ in seen] == [(1, 1.0)]

    def test_on_silence_flat_takes_standing_targets_to_zero_at_the_last_price(self) -> None:
        runtime = runtime_of({**STEPS, "on_silence": "flat"}, symbols=2, **FIVE_MINUTES)
        closes = [[2.0, 4.0], [RAISE, np.nan], [RAISE, np.nan], [RAISE, np.nan]]
        for cuts in ([], [1, 2, 3]):
            runtime = runtime_of({**STEPS, "on_silence": "flat"}, symbols=2, **FIVE_MINUTES)
            _, told, pieces = run(runtime, bars(closes), cuts)
            flat = [
                (int(t), int(s), float(p))
                for i, _ in pieces
                for t, s, v, p in zip(i.cycle, i.symbol, i.strength, i.price, strict=True)
                if v == 0
            ]
            assert flat == [(minute(4), 0, RAISE), (minute(4), 1, 4.0)]
            assert told[-1] == (4, "one", "STRATEGY_SILENT_FLAT")

    def test_what_an_opening_cycle_stated_gives_way_to_flat(self) -> None:
        runtime = runtime_of({**STEPS, "on_silence": "flat"}, symbols=2, **FIVE_MINUTES)
        seen = run(runtime, bars([[2.0, NOT_A_NUMBER]] * 3))[0]
        assert seen[-1] == (3, "one", "S000", 0.0, 1.0)
        assert len([i for i in seen if i[0] == 3]) == 1


class TestQuarantine:
    """A hang that the watchdog recorded: silent from its cycle on."""

    def test_silent_from_the_recorded_cycle_and_told_once(self) -> None:
        plan = plan_of(STEPS, {"id": "two", "strategy": "steps"})
        for cuts in ([], [1, 2, 3, 4]):
            runtime = StrategyRuntime(plan, 0, {"one": minute(3)})
            seen, told, _ = run(runtime, bars([2.0] * 5), cuts)
            assert [t for t, k, *_ in seen if k == "one"] == [1, 2]
            assert [t for t, k, *_ in seen if k == "two"] == [1, 2, 3, 4, 5]
            assert told == [(3, "one", "STRATEGY_QUARANTINED")]

    def test_it_may_name_the_portfolio_and_is_told_once_over_a_restart(self) -> None:
        plan = plan_of(STEPS)
        first = StrategyRuntime(plan, 0, {"main/one": minute(2)})
        assert run(first, bars([2.0] * 3))[1] == [(2, "one", "STRATEGY_QUARANTINED")]
        second = StrategyRuntime(plan, 0, {"main/one": minute(2)})
        second.restore(first.snapshot())
        assert run(second, cycles_of(bars([2.0] * 5), 3, 5))[1] == []

    def test_the_watch_sees_each_evaluation(self) -> None:
        class Watch:
            def __init__(self) -> None:
                self.calls: list[tuple[object, ...]] = []

            def enter(self, schedule: str, cycle: int, portfolio: str = "") -> None:
                self.calls.append((schedule, cycle, portfolio))

            def leave(self) -> None:
                self.calls.append(("left",))

        watch = Watch()
        StrategyRuntime(plan_of(STEPS), 0, watch=watch).step([bars([RAISE, 2.0])])
        assert watch.calls == [("one", minute(1), "main"), ("left",)]


CLOSES = st.lists(
    st.tuples(*[st.sampled_from([2.0, 3.0, 4.0, RAISE, NOT_A_NUMBER, OVERCONFIDENT, float("nan")])] * 2),
    min_size=1,
    max_size=40,
)


class TestBlockIndependence:
    """What comes out never depends on how cycles are cut, whatever goes wrong inside."""

    @settings(max_examples=60, deadline=None)
    @given(closes=CLOSES, cuts=st.sets(st.integers(1, 39)), flat=st.booleans(), restart=st.booleans())
    def test_errors_circuits_and_restarts(
        self, closes: list[tuple[float, float]], cuts: set[int], flat: bool, restart: bool
    ) -> None:
        silence = "flat" if flat else "hold"
        schedules = [{"id": s, "strategy": s, "on_silence": silence} for s in ("steps", "plain_steps")]
        plan = plan_of(*schedules, symbols=2, circuit={"errors": 2, "open_seconds": 240})
        block = bars(closes)
        whole = StrategyRuntime(plan, 0)
        expected_seen, expected_told, _ = run(whole, block)
        runtime = StrategyRuntime(plan, 0)
        seen, told = [], []
        borders = [0, *sorted(c for c in cuts if c < len(block)), len(block)]
        for first, last in itertools.pairwise(borders):
            new_seen, new_told, _ = run(runtime, cycles_of(block, first, last))
            seen += new_seen
            told += new_told
            if restart:
                saved = pickle.loads(pickle.dumps(runtime.snapshot()))
                runtime = StrategyRuntime(plan, 0)
                runtime.restore(saved)
        assert seen == expected_seen
        assert told == expected_told
        assert pickle.dumps(_plain(runtime.snapshot())) == pickle.dumps(_plain(whole.snapshot()))

    def test_both_styles_answer_alike(self) -> None:
        schedules = [{"id": s, "strategy": s} for s in ("steps", "plain_steps")]
        closes = [2.0, RAISE, 3.0, NOT_A_NUMBER, 4.0, RAISE, RAISE, RAISE] + [2.0] * 9
        seen, told, _ = run(runtime_of(*schedules), bars(closes))
        for name, other in (("steps", "plain_steps"), ("plain_steps", "steps")):
            assert [(t, v) for t, k, _, v, _ in seen if k == name] == [(t, v) for t, k, _, v, _ in seen if k == other]
        assert [(t, r) for t, k, r in told if k == "steps"] == [(t, r) for t, k, r in told if k == "plain_steps"]

    def test_the_shipped_strategies_in_one_runtime(self) -> None:
        schedules: list[dict[str, Any]] = [
            {"id": "a", "strategy": "sma_cross", "parameters": {"short": True}},
            {"id": "b", "strategy": "legacy_macd_rsi", "parameters": {"buy_below": 45, "sell_above": 55}},
            {"id": "c", "strategy": "intraday_tsmom", "symbols": ["S001", "S003"]},
            {"id": "d", "strategy": "mean_reversion", "parameters": {"window": 20, "entry": 1.2}, "warmup_bars": 50},
        ]
        plan = plan_of(*schedules, symbols=5)
        block = sample_bars(400, 5)
        whole = run(StrategyRuntime(plan, 0), block)[:2]
        assert whole[1] == []
        assert {k for _, k, *_ in whole[0]} == {"a", "b", "c", "d"}
        for size in (1, 33):
            assert run(StrategyRuntime(plan, 0), block, range(size, 400, size))[:2] == whole


def _plain(value: Any) -> Any:
    """Arrays as lists, so that equal states have equal bytes."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return [repr(v) for v in value.ravel().tolist()]
    return value
