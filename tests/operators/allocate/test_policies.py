"""Each capital policy by its formula, on numbers that can be followed on paper (spec 6)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.allocate.covariance import covariance, ledoit_wolf
from operators.allocate.policies.inverse_volatility import inverse_volatility_weights
from operators.allocate.policies.risk_parity import known_moments
from operators.allocate.risk_budget import risk_shares
from schemas.configuration.capital import RiskParity, Traded
from tests.operators.allocate.pods import WAVE, ask, noise, pods_of, view, weights_of

TWO = pods_of(view("a"), view("b", 3 * WAVE))


def traded(schedule: str, strategy: str = "sma_cross", profile: str = "balanced") -> Traded:
    return Traded(schedule=schedule, strategy=strategy, profile=profile)


def test_equal_weight_is_1_over_n() -> None:
    assert weights_of("equal_weight", pods_of(*(view(n) for n in "abcd"))) == [0.25] * 4


class TestFixedWeight:
    PODS = pods_of(
        view("a", traded=(traded("a_fast"), traded("a_slow", "mean_reversion", "bold"))),
        view("b", traded=(traded("b_one", "mean_reversion"),)),
    )

    def test_it_leaves_the_rest_as_cash_and_says_so(self) -> None:
        answer = ask("fixed_weight", self.PODS, weights={"a": 0.6})
        assert answer.weights.tolist() == [0.6, 0.0]
        assert answer.why["unallocated"] == 0.4
        assert answer.why["reason"] == "CAPITAL_UNALLOCATED"
        assert answer.why["matched"] == {"a": "a", "b": None}

    def test_defect_an_explicit_zero_is_honoured(self) -> None:
        assert weights_of("fixed_weight", self.PODS, weights={"a": 0.0, "b": 1.0}) == [0.0, 1.0]
        assert weights_of("fixed_weight", self.PODS, weights={"a": 0.0, "sma_cross": 0.4, "b": 1.0}) == [0.0, 1.0]

    def test_the_first_match_is_taken(self) -> None:
        """schedule:profile, strategy:profile, schedule, strategy."""
        every = {
            "a_slow": {"bold": 0.1},
            "mean_reversion": {"balanced": 0.2},
            "b_one": 0.3,
            "sma_cross": 0.4,
        }
        assert weights_of("fixed_weight", self.PODS, weights=every) == [0.1, 0.2]
        del every["a_slow"], every["mean_reversion"]
        assert weights_of("fixed_weight", self.PODS, weights=every) == [0.4, 0.3]


class TestInverseVolatility:
    def test_weights_fall_with_volatility(self) -> None:
        assert weights_of("inverse_volatility", TWO) == pytest.approx([0.75, 0.25])

    def test_its_lookback_forgets_what_is_older(self) -> None:
        wild = view("a", np.concatenate([50 * WAVE, WAVE]))
        found = weights_of("inverse_volatility", pods_of(wild, view("b")), lookback_days=30)
        assert found == pytest.approx([0.5, 0.5])

    def test_its_volatility_is_floored(self) -> None:
        assert inverse_volatility_weights(np.array([1e-12, 1e-8])).tolist() == [0.5, 0.5]

    def test_defect_missing_volatility_is_unknown_never_one(self) -> None:
        """Known pods share by volatility what the unknown one's equal part leaves."""
        answer = ask("inverse_volatility", pods_of(view("a"), view("b", 3 * WAVE), view("c", WAVE[:19])))
        assert answer.weights == pytest.approx([0.5, 1 / 6, 1 / 3])
        assert answer.why["unknown"] == ["c"]
        nothing = pods_of(view("a", WAVE[:1]), view("b", np.empty(0)))
        assert weights_of("inverse_volatility", nothing) == [0.5, 0.5]

    def test_defect_a_pod_that_held_nothing_took_all_capital(self) -> None:
        """No position is no volatility of 0: its weight would be 1/1e-8."""
        found = weights_of("inverse_volatility", pods_of(view("a", np.zeros(60)), view("b")))
        assert found == pytest.approx([0.5, 0.5])

    @given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=8))
    def test_weights_sum_to_one_and_fall_with_volatility(self, volatility: list[float]) -> None:
        weights = inverse_volatility_weights(np.array(volatility))
        assert math.fsum(weights) == pytest.approx(1.0)
        assert np.argmax(weights) == np.argmin(volatility) or np.ptp(volatility) < 1e-12


