"""Moving average convergence/divergence."""

from __future__ import annotations

from operators.bars import BarBlock
from operators.frames import Float64
from operators.normalize.features.computation import Computation, StateArray, empty_like
from operators.normalize.features.ema import ema_state, smooth


class MovingAverageConvergence(Computation):
    """``macd(fast, slow, signal)`` in price units; usually (12, 26, 9).

    ``value`` = ema(fast) - ema(slow), warm after ``slow`` bars; ``signal`` = exponential mean of ``value`` over
    ``signal`` bars; ``histogram`` = value - signal, both warm after slow + signal - 1 bars.
    """

    name = "macd"
    parameter_names = ("fast", "slow", "signal")
    outputs = ("value", "signal", "histogram")

    @classmethod
    def problems(cls, parameters: tuple[float, ...]) -> list[str]:
        """Windows of whole bars, the fast one shorter than the slow one."""
        found = super().problems(parameters)
        if not found and parameters[0] >= parameters[1]:
            found.append(f"fast is {parameters[0]:g}: it must be shorter than slow ({parameters[1]:g})")
        return found

    def initial_state(self, symbols: int) -> dict[str, StateArray]:
        parts = {part: ema_state(symbols) for part in self.parameter_names}
        return {f"{part}_{name}": array for part, state in parts.items() for name, array in state.items()}

    def step(self, bars: BarBlock) -> tuple[Float64, ...]:
        fast = self._smooth(bars, bars.close, 0)
        slow = self._smooth(bars, bars.close, 1)
        value = fast - slow
        signal = self._smooth(bars, value, 2)
        return value, signal, value - signal

    def _smooth(self, bars: BarBlock, values: Float64, part: int) -> Float64:
        out = empty_like(bars)
        name = self.parameter_names[part]
        smooth(
            values, bars.fresh, int(self.parameters[part]), self.state[f"{name}_seen"], self.state[f"{name}_mean"], out
        )
        return out
