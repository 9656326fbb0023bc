"""A bar's own columns as features: ``open``, ``high``, ``low``, ``close``, ``volume``."""

from __future__ import annotations

from operators.bars import BarBlock
from operators.frames import Float64
from operators.normalize.features.computation import Computation, StateArray


class BarField(Computation):
    """The bar's column of this name, unchanged; warm at once."""

    def initial_state(self, symbols: int) -> dict[str, StateArray]:
        return {}

    def step(self, bars: BarBlock) -> tuple[Float64, ...]:
        column: Float64 = getattr(bars, self.name)
        return (column.view(),)


class Open(BarField):
    """``open``: in price units."""

    name = "open"


class High(BarField):
    """``high``: in price units."""

    name = "high"


class Low(BarField):
    """``low``: in price units."""

    name = "low"


class Close(BarField):
    """``close``: in price units."""

    name = "close"


class Volume(BarField):
    """``volume``: in the instrument's units; NaN where the feed has none."""

    name = "volume"
