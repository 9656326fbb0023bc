"""Correlation of a pod's book to the other pods' books (spec 5, "Lifecycle")."""

from __future__ import annotations

import math
from collections.abc import Sequence

Days = Sequence[tuple[int, float]]


def correlation_to_others(own: Days, others: Sequence[Days], min_days: int) -> float:
    """Pearson correlation of a pod's daily returns with the mean of the other pods' on the same UTC days.

    NaN, so that the test is skipped, when there is no other pod, when fewer than ``min_days`` days are common, and when
    one of the two never moved: there is nothing to be like.
    """
    books = [dict(days) for days in others]
    mine: list[float] = []
    theirs: list[float] = []
    for day, value in own:
        found = [book[day] for book in books if day in book]
        if found:
            mine.append(value)
            theirs.append(math.fsum(found) / len(found))
    if len(mine) < max(2, min_days):
        return math.nan
    centre, other = math.fsum(mine) / len(mine), math.fsum(theirs) / len(theirs)
    spread = math.fsum((a - centre) ** 2 for a in mine)
    wide = math.fsum((b - other) ** 2 for b in theirs)
    if not (spread > 0.0 and wide > 0.0):
        return math.nan
    return math.fsum((a - centre) * (b - other) for a, b in zip(mine, theirs, strict=True)) / math.sqrt(spread * wide)
