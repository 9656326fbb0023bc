"""Delta = approved target - (position + pending), rounded towards zero to the lot (spec 8)."""

from __future__ import annotations

import numpy as np

from operators.compiled import compiled

#: A delta this close below a whole number of lots counts as whole: what a float division may lose.
_SLACK = 1e-9
#: And of very many lots, relative to their number: a few units in the last place.
_RELATIVE_SLACK = 2e-15


@compiled
def delta_lots(approved: float, base_lots: int, lot: float) -> int:
    """Whole lots between the position (with pending) and the approved target, in units."""
    wanted = approved / lot
    lots = wanted - base_lots
    slack = min(_SLACK + _RELATIVE_SLACK * abs(wanted), 0.5)
    return int(np.floor(lots + slack)) if lots > 0.0 else int(np.ceil(lots - slack))