class TestRiskParity:
    INPUTS = pods_of(*(view(f"p{n}", r) for n, r in enumerate(noise(5))))

    @pytest.mark.parametrize("estimate", ["ledoit_wolf", "sample", "ewma", "diagonal"])
    def test_every_pod_contributes_alike(self, estimate: str) -> None:
        answer = ask("risk_parity", self.INPUTS, covariance=estimate)
        known, _, matrix = known_moments(RiskParity(covariance=estimate), self.INPUTS)  # type: ignore[arg-type]
        assert known.all()
        assert risk_shares(matrix, answer.weights) == pytest.approx([0.2] * 5, abs=1e-9)
        assert math.fsum(answer.weights) == pytest.approx(1.0)

    def test_a_diagonal_covariance_is_inverse_volatility(self) -> None:
        found = weights_of("risk_parity", self.INPUTS, covariance="diagonal", lookback_days=60)
        assert found == pytest.approx(weights_of("inverse_volatility", self.INPUTS))

    def test_correlated_pods_share_what_one_would_get(self) -> None:
        twin, other = noise(2, 120)
        inputs = pods_of(view("a", twin), view("b", twin), view("c", other * twin.std() / other.std()))
        a, b, c = weights_of("risk_parity", inputs, covariance="sample")
        assert a == pytest.approx(b)
        assert c > 1.3 * a

    def test_defect_missing_volatility_is_unknown_never_one(self) -> None:
        inputs = pods_of(view("a"), view("b", 3 * WAVE[::-1]), view("c", np.empty(0)))
        answer = ask("risk_parity", inputs)
        assert answer.weights[2] == pytest.approx(1 / 3)
        assert math.fsum(answer.weights) == pytest.approx(1.0)
        assert answer.why["unknown"] == ["c"]

    def test_days_are_matched_by_date_and_a_closed_market_does_not_move(self) -> None:
        """One pod trades every day, one only on weekdays: the same weekday's returns stand side by side."""
        every, days = noise(1, 70)[0], np.arange(70)
        weekdays = days[days % 7 < 5]
        inputs = pods_of(view("a", every, days=days), view("b", every[weekdays], days=weekdays))
        answer = ask("risk_parity", inputs, covariance="sample", lookback_days=70)
        idle = np.where(days % 7 < 5, every, 0.0)
        expected = weights_of(
            "risk_parity", pods_of(view("a", every), view("b", idle)), covariance="sample", lookback_days=70
        )
        assert answer.weights == pytest.approx(expected)


