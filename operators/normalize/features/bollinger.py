"""Bollinger bands."""

from __future__ import annotations

from math import isfinite

from operators.bars import BarBlock
from operators.frames import Float64
from operators.normalize.features.computation import Computation, StateArray, window_problem
from operators.normalize.features.moments import moments_state, rolling_moments


class BollingerBands(Computation):
    """``bollinger(n, width)`` in price units; usually (20, 2).

    ``middle`` is the mean of the last n closes, ``upper`` and ``lower`` lie ``width`` standard deviations (ddof 1, as
    everywhere in Weir) from it. Warm after n bars.
    """

    name = "bollinger"
    parameter_names = ("n", "width")
    outputs = ("upper", "middle", "lower")

    @classmethod
    def problems(cls, parameters: tuple[float, ...]) -> list[str]:
        """A window of at least 2 bars and a positive width."""
        n, width = parameters
        found = [p for p in (window_problem("n", n, least=2),) if p]
        if not (isfinite(width) and width > 0):
            found.append(f"width is {width:g}: give a positive number of standard deviations")
        return found

    def initial_state(self, symbols: int) -> dict[str, StateArray]:
        return moments_state(symbols, int(self.parameters[0]))

    def step(self, bars: BarBlock) -> tuple[Float64, ...]:
        mean, deviation = rolling_moments(bars.close, bars.fresh, self.state)
        deviation *= self.parameters[1]
        return mean + deviation, mean, mean - deviation
