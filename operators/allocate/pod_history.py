"""What the portfolio remembers of a pod's own book, and the view of it that policies get (spec 5, 6)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from operators.allocate.performance import calmar, max_drawdown, sharpe, sharpe_error, volatility, win_rate
from operators.allocate.policies.inputs import PodView
from operators.frames import Float64, Int64
from schemas.configuration.capital import MOST_DAYS, Traded
from schemas.configuration.portfolio import Pod

#: Days of the rolling metrics.
ROLLING_DAYS = 30
DAY = 86_400_000_000_000


class PodHistory:
    """Daily returns of one pod from its first position on, the last MOST_DAYS kept; peak and depth of its equity over
    its whole life; its standing signals."""

    def __init__(self, pod: Pod, traded: list[Traded]) -> None:
        self.pod = pod
        self._traded = tuple(traded)
        tags = [*pod.tags, *(tag for s in pod.schedules if s.enabled for tag in s.tags)]
        self._tags = tuple(dict.fromkeys(tags))
        self.returns: list[float] = []
        self.days: list[int] = []
        self.live_days = 0
        self._level = self._peak = 1.0
        self._deepest = 0.0

    def note(self, cycles: Int64, returns: Float64) -> None:
        """Completed daily returns in order, each with the cycle that completed its day. Days before the first position
        tell nothing."""
        if not self.live_days:
            begun = np.flatnonzero(returns)
            first = int(begun[0]) if len(begun) else len(returns)
            cycles, returns = cycles[first:], returns[first:]
        self.returns += returns.tolist()
        self.days += ((cycles - 1) // DAY).tolist()
        self.live_days += len(returns)
        for value in returns.tolist():
            self._level *= 1.0 + value
            self._peak = max(self._peak, self._level)
            self._deepest = max(self._deepest, 1.0 - self._level / self._peak)
        del self.returns[:-MOST_DAYS], self.days[:-MOST_DAYS]

    def view(self, equity: float, signals: float, confidence: float, periods: float, with_metrics: bool) -> PodView:
        """The pod as a policy sees it; ``equity`` is its book's now. Metrics cost time, and few policies read them."""
        returns = np.array(self.returns)
        peak = max(self._peak, equity)
        drawdown = 1.0 - equity / peak if peak > 0.0 else 1.0
        pressure = max_drawdown(returns[-ROLLING_DAYS:])
        metrics: dict[str, float] = {}
        if with_metrics:
            metrics = self._metrics(returns, equity, drawdown, pressure, periods)
            metrics |= {"signals": signals, "avg_confidence": confidence}
        return PodView(
            id=self.pod.id,
            returns=returns,
            days=np.array(self.days, np.int64),
            metrics=metrics,
            signals=signals,
            confidence=confidence,
            drawdown=drawdown,
            pressure=pressure,
            live_days=self.live_days,
            volatility_target=self.pod.volatility_target,
            profile=self._traded[0].profile if self._traded else "balanced",
            tags=self._tags,
            traded=self._traded,
        )

    def _metrics(
        self, returns: Float64, equity: float, drawdown: float, pressure: float, periods: float
    ) -> dict[str, float]:
        realised = volatility(returns, periods)
        target = self.pod.volatility_target
        known = {
            "drawdown_pct": 100.0 * drawdown,
            "equity": equity,
            "live_days": float(self.live_days),
            "max_drawdown_pct": 100.0 * max(self._deepest, drawdown),
            "rolling_drawdown_30d": pressure,
            "total_return": equity - 1.0,
            "realized_volatility": realised,
            "realized_vs_target_vol_pct": None if realised is None or target is None else 100.0 * realised / target,
        }
        if len(returns):
            known |= {
                "calmar": calmar(returns, periods),
                "mean_return": math.fsum(returns) / len(returns),
                "rolling_sharpe_30d": sharpe(returns[-ROLLING_DAYS:], periods),
                "sharpe": sharpe(returns, periods),
                "sharpe_t_stat": _t_stat(returns),
                "win_rate": win_rate(returns),
            }
        return {name: value for name, value in known.items() if value is not None}

    def snapshot(self) -> dict[str, Any]:
        """Everything that :meth:`view` depends on."""
        return {
            "returns": list(self.returns),
            "days": list(self.days),
            "live_days": self.live_days,
            "equity": (self._level, self._peak, self._deepest),
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Goes on from a snapshot."""
        self.returns, self.days = list(snapshot["returns"]), list(snapshot["days"])
        self.live_days = snapshot["live_days"]
        self._level, self._peak, self._deepest = snapshot["equity"]


def _t_stat(returns: Float64) -> float | None:
    ratio = sharpe(returns, 1.0)
    return None if ratio is None else ratio / sharpe_error(ratio, len(returns))
