"""How many standard deviations the close lies from its mean."""

from __future__ import annotations

from operators.bars import BarBlock
from operators.frames import Float64
from operators.normalize.features.computation import Computation, StateArray, window_problem
from operators.normalize.features.kernel import kernel
from operators.normalize.features.moments import moments_state, rolling_moments


class ZScore(Computation):
    """``zscore(n)``: (close - mean) / standard deviation (ddof 1) of the last n closes, the current one included.

    0 where the n closes are all the same: the price is at its mean. Warm after n bars.
    """

    name = "zscore"
    parameter_names = ("n",)

    @classmethod
    def problems(cls, parameters: tuple[float, ...]) -> list[str]:
        """A window of at least 2 bars."""
        problem = window_problem("n", parameters[0], least=2)
        return [problem] if problem else []

    def initial_state(self, symbols: int) -> dict[str, StateArray]:
        return moments_state(symbols, int(self.parameters[0]))

    def step(self, bars: BarBlock) -> tuple[Float64, ...]:
        mean, deviation = rolling_moments(bars.close, bars.fresh, self.state)
        _score(bars.close, mean, deviation)
        return (mean,)


@kernel
def _score(close: Float64, mean: Float64, deviation: Float64) -> None:
    for c in range(close.shape[0]):
        for s in range(close.shape[1]):
            mean[c, s] = 0.0 if deviation[c, s] == 0.0 else (close[c, s] - mean[c, s]) / deviation[c, s]
