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
    #: no signature where one is asked for
    UNSIGNED = "unsigned"
    #: signed with a key that is not known, not in force here, or has another secret
    WRONG_KEY = "wrong_key"
    #: the hash is the body's, but the signature is not over it and the envelope
    BAD_SIGNATURE = "bad_signature"
    #: a segment's end is not what its lines are, or not signed by a known key
    FOOTER = "footer"
    #: a segment without its end
    UNTERMINATED = "unterminated"
    ORDER_MISSING = "order_missing"
    ORDER_UNEXPECTED = "order_unexpected"
    ORDER_REPEATED = "order_repeated"
    ORDER_DIFFERS = "order_differs"
    ORDER_MALFORMED = "order_malformed"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault. ``sequence`` is the first bad decision (or order, for ``order_*``).

    ``line`` counts from 1 in ``file``; ``key_id`` is the key that the decision names, for faults of signatures.
    """

    verdict: Verdict
    text: str
    portfolio: str = ""
    sequence: int | None = None
    line: int | None = None
    file: str = ""
    key_id: str = ""