class TestKelly:
    UP = np.array([0.03, -0.01] * 100)
    GOOD = pods_of(view("a", UP), view("b", np.roll(2 * UP, 1)))

    def test_defect_the_fraction_is_kept_as_cash(self) -> None:
        """Full Kelly is far beyond the whole capital here: a quarter of the whole is used, the rest is cash."""
        assert math.fsum(weights_of("kelly", self.GOOD)) == pytest.approx(0.25)
        assert math.fsum(weights_of("kelly", self.GOOD, fraction=0.5)) == pytest.approx(0.5)

    def test_defect_an_explicit_zero_fraction_is_honoured(self) -> None:
        assert weights_of("kelly", self.GOOD, fraction=0) == [0.0, 0.0]
        assert ask("kelly", self.GOOD, mean_shrinkage=0).why["mean_shrinkage"] == 0.0

    def test_without_shrinkage_it_is_the_inverse_covariance_times_the_mean(self) -> None:
        returns = np.column_stack(noise(2, 120)) + 0.01
        direction = np.linalg.solve(np.cov(returns, rowvar=False), returns.mean(axis=0))
        inputs = pods_of(view("a", returns[:, 0], live_days=500), view("b", returns[:, 1], live_days=500))
        found = weights_of("kelly", inputs, mean_shrinkage=0, covariance="sample")
        assert found == pytest.approx(0.25 * direction / direction.sum(), abs=1e-9)

    def test_a_small_edge_is_not_scaled_up(self) -> None:
        """Full Kelly of less than the whole capital stays what it is."""
        tiny = pods_of(view("a", np.array([0.0102, -0.01] * 60)))
        (found,) = weights_of("kelly", tiny, mean_shrinkage=0, ramp_days=0, covariance="sample", fraction=0.01)
        returns = tiny.pods[0].returns
        assert found == pytest.approx(0.01 * min(1.0, returns.mean() / returns.var(ddof=1)))

    def test_young_pods_are_weighed_by_risk_parity(self) -> None:
        young = pods_of(*(view(p.id, p.returns, live_days=45) for p in self.GOOD.pods))
        parity = np.array(weights_of("risk_parity", young))
        old = np.array(weights_of("kelly", self.GOOD))
        assert weights_of("kelly", young) == pytest.approx(0.25 * old + 0.75 * parity)

    def test_without_any_edge_it_is_risk_parity(self) -> None:
        bad = pods_of(view("a", -self.UP), view("b", -np.roll(2 * self.UP, 1)))
        answer = ask("kelly", bad)
        assert answer.weights.tolist() == weights_of("risk_parity", bad)
        assert answer.why["reason"] == "CAPITAL_NO_EDGE"

    def test_a_losing_pod_gets_nothing_and_is_never_short(self) -> None:
        mixed = pods_of(view("a", self.UP), view("b", -np.roll(self.UP, 1)))
        found = weights_of("kelly", mixed, mean_shrinkage=0)
        assert found[0] > 0.0
        assert found[1] == 0.0

    def test_the_optimum_under_the_budget_may_be_chosen(self) -> None:
        found = ask("kelly", self.GOOD, budget="optimal", mean_shrinkage=0)
        assert math.fsum(found.weights) == pytest.approx(0.25)
        proportional = ask("kelly", self.GOOD, mean_shrinkage=0)
        assert found.why["growth"] >= proportional.why["growth"]

    def test_it_says_what_it_saw(self) -> None:
        why = ask("kelly", self.GOOD).why
        assert set(why) >= {"mean", "mean_shrinkage", "growth", "bet_fraction", "parts"}
        assert 0.0 < why["mean_shrinkage"] <= 1.0
        # 100 wins of 3 % against 100 losses of 1 %: p = 0.5 at odds of 3.
        assert why["bet_fraction"]["a"] == pytest.approx(1 / 3)


class TestVolatilityTarget:
    YEAR = float(WAVE.std(ddof=1) * np.sqrt(365))

    def test_the_score_falls_with_the_distance_from_the_target(self) -> None:
        """On target scores 1, three times the target 1/(1+2)."""
        assert weights_of("volatility_target", TWO, target=self.YEAR) == pytest.approx([0.75, 0.25])

    def test_a_pods_own_target_comes_first(self) -> None:
        inputs = pods_of(view("a"), view("b", 3 * WAVE, volatility_target=3 * self.YEAR))
        assert weights_of("volatility_target", inputs, target=self.YEAR) == pytest.approx([0.5, 0.5])

    def test_defect_missing_volatility_is_unknown_never_one(self) -> None:
        inputs = pods_of(view("a"), view("b", 3 * WAVE), view("c", np.zeros(60)))
        fixed = {"name": "fixed_weight", "weights": {"a": 0.2, "b": 0.2, "c": 0.6}}
        found = weights_of("volatility_target", inputs, target=self.YEAR, fallback=fixed)
        assert found == pytest.approx([0.3, 0.1, 0.6])

    def test_without_a_target_the_fallback_decides(self) -> None:
        assert weights_of("volatility_target", TWO, fallback="inverse_volatility") == pytest.approx([0.75, 0.25])


class TestSignalStrength:
    def test_the_score_is_signals_times_one_plus_confidence(self) -> None:
        inputs = pods_of(view("a", signals=1.0, confidence=0.5), view("b", signals=0.5, confidence=0.0))
        assert weights_of("signal_strength", inputs, floor=0) == pytest.approx([0.75, 0.25])

    def test_defect_zero_signals_never_starve_a_pod_for_ever(self) -> None:
        inputs = pods_of(view("a", signals=1.0), view("b"))
        assert weights_of("signal_strength", inputs) == pytest.approx([0.95, 0.05])
        assert weights_of("signal_strength", pods_of(view("a"), view("b"))) == [0.5, 0.5]

    def test_negative_and_broken_counts_are_no_signal(self) -> None:
        inputs = pods_of(view("a", signals=-3.0), view("b", signals=math.nan), view("c", signals=1.0))
        assert weights_of("signal_strength", inputs, floor=0.3) == pytest.approx([0.1, 0.1, 0.8])


