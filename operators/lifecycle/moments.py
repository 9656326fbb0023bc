"""Running mean and standard deviation (Welford 1962)."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(slots=True)
class RunningMoments:
    """Mean and sum of squared deviations of what was taken, one value at a time."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def take(self, value: float) -> None:
        """Takes one value."""
        self.count += 1
        before = value - self.mean
        self.mean += before / self.count
        self.squares += before * (value - self.mean)

    def deviation(self) -> float:
        """Standard deviation (ddof 1); NaN with fewer than two values."""
        return math.sqrt(self.squares / (self.count - 1)) if self.count > 1 else math.nan
