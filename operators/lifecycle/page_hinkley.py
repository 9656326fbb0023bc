"""The Page-Hinkley test for a fall of the mean (Page 1954, Hinkley 1971), in its one-sided recursive form.

    score_t = max(0, score_{t-1} + mean_t - x_t - delta),   mean_t over every observation so far

It fires when the score exceeds its threshold. Both are in the unit of x: on raw daily returns of a percent a threshold
of 50 could never be reached, so x must be standardised.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class PageHinkleyTest:
    """State of the test; ``fired`` stays True until it is cleared."""

    count: int = 0
    mean: float = 0.0
    score: float = 0.0
    fired: bool = False

    def take(self, value: float, delta: float, threshold: float) -> None:
        """Takes one standardised observation."""
        self.count += 1
        self.mean += (value - self.mean) / self.count
        self.score = max(0.0, self.score + self.mean - value - delta)
        self.fired = self.fired or self.score > threshold
