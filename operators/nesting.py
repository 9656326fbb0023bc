"""How deep a JSON payload is nested: a parser's own limit depends on the call stack, so it cannot be a rule."""

from __future__ import annotations

import re

import numpy as np

#: Levels of objects and arrays that a message may have.
MAX_NESTING = 64

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def too_deep(payload: bytes) -> bool:
    """True when ``payload`` opens more than MAX_NESTING levels."""
    if payload.count(b"{") + payload.count(b"[") <= MAX_NESTING:
        return False
    signs = np.frombuffer(_STRING.sub(b"", payload), np.uint8)
    opened = (signs == ord("{")) | (signs == ord("["))
    closed = (signs == ord("}")) | (signs == ord("]"))
    depth = np.cumsum(opened.astype(np.int64) - closed)
    return bool(depth.max(initial=0) > MAX_NESTING)
