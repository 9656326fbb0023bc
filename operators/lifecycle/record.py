"""A pod's record: everything that its lifecycle is judged by, taken day by day from its own book (spec 5).

Returns before the book's first position tell nothing of the pod and are left out of its ratios; time counts from its
first cycle. The record is kept whole in every snapshot, losing blocks included.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from operators.frames import BEGINNING
from operators.lifecycle.moments import RunningMoments
from operators.lifecycle.page_hinkley import PageHinkleyTest
from operators.pods.metrics import calmar_of, ratio_of
from schemas.configuration.pod_rules import Lifecycle

DAY = 86_400_000_000_000
#: Calendar days in a block of the losing streak.
BLOCK_DAYS = 30
#: A deviation below this is none.
_NO_DEVIATION = 1e-12


@dataclass(slots=True)
class PodRecord:
    """State of one pod.

    Attributes:
        moments: of daily returns since the first position.
        equity, peak, drawdown: compounded from 1.0, its highest value, the deepest fall from it (positive).
        wins, losses: days.
        trades: positions that the book opened.
        recent: [(UTC day, return)] of the last days, for correlation.
        rolling_sharpe: the last rolling_sharpe_30d, NaN where unknown.
        below_since: event time since when that is below its floor; BEGINNING while it is not.
        first_day: UTC day that began the first block, -1 before the first day.
        open_day: UTC day that is not completed yet, -1 before the first.
        block: number of the open 30-day block; block_equity what it came to so far.
        blocks: returns of the completed blocks, oldest first; losing how many at the end were losses.
        calibration: moments of returns by which later ones are standardised.
        detector: Page-Hinkley test on these.
        all_excluded: whether the pod's selector lets no asset take risk.
    """

    moments: RunningMoments = field(default_factory=RunningMoments)
    equity: float = 1.0
    peak: float = 1.0
    drawdown: float = 0.0
    wins: int = 0
    losses: int = 0
    trades: int = 0
    recent: list[tuple[int, float]] = field(default_factory=list)
    rolling_sharpe: float = math.nan
    below_since: int = BEGINNING
    first_day: int = -1
    open_day: int = -1
    block: int = 0
    block_equity: float = 1.0
    blocks: list[float] = field(default_factory=list)
    losing: int = 0
    calibration: RunningMoments = field(default_factory=RunningMoments)
    detector: PageHinkleyTest = field(default_factory=PageHinkleyTest)
    all_excluded: bool = False

    # ------------------------------------------------------------ days
    def take_day(
        self, cycle: int, value: float, trades: int, rolling_sharpe: float, rules: Lifecycle, incubating: bool
    ) -> None:
        """Takes a completed day's return: ``cycle`` is the one that completed it, ``trades`` the count so far."""
        today = (cycle - 1) // DAY
        day = self.open_day if self.open_day >= 0 else today - 1
        self.open_day = today
        self.trades = trades
        self._take_block(day, value)
        if value == 0.0 and self.moments.count == 0:
            return
        self.moments.take(value)
        self.wins += value > 0.0
        self.losses += value < 0.0
        self.equity *= 1.0 + value
        self.peak = max(self.peak, self.equity)
        self.drawdown = max(self.drawdown, 1.0 - self.equity / self.peak)
        self.recent.append((day, value))
        del self.recent[: -rules.correlation_days]
        self._take_rolling(cycle, rolling_sharpe, rules)
        self._detect(value, rules, incubating)

    def _take_block(self, day: int, value: float) -> None:
        """Adds a return to its block of 30 calendar days; blocks that ended before it are closed, empty ones as 0."""
        if self.first_day < 0:
            self.first_day = day
        block = (day - self.first_day) // BLOCK_DAYS
        while self.block < block:
            closed = round(self.block_equity - 1.0, 12)
            self.blocks.append(closed)
            self.losing = self.losing + 1 if closed < 0.0 else 0
            self.block_equity = 1.0
            self.block += 1
        self.block_equity *= 1.0 + value

    def _take_rolling(self, cycle: int, rolling_sharpe: float, rules: Lifecycle) -> None:
        self.rolling_sharpe = rolling_sharpe
        if not rolling_sharpe < rules.floor_sharpe:
            self.below_since = BEGINNING
        elif self.below_since == BEGINNING:
            self.below_since = cycle

    def _detect(self, value: float, rules: Lifecycle, incubating: bool) -> None:
        """Standardises by the pod's own incubation, as far as it is known: a return never judges itself."""
        deviation = self.calibration.deviation()
        if deviation > _NO_DEVIATION and self.calibration.count >= rules.calibration_days:
            rule = rules.page_hinkley
            self.detector.take(value / deviation, rule.delta, rule.threshold)
        if incubating or self.calibration.count < rules.calibration_days:
            self.calibration.take(value)

    # ------------------------------------------------------------ what it comes to
    def sharpe(self, periods_per_year: float) -> float:
        """Annualised Sharpe ratio since the first position; NaN where unknown."""
        return float(ratio_of(self.moments.mean, self.moments.deviation(), periods_per_year))

    def calmar(self, periods_per_year: float) -> float:
        """mean x P / drawdown since the first position; NaN where unknown."""
        if self.moments.count == 0:
            return math.nan
        return float(calmar_of(self.moments.mean, self.drawdown, periods_per_year))

    def win_rate(self) -> float:
        """Winning days of those that won or lost; NaN where there is none."""
        return self.wins / (self.wins + self.losses) if self.wins + self.losses else math.nan

    def snapshot(self) -> dict[str, Any]:
        """The whole record."""
        return asdict(self)

    @staticmethod
    def restored(snapshot: dict[str, Any]) -> PodRecord:
        """The record that :meth:`snapshot` saved."""
        parts = dict(snapshot)
        parts["recent"] = [(int(d), float(r)) for d, r in parts["recent"]]
        parts["blocks"] = list(parts["blocks"])
        for name in ("moments", "calibration"):
            parts[name] = RunningMoments(**parts[name])
        parts["detector"] = PageHinkleyTest(**parts["detector"])
        return PodRecord(**parts)
