"""Standing targets of a pod's schedules (spec 3, 4): what each asked for last, and what netting obeys."""

from __future__ import annotations

import numpy as np

from operators.frames import Bool, Float64
from operators.pods.block import Standing


def new_standing(symbols: int, schedules: int) -> Standing:
    """Standing targets of S symbols and K schedules that want nothing."""

    def table() -> Float64:
        return np.zeros((symbols, schedules))

    def flags(n: int) -> Bool:
        return np.zeros(n, np.bool_)

    return Standing(
        table(), table(), table(), table(), np.zeros((symbols, schedules), np.bool_), flags(symbols),
        np.zeros(symbols), np.zeros(symbols), flags(symbols),
    )  # fmt: skip


def resume(standing: Standing, place: int, row: int) -> bool:
    """A schedule takes part again: it takes over its hypothetical target where that reduces (spec 3), a suppressed
    entry waits for the next change. True when its standing target changed."""
    asked, confidence = standing.asked[place, row], standing.confidence[place, row]
    obeyed = standing.obeyed[place, row] * standing.obeyed_confidence[place, row]
    wanted = asked * confidence
    flips = wanted * obeyed < 0.0
    if not flips and abs(wanted) >= abs(obeyed):
        return False
    standing.obeyed[place, row] = 0.0 if flips else asked
    standing.obeyed_confidence[place, row] = confidence
    return True