class TestMetricWeighted:
    def test_the_score_adds_weighted_metrics(self) -> None:
        inputs = pods_of(view("a", metrics={"win_rate": 0.6}), view("b", metrics={"win_rate": 0.3}))
        rules = {"win_rate": {"weight": 2.0, "scale": 0.5}}
        assert weights_of("metric_weighted", inputs, metrics=rules, default_score=0) == pytest.approx([2 / 3, 1 / 3])

    def test_missing_and_not_finite_take_the_default_and_every_value_is_clamped(self) -> None:
        inputs = pods_of(
            view("a", metrics={"sharpe": 9.0}), view("b", metrics={"sharpe": math.nan}), view("c", metrics={})
        )
        rules = {"sharpe": {"max": 3.0, "default": 1.0}}
        found = weights_of("metric_weighted", inputs, metrics=rules, default_score=1)
        assert found == pytest.approx([0.5, 0.25, 0.25])

    def test_defect_an_explicit_zero_is_honoured(self) -> None:
        inputs = pods_of(view("a", metrics={"sharpe": 1.0}), view("b", metrics={}))
        rules = {"sharpe": {"default": 0.0, "min": 0.0}}
        assert weights_of("metric_weighted", inputs, metrics=rules, default_score=0.5) == pytest.approx([0.75, 0.25])
        nothing = {"sharpe": {"weight": 0.0}}
        assert weights_of("metric_weighted", inputs, metrics=nothing) == pytest.approx([0.5, 0.5])

    def test_scores_that_are_not_positive_are_lifted(self) -> None:
        inputs = pods_of(view("a", metrics={"sharpe": -2.0}), view("b", metrics={"sharpe": 1.0}))
        answer = ask("metric_weighted", inputs, metrics={"sharpe": {}}, default_score=0.5)
        assert answer.weights == pytest.approx([0.5 / 4, 3.5 / 4])
        assert answer.why["lifted"] is True

    def test_without_rules_the_fallback_decides(self) -> None:
        assert weights_of("metric_weighted", TWO, fallback="inverse_volatility") == pytest.approx([0.75, 0.25])


class TestSmoothed:
    def test_the_first_answer_is_raw_and_later_ones_follow(self) -> None:
        memory: dict[str, dict[str, float]] = {}
        first = ask("smoothed", pods_of(view("a"), view("b")), memory, base="inverse_volatility")
        assert first.weights == pytest.approx([0.5, 0.5])
        later = ask("smoothed", TWO, memory, base="inverse_volatility")
        assert later.weights == pytest.approx([0.5 + 0.35 * 0.25, 0.5 - 0.35 * 0.25])

    def test_small_changes_are_not_made(self) -> None:
        memory: dict[str, dict[str, float]] = {}
        settings = {"base": "inverse_volatility", "min_delta": 0.3}
        ask("smoothed", pods_of(view("a"), view("b")), memory, **settings)
        assert ask("smoothed", TWO, memory, **settings).weights == pytest.approx([0.5, 0.5])

    def test_cash_of_the_base_stays_cash(self) -> None:
        memory: dict[str, dict[str, float]] = {}
        inputs = pods_of(view("a"), view("b"))
        for weights in ({"a": 0.2, "b": 0.2}, {"a": 0.4, "b": 0.0}):
            found = ask("smoothed", inputs, memory, base={"name": "fixed_weight", "weights": weights}).weights
            assert math.fsum(found) == pytest.approx(0.4)
        assert found == pytest.approx([0.27, 0.13])

    def test_two_in_one_policy_do_not_share_a_memory(self) -> None:
        memory: dict[str, dict[str, float]] = {}
        one = {"policy": {"name": "smoothed", "base": "inverse_volatility"}}
        other = {"policy": {"name": "smoothed", "base": "equal_weight"}}
        ask("blended", TWO, memory, components=[one, other])
        assert sorted(memory) == ["capital.components.0", "capital.components.1"]


