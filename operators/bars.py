"""Closed bars as columns: what features and strategies see."""

from __future__ import annotations

from dataclasses import dataclass

from operators.frames import Bool, Float64, Int64


@dataclass(slots=True, frozen=True)
class BarBlock:
    """Final bars of one interval in one key group, rows are the cycles in which any symbol has a bar.

    Attributes:
        interval: index of the interval in the plan.
        cycles: [C] cycle borders in ns, ascending.
        open, high, low, close: [C, S] prices, NaN where a symbol has no bar.
        volume: [C, S] volume, NaN where absent.
        fresh: [C, S] True where the symbol has a bar of this cycle.
        bid, ask, bid_size, ask_size: [C, S] last quote of the cycle, NaN where there is none.
    """

    interval: int
    cycles: Int64
    open: Float64
    high: Float64
    low: Float64
    close: Float64
    volume: Float64
    fresh: Bool
    bid: Float64
    ask: Float64
    bid_size: Float64
    ask_size: Float64

    def __len__(self) -> int:
        return len(self.cycles)
