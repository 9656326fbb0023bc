"""Every guard by itself, as plain Python: what passes, what is cut to where, and why (spec 7)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.portfolio.ledger import (
    ACTIVE,
    CAPACITY,
    EQUITY,
    HALTED,
    REDUCING,
    TRADING,
    Ledger,
    Rules,
    new_ledger,
    portfolio_rules,
)
from operators.risk_gate import chain
from operators.risk_gate.guards.gross_exposure import gross_exposure, gross_with_pending, worst_exposure
from operators.risk_gate.guards.market_data import is_stale, market_data
from operators.risk_gate.guards.position_limits import equity_left, notional_limit, position_limit, shorts_allowed
from operators.risk_gate.guards.reduce_only import capped, reduced
from operators.risk_gate.guards.trading_state import trading_state
from schemas.reasons import Reason
from tests.operators.desk import configuration, plan_of, pod

NOW = 1_000_000
RULES = portfolio_rules(plan_of(configuration(pod("alpha"), symbols=["AAA", "BBB"])), 0)
NAN = float("nan")


def rules(**changed: Any) -> Rules:
    return RULES._replace(**changed)


def ledger(price: float = 100.0, position: int = 0, pending: int = 0, state: int = ACTIVE) -> Ledger:
    """A ledger of 1,000,000 whose first symbol holds ``position`` lots of 0.01."""
    made = new_ledger(1, 2, 1_000_000.0, state)
    made.last[0] = price
    made.fresh_at[0] = NOW
    made.position[0], made.pending[0] = position, pending
    return made


MOVES = [(10.0, 5.0), (10.0, 0.0), (-10.0, -5.0), (-10.0, 0.0), (10.0, 10.0), (0.0, 0.0)]
RISKS = [(10.0, 15.0), (0.0, 5.0), (-10.0, -15.0), (0.0, -5.0)]


class TestReduced:
    def test_lets_a_position_shrink_and_nothing_else(self) -> None:
        assert [reduced.py_func(b, t) for b, t in MOVES] == [t for _, t in MOVES]
        assert [reduced.py_func(b, t) for b, t in RISKS] == [b for b, _ in RISKS]

    def test_a_change_of_sign_ends_flat(self) -> None:
        assert reduced.py_func(10.0, -5.0) == 0.0
        assert reduced.py_func(-10.0, 5.0) == 0.0

    @given(st.floats(-100, 100), st.floats(-100, 100))
    def test_agrees_with_reduces(self, base: float, target: float) -> None:
        assert chain.reduces.py_func(base, reduced.py_func(base, target))
        assert (reduced.py_func(base, target) == target) == chain.reduces.py_func(base, target)


class TestCapped:
    def test_defect_caps_the_resulting_position_not_the_orders_size(self) -> None:
        """-5 to +5 with a cap of 5 once ended flat."""
        assert capped.py_func(-5.0, 5.0, 5.0) == 5.0
        assert capped.py_func(5.0, -9.0, 5.0) == -5.0

    def test_holds_what_is_already_above_it(self) -> None:
        assert capped.py_func(8.0, 10.0, 5.0) == 8.0
        assert capped.py_func(-8.0, -10.0, 5.0) == -8.0

    @given(st.floats(-100, 100), st.floats(-100, 100), st.floats(0, 50))
    def test_never_exceeds_both_cap_and_base_and_lies_on_the_way(self, base: float, target: float, cap: float) -> None:
        allowed = capped.py_func(base, target, cap)
        assert abs(allowed) <= max(cap, abs(base))
        assert min(base, target, 0.0) <= allowed <= max(base, target, 0.0)
        if chain.reduces.py_func(base, target):
            assert abs(allowed) <= abs(base)


class TestTradingState:
    def test_active_passes(self) -> None:
        assert trading_state.py_func(ledger(), 0, 1.0, 5.0) == (5.0, 0)

    @pytest.mark.parametrize(("base", "target"), [*MOVES[:4], *RISKS])
    def test_halted_lets_nothing_out(self, base: float, target: float) -> None:
        assert trading_state.py_func(ledger(state=HALTED), 0, base, target) == (base, Reason.GUARD_HALTED)

    def test_reducing_lets_reductions_out(self) -> None:
        for base, target in MOVES:
            assert trading_state.py_func(ledger(state=REDUCING), 0, base, target) == (target, 0)
        for base, target in RISKS:
            assert trading_state.py_func(ledger(state=REDUCING), 0, base, target) == (base, Reason.GUARD_REDUCING)

    def test_a_frozen_symbol_stays_where_it_is(self) -> None:
        given = ledger()
        given.stopped[0] = True
        assert trading_state.py_func(given, 0, 10.0, 5.0) == (10.0, Reason.GUARD_KILLED)


class TestMarketData:
    def check(self, given: Ledger, base: float, target: float, cycle: int = NOW, **changed: Any) -> tuple[float, int]:
        allowed, reason = market_data.py_func(given, rules(**changed), cycle, 0, base, target)
        return allowed, reason

    def test_a_missing_price_fails_closed(self) -> None:
        assert self.check(ledger(NAN), 0.0, 5.0) == (0.0, Reason.GUARD_NO_PRICE)
        assert self.check(ledger(NAN), 10.0, 5.0) == (10.0, Reason.GUARD_NO_PRICE)

    def test_a_missing_conversion_fails_closed(self) -> None:
        for place in (-2, 1):
            conversion = np.array([place, -1])
            assert self.check(ledger(), 0.0, 5.0, conversion=conversion) == (0.0, Reason.GUARD_NO_CONVERSION)
            assert self.check(ledger(), 10.0, 5.0, conversion=conversion) == (5.0, 0)

    def test_a_stale_price_takes_no_new_risk(self) -> None:
        assert self.check(ledger(), 0.0, 5.0, NOW + 10, max_age=10) == (5.0, 0)
        assert self.check(ledger(), 0.0, 5.0, NOW + 11, max_age=10) == (0.0, Reason.GUARD_STALE_PRICE)
        assert self.check(ledger(), 10.0, -5.0, NOW + 11, max_age=10) == (0.0, Reason.GUARD_STALE_PRICE)
        assert self.check(ledger(), 10.0, 5.0, NOW + 11, max_age=10) == (5.0, 0)
        assert is_stale.py_func(ledger(), rules(max_age=10), NOW + 11, 0)
        assert not is_stale.py_func(ledger(), rules(max_age=10), NOW + 10, 0)

    def test_degraded_data_takes_no_new_risk(self) -> None:
        given = ledger()
        given.degraded[0] = True
        assert self.check(given, 0.0, 5.0) == (0.0, Reason.GUARD_DEGRADED)
        assert self.check(given, 10.0, 0.0) == (0.0, 0)


class TestEquityAndShorts:
    def test_without_equity_only_reductions_pass(self) -> None:
        for equity in (0.0, -1.0, NAN):
            given = ledger()
            given.scalars[EQUITY] = equity
            assert equity_left.py_func(given, 0.0, 5.0) == (0.0, Reason.GUARD_EQUITY_EXHAUSTED)
            assert equity_left.py_func(given, 10.0, 5.0) == (5.0, 0)
        assert equity_left.py_func(ledger(), 0.0, 5.0) == (5.0, 0)

    def test_what_is_not_shortable_ends_flat(self) -> None:
        not_shortable = rules(shortable=np.array([False, True]))
        assert shorts_allowed.py_func(not_shortable, 0, 10.0, -5.0) == (0.0, Reason.GUARD_SHORTS_FORBIDDEN)
        assert shorts_allowed.py_func(not_shortable, 0, 10.0, 5.0) == (5.0, 0)
        assert shorts_allowed.py_func(not_shortable, 1, 10.0, -5.0) == (-5.0, 0)


class TestLimits:
    def test_position(self) -> None:
        five = rules(max_position=5.0)
        assert position_limit.py_func(ledger(), five, 0, 0.0, 4.0) == (4.0, 0)
        assert position_limit.py_func(ledger(), five, 0, 0.0, -9.0) == (-5.0, Reason.GUARD_POSITION_LIMIT)
        assert position_limit.py_func(ledger(), five, 0, -5.0, 9.0) == (5.0, Reason.GUARD_POSITION_LIMIT)

    def test_the_regimes_capacity_scales_caps_per_symbol(self) -> None:
        half = ledger()
        half.room[CAPACITY] = 0.5
        assert position_limit.py_func(half, rules(max_position=4.0), 0, 0.0, 9.0)[0] == 2.0
        assert notional_limit.py_func(half, rules(max_notional=1000.0), 0, 0.0, 9.0)[0] == 5.0
        assert position_limit.py_func(half, RULES, 0, 0.0, 9.0) == (9.0, 0)

    @pytest.mark.parametrize("target", [1e300, float("inf"), -float("inf"), NAN])
    def test_what_lots_cannot_count_is_no_position(self, target: float) -> None:
        assert position_limit.py_func(ledger(), RULES, 0, 0.0, target) == (0.0, Reason.GUARD_POSITION_LIMIT)

    def test_notional(self) -> None:
        thousand = rules(max_notional=1000.0)
        assert notional_limit.py_func(ledger(), thousand, 0, 0.0, 9.0) == (9.0, 0)
        assert notional_limit.py_func(ledger(), thousand, 0, 0.0, -12.0) == (-10.0, Reason.GUARD_NOTIONAL_LIMIT)

    def test_an_unknown_value_lets_only_reductions_through(self) -> None:
        assert notional_limit.py_func(ledger(NAN), RULES, 0, 0.0, 5.0) == (0.0, Reason.GUARD_NOTIONAL_LIMIT)
        assert notional_limit.py_func(ledger(NAN), RULES, 0, 10.0, -5.0) == (0.0, Reason.GUARD_NOTIONAL_LIMIT)


class TestGross:
    def test_counts_the_worst_of_what_open_orders_may_do(self) -> None:
        for position, pending, worst in ((500, 0, 5), (500, 300, 8), (500, -300, 5), (-500, 1200, 7), (0, 0, 0)):
            assert worst_exposure.py_func(ledger(100.0, position, pending), RULES, 0) == pytest.approx(worst * 100)

    def test_defect_exposure_counts_open_plus_pending(self) -> None:
        assert gross_with_pending.py_func(ledger(100.0, 500, 300), RULES) == pytest.approx(800.0)

    def cut(self, base: float, target: float, gross: float, limit: float) -> tuple[float, int]:
        given = ledger(100.0, round(base * 100))
        allowed, reason = gross_exposure.py_func(given, rules(max_gross=limit), 0, base, target, gross)
        return round(allowed, 6), reason

    def test_has_the_headroom_that_the_others_leave(self) -> None:
        # Equity 1,000,000 at 0.5: 500,000, of which others use 300,000: room for 2000 units at 100.
        assert self.cut(0.0, 2000.0, 300_000.0, 0.5) == (2000.0, 0)
        assert self.cut(0.0, 2500.0, 300_000.0, 0.5) == (2000.0, Reason.GUARD_GROSS_EXPOSURE)
        assert self.cut(1000.0, 2500.0, 400_000.0, 0.5) == (2000.0, Reason.GUARD_GROSS_EXPOSURE)
        assert self.cut(-1000.0, 2500.0, 400_000.0, 0.5) == (2000.0, Reason.GUARD_GROSS_EXPOSURE)

    def test_without_room_what_is_held_is_held_and_a_flip_ends_flat(self) -> None:
        assert self.cut(1000.0, 2500.0, 700_000.0, 0.5) == (1000.0, Reason.GUARD_GROSS_EXPOSURE)
        assert self.cut(1000.0, -2500.0, 700_000.0, 0.5) == (0.0, Reason.GUARD_GROSS_EXPOSURE)

    def test_an_unknown_exposure_fails_closed(self) -> None:
        assert self.cut(0.0, 5.0, NAN, 0.5) == (0.0, Reason.GUARD_GROSS_EXPOSURE)


class TestChain:
    def allow(
        self, given: Ledger, base: float, target: float, gross: float = 0.0, cycle: int = NOW, **changed: Any
    ) -> tuple[float, int]:
        allowed, reason = chain.allow.py_func(given, rules(**changed), cycle, 0, base, target, gross)
        return allowed, reason

    def test_passes_what_no_guard_minds(self) -> None:
        assert self.allow(ledger(), 0.0, 5.0) == (5.0, 0)

    def test_clips_compose_and_the_last_cut_is_named(self) -> None:
        assert self.allow(ledger(), 0.0, 500.0, max_position=100.0) == (100.0, Reason.GUARD_POSITION_LIMIT)
        given = self.allow(ledger(), 0.0, 500.0, max_position=100.0, max_notional=2000.0)
        assert given == (20.0, Reason.GUARD_NOTIONAL_LIMIT)
        given = self.allow(ledger(), 0.0, 500.0, max_position=100.0, max_notional=2000.0, max_gross=0.001)
        assert given == (10.0, Reason.GUARD_GROSS_EXPOSURE)

    def test_every_reduction_passes_every_guard_but_a_halt(self) -> None:
        hostile = {
            "max_position": 1e-9, "max_notional": 1e-9, "max_gross": 1e-9, "max_age": 1,
            "shortable": np.array([False, False]), "conversion": np.array([-2, -1]),
        }  # fmt: skip
        for base, target in ((10.0, 5.0), (10.0, 0.0), (-10.0, -5.0), (-10.0, 0.0)):
            given = ledger(100.0, round(base * 100), state=REDUCING)
            given.degraded[0] = True
            given.scalars[EQUITY] = -5.0
            assert self.allow(given, base, target, 1e9, NOW + 99, **hostile) == (target, 0)
            given.state[TRADING] = HALTED
            assert self.allow(given, base, target, 1e9, NOW + 99, **hostile) == (base, Reason.GUARD_HALTED)

    def test_each_guard_is_reached(self) -> None:
        given = ledger(100.0)
        given.scalars[EQUITY] = 0.0
        assert self.allow(given, 0.0, 5.0)[1] == Reason.GUARD_EQUITY_EXHAUSTED
        assert self.allow(ledger(), 0.0, -5.0, shortable=np.array([False, True]))[1] == Reason.GUARD_SHORTS_FORBIDDEN
        assert self.allow(ledger(), 0.0, 5.0, cycle=NOW + 9, max_age=1)[1] == Reason.GUARD_STALE_PRICE
        assert self.allow(ledger(state=REDUCING), 0.0, 5.0)[1] == Reason.GUARD_REDUCING

    @given(
        base=st.floats(-100, 100),
        target=st.floats(-100, 100),
        gross=st.floats(0, 1e5),
        position=st.floats(0.001, 100),
        notional=st.floats(1, 1e4),
        limit=st.floats(0.001, 0.1),
        state=st.sampled_from([ACTIVE, REDUCING, HALTED]),
        shortable=st.booleans(),
        age=st.integers(0, 3),
        degraded=st.booleans(),
    )
    def test_a_guard_only_ever_makes_less_of_a_move(
        self, base: float, target: float, gross: float, position: float, notional: float, limit: float, state: int,
        shortable: bool, age: int, degraded: bool,
    ) -> None:  # fmt: skip
        lots = round(base * 100)
        base = lots / 100
        given = ledger(100.0, lots, state=state)
        given.degraded[0] = degraded
        allowed, reason = self.allow(
            given, base, target, gross + abs(base) * 100, NOW + age, max_position=position, max_notional=notional,
            max_gross=limit, shortable=np.array([shortable, True]), max_age=1,
        )  # fmt: skip
        assert min(base, target, 0.0) <= allowed <= max(base, target, 0.0)
        assert (reason == 0) == (allowed == target) or state == HALTED
        if abs(allowed) > abs(base):
            assert abs(allowed) <= position
            assert abs(allowed) * 100 <= notional * (1 + 1e-12)
            assert gross + abs(allowed) * 100 <= limit * 1_000_000 * (1 + 1e-9) + 1e-6
