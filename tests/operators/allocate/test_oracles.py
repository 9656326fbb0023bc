"""Agreement with other people's code: skfolio, scikit-learn, PyPortfolioOpt, empyrical-reloaded (extra ``oracles``).

They are no dependency of Weir, not even of its tests: where they are not installed these tests are skipped, and the
published vectors stand alone.
"""

from __future__ import annotations

import numpy as np
import pytest

from operators.allocate.covariance import covariance, ledoit_wolf, sample_covariance
from operators.allocate.kelly_criterion import growth, long_only_fractions
from operators.allocate.performance import calmar, max_drawdown, sharpe, volatility
from operators.allocate.risk_budget import equal_risk, risk_shares
from operators.frames import Float64


def returns_of(count: int = 8, days: int = 250, seed: int = 11) -> Float64:
    random = np.random.default_rng(seed)
    common = random.normal(0.0004, 0.01, (days, 1))
    return random.normal(0.0004, 0.01, (days, count)) * np.linspace(0.5, 2.0, count) + common


def test_ledoit_wolf_is_that_of_scikit_learn() -> None:
    estimators = pytest.importorskip("sklearn.covariance")
    for days in (30, 250):
        returns = returns_of(days=days)
        theirs = estimators.LedoitWolf().fit(returns)
        ours, intensity = ledoit_wolf(returns)
        assert intensity == pytest.approx(theirs.shrinkage_, rel=1e-9)
        assert ours == pytest.approx(theirs.covariance_, rel=1e-9)


def test_ledoit_wolf_is_that_of_pyportfolioopt() -> None:
    models = pytest.importorskip("pypfopt.risk_models")
    frames = pytest.importorskip("pandas")
    returns = returns_of()
    theirs = models.CovarianceShrinkage(frames.DataFrame(returns), returns_data=True, frequency=1).ledoit_wolf()
    assert ledoit_wolf(returns)[0] == pytest.approx(theirs.to_numpy(), rel=1e-6)


@pytest.mark.parametrize("count", [3, 8, 40])
def test_equal_risk_is_that_of_skfolio(count: int) -> None:
    optimization = pytest.importorskip("skfolio.optimization")
    prior = pytest.importorskip("skfolio.prior")
    moments = pytest.importorskip("skfolio.moments")
    returns = returns_of(count)
    estimator = prior.EmpiricalPrior(covariance_estimator=moments.LedoitWolf())
    theirs = optimization.RiskBudgeting(prior_estimator=estimator).fit(returns).weights_
    matrix = covariance(returns, "ledoit_wolf")
    ours = equal_risk(matrix)
    assert ours == pytest.approx(theirs, abs=2e-4)
    even = np.full(count, 1 / count)
    assert np.abs(risk_shares(matrix, ours) - even).max() <= np.abs(risk_shares(matrix, theirs) - even).max() + 1e-12


def test_kelly_is_that_of_a_quadratic_programme() -> None:
    cvxpy = pytest.importorskip("cvxpy")
    returns = returns_of(6)
    means, matrix = returns.mean(axis=0), sample_covariance(returns)
    fractions = cvxpy.Variable(6)
    aim = cvxpy.Maximize(means @ fractions - 0.5 * cvxpy.quad_form(fractions, cvxpy.psd_wrap(matrix)))
    for total in (1.0, 3.0):
        cvxpy.Problem(aim, [fractions >= 0, fractions <= 1, cvxpy.sum(fractions) <= total]).solve(solver="CLARABEL")
        ours = long_only_fractions(means, matrix, 1.0, total)
        assert ours.sum() <= total + 1e-12
        assert ours == pytest.approx(fractions.value, abs=1e-4)
        assert growth(ours, means, matrix) >= growth(np.array(fractions.value), means, matrix) - 1e-9


def test_figures_are_those_of_empyrical() -> None:
    empyrical = pytest.importorskip("empyrical")
    for column in returns_of(5).T:
        assert sharpe(column, 252) == pytest.approx(empyrical.sharpe_ratio(column), rel=1e-9)
        assert max_drawdown(column) == pytest.approx(-empyrical.max_drawdown(column), rel=1e-9)
        assert volatility(column, 252) == pytest.approx(empyrical.annual_volatility(column), rel=1e-9)
        # Theirs compounds the year, ours takes the arithmetic mean: the sign and the order of size agree.
        assert calmar(column, 252) == pytest.approx(empyrical.calmar_ratio(column), rel=0.5)
