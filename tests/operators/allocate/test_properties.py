"""What holds for every policy and for the steps after it, whatever the pods look like (spec 6)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.allocate.box_simplex import proportional_box
from operators.allocate.clamps import INCUBATION, PROBATION, PRODUCTION, RETIRED, WARNING, bound, clamp_all
from operators.allocate.covariance import covariance
from operators.allocate.policies.evaluate import POLICIES, weigh
from operators.allocate.policies.inputs import PodView, PolicyInputs
from operators.allocate.risk_budget import equal_risk, risk_shares
from operators.allocate.turnover import limit_turnover, turnover
from operators.frames import Float64
from schemas.configuration.capital import parse_policy
from schemas.configuration.capital_limits import CapitalLimits
from tests.operators.allocate.pods import EVERY_POLICY, WAVE, document, noise, pods_of, view

STATES = (None, INCUBATION, PRODUCTION, WARNING, PROBATION, RETIRED)
PROFILES, TAGS = ("balanced", "bold", "calm"), ((), ("trend",), ("mean", "trend"))


def assorted(returns: list[Float64]) -> PolicyInputs:
    """Pods that differ in everything."""
    return pods_of(
        *(
            view(
                f"p{n}",
                r,
                signals=float(n % 3),
                confidence=0.2 * (n % 5),
                drawdown=0.03 * (n % 9),
                pressure=0.02 * (n % 4),
                profile=PROFILES[n % 3],
                tags=TAGS[n % 3],
                metrics={"sharpe": float(n % 4) - 1.0} if n % 5 else {},
            )
            for n, r in enumerate(returns)
        )
    )


AWKWARD = {
    "one pod": [noise(1)[0]],
    "two equal pods": [WAVE, WAVE],
    "perfectly correlated": [WAVE, 2 * WAVE, -WAVE],
    "no variance": [np.zeros(60), np.full(60, 0.01)],
    "no history": [np.empty(0), np.empty(0), WAVE],
    "nan": [np.array([math.nan] * 60), WAVE],
    "infinite": [np.array([math.inf] * 60), WAVE, 3 * WAVE],
    "one huge, one tiny": [1e-9 * WAVE, 1e3 * WAVE],
    "all lost": [np.array([-1.0] * 30), WAVE],
    "more pods than days": noise(40, 20),
    "500 pods": noise(500, 60),
}


@pytest.mark.parametrize("case", AWKWARD)
@pytest.mark.parametrize("name", sorted(POLICIES))
def test_weights_are_weights_whatever_the_pods(name: str, case: str) -> None:
    inputs = assorted(AWKWARD[case])
    weights = weigh(parse_policy(document(name)), inputs, {}).weights
    assert len(weights) == len(inputs.pods)
    assert np.isfinite(weights).all()
    assert (weights >= 0.0).all()
    assert math.fsum(weights) <= 1.0 + 1e-9


def test_every_policy_is_tried_here() -> None:
    assert set(EVERY_POLICY) == set(POLICIES)


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_a_policy_does_not_depend_on_the_order_of_pods(name: str) -> None:
    inputs = assorted([*noise(6, 90), np.empty(0), WAVE])
    order = [5, 0, 7, 3, 1, 6, 2, 4]
    straight = weigh(parse_policy(document(name)), inputs, {})
    turned = weigh(parse_policy(document(name)), inputs.take(order), {})
    assert turned.weights == pytest.approx(straight.weights[order], abs=1e-9)


@pytest.mark.parametrize("name", sorted(set(POLICIES) - {"fixed_weight", "kelly"}))
def test_no_pod_starves_for_ever(name: str) -> None:
    """A pod that lost its way gets something: without capital it could never show that it found it again. (Kelly and
    fixed weights give nothing on purpose.)"""
    returns = noise(4, 90)
    lost = view("lost", returns[0] - 0.05, drawdown=0.9, pressure=0.9, profile="calm", metrics={"sharpe": -9.0})
    others = [view(f"p{n}", r, signals=2.0, confidence=1.0, tags=("trend",)) for n, r in enumerate(returns[1:])]
    weights = weigh(parse_policy(document(name)), pods_of(*others, lost), {}).weights
    assert weights[-1] > 1e-4


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_equal_risk_is_equal(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    matrix = covariance(random.normal(size=(60, count)) @ np.diag(10.0 ** random.uniform(-4, 1, count)), "ledoit_wolf")
    weights = equal_risk(matrix)
    assert (weights > 0.0).all()
    assert math.fsum(weights) == pytest.approx(1.0)
    assert risk_shares(matrix, weights) == pytest.approx(np.full(count, 1 / count), abs=1e-9)


def test_equal_risk_of_perfectly_correlated_assets_is_inverse_volatility() -> None:
    deviation = np.linspace(0.01, 0.1, 20)
    assert equal_risk(np.outer(deviation, deviation)) == pytest.approx((1 / deviation) / (1 / deviation).sum())


@st.composite
def boxes(draw: st.DrawFn) -> tuple[Float64, Float64, Float64, float]:
    count = draw(st.integers(1, 12))
    unit = st.floats(0.0, 1.0)
    v = np.array(draw(st.lists(unit, min_size=count, max_size=count)))
    one, other = (np.array(draw(st.lists(unit, min_size=count, max_size=count))) for _ in range(2))
    lo, hi = np.minimum(one, other), np.maximum(one, other)
    part = draw(unit)
    return v, lo, hi, math.fsum(lo) + part * (math.fsum(hi) - math.fsum(lo))


@given(boxes())
def test_a_box_keeps_bounds_sum_and_ratios(case: tuple[Float64, Float64, Float64, float]) -> None:
    v, lo, hi, total = case
    found = proportional_box(v, lo, hi, total)
    assert (found >= lo).all()
    assert (found <= hi).all()
    reachable = math.fsum(np.where(v > 0.0, hi, lo))
    assert math.fsum(found) == pytest.approx(min(total, reachable), abs=1e-9)
    free = (found > lo + 1e-9) & (found < hi - 1e-9) & (v > 1e-9)
    assert np.ptp(found[free] / v[free]) <= 1e-6 * np.max(found[free] / v[free]) if free.any() else True


@st.composite
def allocations(draw: st.DrawFn) -> tuple[Float64, Float64, list[str | None], CapitalLimits]:
    """Weights before, wanted weights, states and limits of some pods."""
    count = draw(st.integers(1, 12))
    parts = st.lists(st.floats(0.0, 1.0), min_size=count, max_size=count)
    before, wanted = (np.array(draw(parts)) for _ in range(2))
    states = draw(st.lists(st.sampled_from(STATES), min_size=count, max_size=count))
    limits = CapitalLimits.model_validate(
        {"bounds": {"min": draw(st.floats(0.0, 1.0 / count)), "max": draw(st.floats(1.0 / count, 1.0))}}
    )
    return before / max(1.0, before.sum()), wanted / max(1.0, wanted.sum()), states, limits


@given(allocations())
def test_clamps_and_bounds_keep_their_promises(
    case: tuple[Float64, Float64, list[str | None], CapitalLimits],
) -> None:
    _, wanted, states, limits = case
    pods = [f"p{n}" for n in range(len(wanted))]
    clamped, least, most = clamp_all(states, pods, wanted, limits)
    found = bound(clamped, least, most)
    assert math.fsum(found) <= 1.0 + 1e-9
    assert (found <= most + 1e-9).all()
    floors = least / max(1.0, math.fsum(least))
    reachable = clamped > 0.0
    assert (found[reachable] >= floors[reachable] - 1e-9).all()
    for weight, state in zip(found.tolist(), states, strict=True):
        if state == RETIRED:
            assert weight == 0.0
        if state == INCUBATION:
            assert weight <= limits.lifecycle.incubation_max + 1e-9
        if state == PROBATION:
            assert weight <= limits.lifecycle.probation_max + 1e-9
        if state == PRODUCTION:
            assert weight <= limits.lifecycle.production_max + 1e-9


@given(allocations(), st.floats(0.01, 0.5), st.floats(0.01, 1.0))
def test_turnover_stays_within_its_limits(
    case: tuple[Float64, Float64, list[str | None], CapitalLimits], per_pod: float, total: float
) -> None:
    before, wanted, states, _ = case
    retired = np.array([state == RETIRED for state in states])
    found = limit_turnover(before, np.where(retired, 0.0, wanted), per_pod, total, retired)
    assert (found[retired] == 0.0).all(), "a retirement goes all the way"
    moved = np.abs(found - before)[~retired]
    assert (moved <= per_pod + 1e-12).all()
    assert 0.5 * math.fsum(moved) <= total + 1e-12
    assert math.fsum(found) <= max(math.fsum(before), math.fsum(np.where(retired, 0.0, wanted))) + 1e-12
    assert (found >= -1e-12).all()
    assert ((found - before) * (wanted - before) >= -1e-12)[~retired].all(), "no pod moves the wrong way"


def test_turnover_counts_half_of_all_moves() -> None:
    assert turnover(np.array([0.5, 0.5]), np.array([1.0, 0.0])) == 0.5


@given(st.lists(st.floats(-0.2, 0.2), min_size=0, max_size=60), st.sampled_from(sorted(POLICIES)))
@settings(max_examples=80, deadline=None)
def test_any_history_will_do(values: list[float], name: str) -> None:
    pods: tuple[PodView, ...] = (view("p0", np.array(values)), view("p1"), view("p2", np.array(values[::-1])))
    weights = weigh(parse_policy(document(name)), pods_of(*pods), {}).weights
    assert math.fsum(weights) <= 1.0 + 1e-9
