"""The bars and quotes that a key group hands on to pods whose strategies see all their symbols (``scope: pod``)."""

from __future__ import annotations

import numpy as np

from operators.bars import BarBlock
from operators.frames import CLOSE, HIGH, LOW, OPEN, VOLUME
from operators.normalize.fold import Folded
from operators.plan import Plan


class SharedBars:
    """What one key group shares: its ``shared`` symbols, in the intervals that strategies with ``scope: pod`` use.

    An interval of one cycle needs no bars: where a symbol has none, its quotes and trades of the cycle make one, of the
    cycle's first and last price. So strategies on quotes run on feeds that have nothing else.
    """

    def __init__(self, plan: Plan, group: int) -> None:
        own = plan.groups[group]
        self._columns = own.shared
        symbols = own.symbols[own.shared]
        users = [s for s in plan.schedules if s.strategy.scope == "pod" and np.isin(s.symbols, symbols).any()]
        self._intervals = sorted({s.interval for s in users})
        self._one_cycle = [int(plan.interval_ns[i]) == plan.cycle_ns for i in self._intervals]

    def blocks(self, folded: Folded) -> list[BarBlock]:
        """A block for each interval over the cycles in which any shared symbol has a bar."""
        blocks: list[BarBlock] = []
        for interval, one_cycle in zip(self._intervals, self._one_cycle, strict=True):
            bars = folded.bars[interval][:, :, self._columns]
            if one_cycle:
                _make_up(bars, folded, self._columns)
            fresh = ~np.isnan(bars[CLOSE])
            rows = fresh.any(axis=1)
            if not rows.any():
                continue
            bars, quotes = bars[:, rows], folded.quotes[:, rows][:, :, self._columns]
            columns = (bars[OPEN], bars[HIGH], bars[LOW], bars[CLOSE], bars[VOLUME])
            blocks.append(BarBlock(interval, folded.cycles[rows], *columns, fresh[rows], *quotes))
        return blocks


def _make_up(bars: np.ndarray, folded: Folded, columns: np.ndarray) -> None:
    """Fills in place, where there is no bar, one of the cycle's first and last price."""
    opened, closed = folded.open[:, columns], folded.close[:, columns]
    lacking = np.isnan(bars[CLOSE]) & folded.fresh[:, columns]
    made = (opened, np.maximum(opened, closed), np.minimum(opened, closed), closed, folded.volume[:, columns])
    for row, values in zip((OPEN, HIGH, LOW, CLOSE, VOLUME), made, strict=True):
        bars[row][lacking] = values[lacking]
