"""The lifecycle's states and the rules between them (spec 5, "Lifecycle").

One judgement makes at most one transition. Whatever is unknown fails the test that asks for it, but for those that the
specification says to skip: a correlation without other pods, a backtest that was not given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from operators.frames import BEGINNING
from operators.lifecycle.record import DAY, PodRecord
from schemas.configuration.pod_rules import Lifecycle
from schemas.reasons import Reason

INCUBATION, PRODUCTION, WARNING, PROBATION, RETIRED = (
    "INCUBATION", "PRODUCTION", "WARNING", "PROBATION", "RETIRED",
)  # fmt: skip


@dataclass(slots=True, frozen=True)
class Standing:
    """How a pod stands when it is judged: times are days of event time, ratios annualised; NaN is unknown."""

    state: str
    state_days: float
    live_days: float
    sharpe: float
    drawdown: float
    trades: int
    calmar: float
    win_rate: float
    correlation: float
    backtest_gap: float
    rolling_sharpe: float
    below_floor_days: float
    losing_blocks: int
    detector: float
    detector_fired: bool
    all_excluded: bool

    def evidence(self) -> dict[str, Any]:
        """Everything as plain JSON values, unknown and infinite ones as None."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "state"}
        return {n: None if isinstance(v, float) and not math.isfinite(v) else v for n, v in values.items()}


@dataclass(slots=True, frozen=True)
class Verdict:
    """A transition that is due: the next state, why, and the tests that decided it."""

    after: str
    reason: Reason
    tests: dict[str, bool]


def standing(
    record: PodRecord,
    rules: Lifecycle,
    state: str,
    since: int,
    began: int,
    now: int,
    correlation: float,
    periods: float,
) -> Standing:
    """How a pod stands at event time ``now``; ``since`` is when it entered its state, ``began`` its first cycle."""
    sharpe = record.sharpe(periods)
    below = record.below_since
    return Standing(
        state=state,
        state_days=(now - since) / DAY,
        live_days=(now - began) / DAY,
        sharpe=sharpe,
        drawdown=record.drawdown,
        trades=record.trades,
        calmar=record.calmar(periods),
        win_rate=record.win_rate(),
        correlation=correlation,
        backtest_gap=_gap(rules.backtest_sharpe, sharpe),
        rolling_sharpe=record.rolling_sharpe,
        # Time below the floor before the state was entered does not count.
        below_floor_days=0.0 if below == BEGINNING else (now - max(below, since)) / DAY,
        losing_blocks=record.losing,
        detector=record.detector.score,
        detector_fired=record.detector.fired,
        all_excluded=record.all_excluded,
    )


def _gap(backtest: float | None, live: float) -> float:
    """How far the live Sharpe ratio falls short of the backtest's, as a part of that; NaN where either is unknown."""
    return math.nan if backtest is None or backtest == 0.0 else (backtest - live) / abs(backtest)


def judge(pod: Standing, rules: Lifecycle) -> Verdict | None:
    """The transition that is due, if any."""
    if pod.state == RETIRED:
        return None
    # Rounded, so that a fall of exactly the limit is not lost to the noise of compounding.
    if round(pod.drawdown, 9) >= rules.retire_drawdown:
        return Verdict(RETIRED, Reason.LIFECYCLE_DRAWDOWN, {"drawdown": True})
    if pod.losing_blocks >= rules.retire_losing_blocks:
        return Verdict(RETIRED, Reason.LIFECYCLE_LOSING_BLOCKS, {"losing_blocks": True})
    return {INCUBATION: _incubation, PRODUCTION: _production, WARNING: _warning, PROBATION: _probation}[pod.state](
        pod, rules
    )


def promotion_tests(pod: Standing, rules: Lifecycle) -> dict[str, bool]:
    """Every test of incubation that applies, and whether the pod passes it."""
    tests = {
        "live_days": pod.live_days >= rules.min_live_days,
        "sharpe": round(pod.sharpe, 9) >= rules.min_sharpe,
        "drawdown": round(pod.drawdown, 9) <= rules.max_drawdown,
        "trades": pod.trades >= rules.min_trades,
        "calmar": pod.calmar >= rules.min_calmar,
    }
    if not math.isnan(pod.correlation):
        tests["correlation"] = round(pod.correlation, 9) <= rules.max_correlation
    if rules.backtest_sharpe is not None:
        tests["backtest_gap"] = round(pod.backtest_gap, 9) <= rules.max_backtest_gap
    return tests


def is_at_rest(pod: Standing, rules: Lifecycle) -> bool:
    """True when the detector's score is below the part of its threshold that counts as rest."""
    return pod.detector < rules.page_hinkley.rest * rules.page_hinkley.threshold


def _incubation(pod: Standing, rules: Lifecycle) -> Verdict | None:
    tests = promotion_tests(pod, rules)
    if all(tests.values()):
        return Verdict(PRODUCTION, Reason.LIFECYCLE_PROMOTED, tests)
    if pod.state_days >= rules.max_incubation_days:
        return Verdict(RETIRED, Reason.LIFECYCLE_INCUBATION_EXPIRED, tests)
    return None


def _production(pod: Standing, rules: Lifecycle) -> Verdict | None:
    if pod.detector_fired:
        return Verdict(WARNING, Reason.LIFECYCLE_DRIFT, {"detector": True})
    if pod.below_floor_days >= rules.floor_days and pod.rolling_sharpe < rules.floor_sharpe:
        return Verdict(WARNING, Reason.LIFECYCLE_SHARPE_FLOOR, {"rolling_sharpe": True})
    if pod.all_excluded:
        return Verdict(WARNING, Reason.LIFECYCLE_ALL_EXCLUDED, {"all_excluded": True})
    return None


def _warning(pod: Standing, rules: Lifecycle) -> Verdict | None:
    # A pod that may not trade cannot recover, however calm its book.
    if pod.state_days >= rules.min_warning_days and is_at_rest(pod, rules) and not pod.all_excluded:
        return Verdict(PRODUCTION, Reason.LIFECYCLE_RECOVERED, {"detector_at_rest": True})
    if pod.state_days >= rules.max_warning_days:
        return Verdict(PROBATION, Reason.LIFECYCLE_WARNING_EXPIRED, {"detector_at_rest": is_at_rest(pod, rules)})
    return None


def _probation(pod: Standing, rules: Lifecycle) -> Verdict | None:
    tests = {"sharpe": round(pod.sharpe, 9) >= rules.min_sharpe, "detector_at_rest": is_at_rest(pod, rules)}
    if all(tests.values()):
        return Verdict(PRODUCTION, Reason.LIFECYCLE_PROBATION_PASSED, tests)
    if pod.state_days >= rules.max_probation_days:
        return Verdict(RETIRED, Reason.LIFECYCLE_PROBATION_EXPIRED, tests)
    return None
