"""What goes wrong at the paper venue: drawn from a seed and an id, so that every replay meets the same faults."""

from __future__ import annotations

import hashlib

_SPAN = float(2**64)


def draw(seed: int, kind: str, subject: str, number: int = 0) -> float:
    """A number in [0, 1) that depends on nothing but its arguments."""
    digest = hashlib.blake2b(f"{seed}|{kind}|{subject}|{number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / _SPAN


def happens(rate: float, seed: int, kind: str, subject: str, number: int = 0) -> bool:
    """True in ``rate`` of all cases."""
    return rate > 0.0 and draw(seed, kind, subject, number) < rate
