"""Realised volatility of simple returns."""

from __future__ import annotations

import numpy as np

from operators.bars import BarBlock
from operators.frames import Bool, Float64
from operators.normalize.features.computation import Computation, StateArray, empty_like, numbers, window_problem
from operators.normalize.features.kernel import kernel
from operators.normalize.features.moments import moments_state, rolling_moments


class RealisedVolatility(Computation):
    """``realised_volatility(n)``: standard deviation (ddof 1) of the last n simple returns, per bar, not annualised.

    Warm after n+1 bars.
    """

    name = "realised_volatility"
    parameter_names = ("n",)

    @classmethod
    def problems(cls, parameters: tuple[float, ...]) -> list[str]:
        """A window of at least 2 returns."""
        problem = window_problem("n", parameters[0], least=2)
        return [problem] if problem else []

    def initial_state(self, symbols: int) -> dict[str, StateArray]:
        return {"close": numbers(symbols), **moments_state(symbols, int(self.parameters[0]))}

    def step(self, bars: BarBlock) -> tuple[Float64, ...]:
        returns = empty_like(bars)
        simple_returns(bars.close, bars.fresh, self.state["close"], returns)
        return (rolling_moments(returns, bars.fresh, self.state)[1],)


@kernel
def simple_returns(close: Float64, fresh: Bool, last: Float64, out: Float64) -> None:
    """close / last close - 1 at each fresh bar, NaN elsewhere and at the first; ``last`` is 0 before it."""
    for c in range(close.shape[0]):
        for s in range(close.shape[1]):
            x = close[c, s]
            out[c, s] = np.nan
            if not fresh[c, s] or x != x:
                continue
            if last[s] != 0.0:
                out[c, s] = x / last[s] - 1.0
            last[s] = x