class TestDrawdownGuard:
    @pytest.mark.parametrize(
        ("drawdown", "pressure", "kept"),
        [
            (0.05, 0.0, 1.0),  # below the warning
            (0.15, 0.0, 0.5),  # half way to panic
            (0.20, 0.0, 0.05),  # panic leaves the least
            (0.90, 0.0, 0.05),
            (0.0, 0.20, 0.3),  # pressure 1 x 0.7
            (0.15, 0.04, 0.4),  # 0.5 + 0.5 x 0.2
            (math.nan, 0.0, 0.05),  # an unknown drawdown is the worst
        ],
    )
    def test_the_cut(self, drawdown: float, pressure: float, kept: float) -> None:
        inputs = pods_of(view("a", drawdown=drawdown, pressure=pressure), view("b"))
        assert weights_of("drawdown_guard", inputs, base="equal_weight") == pytest.approx([kept / 2, 0.5])

    def test_defect_an_explicit_zero_is_honoured(self) -> None:
        inputs = pods_of(view("a", drawdown=0.3, pressure=0.3), view("b", pressure=0.2))
        found = weights_of("drawdown_guard", inputs, base="equal_weight", min_weight=0, pressure_weight=0)
        assert found == pytest.approx([0.0, 0.25])

    def test_the_cut_is_in_the_trace(self) -> None:
        why = ask("drawdown_guard", pods_of(view("a", drawdown=0.15), view("b")), base="equal_weight").why
        assert why["cut"] == {"a": pytest.approx(0.5), "b": 0.0}
        assert why["parts"]["base"]["weights"] == {"a": 0.5, "b": 0.5}


class TestRiskProfile:
    def inputs(self, *profiles: str):  # type: ignore[no-untyped-def]
        return pods_of(*(view(f"p{n}", profile=p) for n, p in enumerate(profiles)))

    def weights(self, *profiles: str, **settings: object) -> list[float]:
        budgets = {"profiles": {"balanced": 0.6, "bold": 0.4}, "within_profile": "equal_weight", **settings}
        return weights_of("risk_profile", self.inputs(*profiles), **budgets)

    def test_each_profile_has_its_budget(self) -> None:
        assert self.weights("balanced", "balanced", "bold") == pytest.approx([0.3, 0.3, 0.4])

    def test_unlisted_profiles_share_what_absent_ones_leave(self) -> None:
        assert self.weights("balanced", "calm", "wild") == pytest.approx([0.6, 0.2, 0.2])

    def test_without_unlisted_ones_the_present_share_it(self) -> None:
        assert self.weights("bold", "bold") == pytest.approx([0.5, 0.5])

    def test_the_floor_is_cut_at_one_nth(self) -> None:
        assert self.weights("balanced", "bold", profile_floor=0.9) == pytest.approx([0.5, 0.5])
        assert self.weights("balanced", "bold", profile_floor=0.45) == pytest.approx([0.55, 0.45])
        assert self.weights("balanced", "bold", "calm", profile_floor=0.1) == pytest.approx([0.54, 0.36, 0.1])

    def test_defect_an_explicit_zero_budget_is_honoured(self) -> None:
        found = self.weights("balanced", "bold", profiles={"balanced": 1, "bold": 0}, profile_floor=0.2)
        assert found == [1.0, 0.0]

    def test_the_trace_names_profiles_and_the_floor(self) -> None:
        settings = {"profiles": {"balanced": 9, "bold": 1}, "profile_floor": 0.3}
        why = ask("risk_profile", self.inputs("balanced", "bold"), **settings).why
        assert why["profile_floor_adjustment"] is True
        assert why["profiles"] == {"balanced": pytest.approx(0.7), "bold": pytest.approx(0.3)}


