"""What can be wrong with a journal."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Kinds of fault; the names are a stable interface of ``weir verify --json``."""

    FLIPPED = "flipped"
    DROPPED = "dropped"
    REORDERED = "reordered"
    REPEATED = "repeated"
    TRUNCATED = "truncated"
    FORKED = "forked"
    NOT_CANONICAL = "not_canonical"
    MALFORMED = "malformed"
    ORDER_MISSING = "order_missing"
    ORDER_UNEXPECTED = "order_unexpected"
    ORDER_REPEATED = "order_repeated"
    ORDER_DIFFERS = "order_differs"
    ORDER_MALFORMED = "order_malformed"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault. ``sequence`` is the first bad decision (or order, for ``order_*``); ``line`` counts from 1."""

    verdict: Verdict
    text: str
    portfolio: str = ""
    sequence: int | None = None
    line: int | None = None
