"""Canonical bytes and the ids made from them (spec 1, Identity).

An id is a pure function of input and configuration: sorted keys, shortest round-trip floats, UTF-8, no white space.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder(order="deterministic")


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys, no white space and shortest round-trip floats; TypeError for what JSON cannot hold."""
    return _ENCODER.encode(value)


def canonical_value(value: Any) -> Any:
    """``value`` as plain JSON values with sorted keys all the way down, as canonical bytes would give it back."""
    return msgspec.json.decode(canonical_json(value))


def sha256_hex(data: bytes) -> str:
    """SHA-256 of ``data`` as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def short_id(*parts: bytes) -> str:
    """A 128-bit id (32 hex digits) over length-prefixed parts, so that no two part lists share their bytes."""
    return hashlib.blake2b(_prefixed(parts), digest_size=16).hexdigest()


class IdPrefix:
    """The first parts of many ids, hashed once: ``IdPrefix(a, b).id(c) == short_id(a, b, c)``."""

    def __init__(self, *parts: bytes) -> None:
        self._digest = hashlib.blake2b(_prefixed(parts), digest_size=16)

    def extended(self, *parts: bytes) -> IdPrefix:
        """A prefix with further parts."""
        longer = IdPrefix.__new__(IdPrefix)
        longer._digest = self._digest.copy()
        longer._digest.update(_prefixed(parts))
        return longer

    def id(self, *parts: bytes) -> str:
        """The id of the prefix and these parts."""
        return self.ids([_prefixed(parts)])[0]

    def ids(self, ends: Iterable[bytes]) -> list[str]:
        """An id for each of ``ends``, which are made of :func:`length_prefixed` parts already."""
        begin, ids = self._digest.copy, []
        for end in ends:
            digest = begin()
            digest.update(end)
            ids.append(digest.hexdigest())
        return ids


def length_prefixed(part: bytes) -> bytes:
    """A part as it enters an id: its length in four bytes, then itself."""
    return len(part).to_bytes(4, "little") + part


def _prefixed(parts: tuple[bytes, ...]) -> bytes:
    return b"".join([length_prefixed(part) for part in parts])


def document_hash(document: Any) -> str:
    """SHA-256 hex of a JSON-like document's canonical bytes: ``config_hash`` and ``parameter_hash``."""
    return sha256_hex(canonical_json(document))