class TestBlended:
    def test_components_are_mixed_by_their_shares(self) -> None:
        parts = [
            {"policy": "inverse_volatility", "weight": 3},
            {"policy": "equal_weight", "weight": 1, "label": "even"},
        ]
        answer = ask("blended", TWO, components=parts)
        assert answer.weights == pytest.approx([0.6875, 0.3125])
        assert set(answer.why["parts"]) == {"0:inverse_volatility", "1:even"}
        assert answer.why["parts"]["1:even"]["mix_weight"] == 1

    def test_normalising_takes_out_the_cash_of_a_component(self) -> None:
        cash = {"policy": {"name": "fixed_weight", "weights": {"a": 0.5}}}
        assert weights_of("blended", TWO, components=[cash]) == [1.0, 0.0]
        assert weights_of("blended", TWO, components=[cash], normalize_components=False) == [0.5, 0.0]

    def test_defect_an_explicit_zero_is_honoured(self) -> None:
        parts = [{"policy": "inverse_volatility", "weight": 0}, {"policy": "equal_weight", "weight": 1}]
        assert weights_of("blended", TWO, components=parts) == [0.5, 0.5]

    def test_without_a_component_that_counts_the_fallback_decides(self) -> None:
        parts = [{"policy": "equal_weight", "weight": 0}]
        found = weights_of("blended", TWO, components=parts, fallback="inverse_volatility")
        assert found == pytest.approx([0.75, 0.25])


class TestTagQuota:
    TAGGED = pods_of(
        view("a", tags=("trend", "mean")), view("b", tags=("other", "mean")), view("c", tags=("mean",)), view("d")
    )

    def test_the_primary_tag_comes_first(self) -> None:
        found = weights_of("tag_quota", self.TAGGED, tags={"trend": 2, "mean": 1}, default_weight=1)
        assert found == pytest.approx([0.5, 0.125, 0.125, 0.25])

    def test_untagged_pods_are_weighed_by_the_fallback(self) -> None:
        inputs = pods_of(view("a", tags=("trend",)), view("b"), view("c", 3 * WAVE))
        found = weights_of("tag_quota", inputs, tags={"trend": 1}, fallback="inverse_volatility")
        assert found == pytest.approx([0.5, 0.375, 0.125])

    def test_defect_an_explicit_zero_default_weight_is_honoured(self) -> None:
        found = weights_of("tag_quota", self.TAGGED, tags={"trend": 1, "mean": 1}, default_weight=0)
        assert found == pytest.approx([0.5, 0.25, 0.25, 0.0])

    def test_without_any_tag_the_fallback_decides(self) -> None:
        found = weights_of("tag_quota", TWO, tags={"trend": 1}, fallback="inverse_volatility")
        assert found == pytest.approx([0.75, 0.25])

    def test_the_trace_counts_members(self) -> None:
        why = ask("tag_quota", self.TAGGED, tags={"trend": 2, "mean": 1}).why
        assert why["tag_members"] == {"(untagged)": 1, "mean": 2, "trend": 1}


def test_policies_nest_to_any_depth_and_the_trace_shows_each() -> None:
    deep = {
        "name": "drawdown_guard",
        "label": "outer",
        "base": {
            "name": "smoothed",
            "base": {"name": "risk_profile", "profiles": {"balanced": 1}, "within_profile": {"name": "composite",
                "components": [{"policy": "kelly"}, {"policy": {"name": "tag_budget", "tags": {"x": 1}}}]}},
        },
    }  # fmt: skip
    answer = ask(deep.pop("name"), TWO, **deep)  # type: ignore[arg-type]
    assert math.fsum(answer.weights) == pytest.approx(1.0)
    profile = answer.why["parts"]["base"]["parts"]["base"]
    assert answer.why["label"] == "outer"
    assert profile["parts"]["balanced"]["policy"] == "blended"
    assert set(profile["parts"]["balanced"]["parts"]) == {"0:kelly", "1:tag_quota"}


def test_covariances_differ_as_they_should() -> None:
    returns = np.column_stack(noise(4, 40)) * [1, 2, 4, 8] + noise(1, 40, seed=9)[0][:, None]
    shrunk, intensity = ledoit_wolf(returns)
    assert 0.0 < intensity < 1.0
    assert np.linalg.cond(shrunk) < np.linalg.cond(covariance(returns, "sample"))
    recent = np.vstack([returns, 5 * returns[:5]])
    assert covariance(recent, "ewma")[0, 0] > covariance(recent, "sample")[0, 0]
    assert np.count_nonzero(covariance(returns, "diagonal")) == 4
