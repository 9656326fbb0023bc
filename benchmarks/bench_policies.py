"""``python -m benchmarks.bench_policies``: capital policies, and equal risk beside SLSQP and, where installed, skfolio.

Milliseconds of CPU for one answer, the median of several; the last line is one JSON object. Budgets: equal risk
contributions of 200 assets below 20 ms, every other policy below 1 ms for 50 pods.
"""

from __future__ import annotations

from flows.process.pinning import pin_numerics

pin_numerics()

import json  # noqa: E402  # numerics are pinned before anything loads numpy
import statistics  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
from scipy.optimize import minimize  # noqa: E402

from operators.allocate.covariance import covariance  # noqa: E402
from operators.allocate.policies.evaluate import weigh  # noqa: E402
from operators.allocate.policies.inputs import PodView, PolicyInputs  # noqa: E402
from operators.allocate.risk_budget import equal_risk, risk_shares  # noqa: E402
from operators.frames import Float64  # noqa: E402
from schemas.configuration.capital import POD_METRICS, parse_policy  # noqa: E402

ASSETS, PODS, DAYS = 200, 50, 120
#: Policies on their own: what they wrap would be counted twice.
POLICIES: dict[str, dict[str, Any]] = {
    "equal_weight": {},
    "fixed_weight": {"weights": {"p0": 0.5, "p1": 0.25}},
    "inverse_volatility": {},
    "risk_parity": {},
    "kelly": {},
    "volatility_target": {"target": 0.2},
    "signal_strength": {},
    "metric_weighted": {"metrics": {"sharpe": {"weight": 1.5}, "win_rate": {"weight": 0.5}}},
    "smoothed": {"base": "equal_weight"},
    "drawdown_guard": {"base": "equal_weight"},
    "risk_profile": {"profiles": {"balanced": 2, "bold": 1}, "within_profile": "equal_weight"},
    "blended": {"components": [{"policy": "equal_weight"}, {"policy": "signal_strength"}]},
    "tag_quota": {"tags": {"trend": 2, "mean": 1}},
}


def correlated_returns(count: int, days: int, seed: int = 7) -> Float64:
    """[T, n] daily returns with one common factor."""
    random = np.random.default_rng(seed)
    deviation = random.uniform(0.005, 0.04, count)
    common = random.normal(0.0003, 0.01, days)
    own = random.normal(0.0005, 1.0, (days, count)) * deviation
    return own + common[:, None] * random.uniform(0.3, 1.2, count)


def median_ms(job: Callable[[], object], repeats: int = 15) -> float:
    """Median CPU time of ``job`` after one run that is not counted."""
    job()
    seconds = []
    for _ in range(repeats):
        begin = time.process_time()
        job()
        seconds.append(time.process_time() - begin)
    return 1e3 * statistics.median(seconds)


def slsqp(matrix: Float64) -> Float64:
    """Equal risk by SLSQP on the spread of risk contributions, as it is often done."""
    count = len(matrix)

    def spread(weights: Float64) -> float:
        return float(((risk_shares(matrix, weights) - 1.0 / count) ** 2).sum() * 1e4)

    found = minimize(
        spread,
        np.full(count, 1.0 / count),
        method="SLSQP",
        bounds=[(1e-6, 1.0)] * count,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1.0},
        options={"maxiter": 20, "ftol": 1e-10},
    )
    weights: Float64 = found.x
    return weights


def bench_equal_risk(report: dict[str, Any]) -> None:
    """Equal risk contributions of 200 assets, in several ways."""
    returns = correlated_returns(ASSETS, 2 * ASSETS)
    matrix = covariance(returns, "ledoit_wolf")
    even = 1.0 / ASSETS

    def line(name: str, job: Callable[[], Float64], repeats: int) -> None:
        report[f"erc_{name}_ms"] = round(median_ms(job, repeats), 3)
        error = float(np.abs(risk_shares(matrix, job()) - even).max() / even)
        print(f"equal risk, {ASSETS} assets, {name:9} {report[f'erc_{name}_ms']:10.3f} ms   largest error {error:.1e}")

    line("weir", lambda: equal_risk(matrix), 15)
    line("slsqp", lambda: slsqp(matrix), 1)
    try:
        from skfolio.moments import LedoitWolf
        from skfolio.optimization import RiskBudgeting
        from skfolio.prior import EmpiricalPrior
    except ImportError:
        report["erc_skfolio_ms"] = None
        print("skfolio is not installed: pip install -e .[oracles]")
        return
    model = RiskBudgeting(prior_estimator=EmpiricalPrior(covariance_estimator=LedoitWolf()))
    line("skfolio", lambda: np.asarray(model.fit(returns).weights_), 3)


def pods() -> PolicyInputs:
    """Fifty pods with everything that a policy may look at."""
    returns = correlated_returns(PODS, DAYS)
    profiles, tags = ("balanced", "bold"), ((), ("trend",), ("mean",))
    metrics = dict.fromkeys(POD_METRICS, 0.5)
    return PolicyInputs(
        tuple(
            PodView(
                id=f"p{n}", returns=returns[:, n], days=np.arange(DAYS), metrics=metrics, signals=float(n % 4),
                confidence=0.5, live_days=DAYS, profile=profiles[n % 2], tags=tags[n % 3],
            )
            for n in range(PODS)
        )
    )  # fmt: skip


def bench_policies(report: dict[str, Any]) -> None:
    """One answer of each policy for 50 pods."""
    inputs = pods()
    for name, settings in POLICIES.items():
        policy = parse_policy({"name": name, **settings})
        report[f"{name}_ms"] = round(median_ms(lambda p=policy: weigh(p, inputs, {})), 3)  # type: ignore[misc]
        print(f"{name:20} {PODS} pods {report[f'{name}_ms']:10.3f} ms")


def main() -> None:
    """Runs everything and prints it."""
    report: dict[str, Any] = {}
    bench_equal_risk(report)
    bench_policies(report)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
