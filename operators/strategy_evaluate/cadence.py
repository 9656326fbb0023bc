"""When a schedule acts: at the first bar of each slot of its cadence, with a warning where that comes late (spec 3)."""

from __future__ import annotations

import numpy as np

from operators.frames import BEGINNING, Bool, Int64
from operators.normalize.features.kernel import kernel

#: "Never": so large that no drift exceeds it.
_NEVER = 2**62


class Cadence:
    """The slots of one schedule in one key group, by symbol: event time / ``cadence_ns``, rounded down.

    A bar acts when its slot is later than that of the last bar that did. It was due when that next slot began; what
    lies more than ``max_drift_ns`` between is drift. A symbol's first bar is never late.

    Args:
        symbols: how many.
        cadence_ns: the cadence, or None for every bar.
        max_drift_ns: the most drift without a warning, or None.
        interval_ns: the bars' interval, by which drift is measured without a cadence.
    """

    def __init__(self, symbols: int, cadence_ns: int | None, max_drift_ns: int | None, interval_ns: int) -> None:
        self.slot = np.full(symbols, BEGINNING, np.int64)
        self._every_bar = cadence_ns is None
        self._idle = cadence_ns is None and max_drift_ns is None
        self._length = cadence_ns or interval_ns
        self._most = _NEVER if max_drift_ns is None else max_drift_ns

    def due(self, cycles: Int64, ready: Bool) -> tuple[Bool, Int64]:
        """[C, S] where to act, and [n, 3] row, column and drift in ns of each bar that came too late."""
        if self._idle:
            return ready, np.empty((0, 3), np.int64)
        acting = ready.copy()
        late = np.empty((int(np.count_nonzero(ready)), 3), np.int64)
        n = _due(cycles, acting, self._every_bar, self._length, self._most, self.slot, late)
        acting.flags.writeable = False
        return acting, late[:n]


@kernel
def _due(cycles: Int64, acting: Bool, every_bar: bool, length: int, most: int, slot: Int64, late: Int64) -> int:
    n = 0
    for c in range(len(cycles)):
        now = cycles[c] // length
        for s in range(acting.shape[1]):
            if not acting[c, s]:
                continue
            if now <= slot[s]:
                acting[c, s] = every_bar
                continue
            drift = cycles[c] - (slot[s] + 1) * length if slot[s] > BEGINNING else 0
            if drift > most:
                late[n, 0], late[n, 1], late[n, 2] = c, s, drift
                n += 1
            slot[s] = now
    return n
