"""Lines of ``decisions.jsonl``: ``{"body":<body>,"hash":"<64 hex>","envelope":{...}}``.

The body stands there byte for byte, as its hash was taken; envelope is what the signature covers beside it (design,
"Same from dump and Kafka").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.canonical import canonical_json

_START = b'{"body":'
_HASH = b',"hash":"'
_AFTER_HASH = b'","envelope":'
_HEX = 64


def decision_line(body: bytes, digest: str, envelope: bytes) -> bytes:
    """One line, newline included; ``envelope`` is JSON."""
    return b"".join((_START, body, _HASH, digest.encode(), _AFTER_HASH, envelope, b"}\n"))


def envelope_json(envelope: Mapping[str, Any]) -> bytes:
    """An envelope as JSON: key id, trace ids, code version. ValueError for keys that :func:`split_line` needs."""
    if "envelope" in envelope:
        raise ValueError("envelope: the key 'envelope' is not free; name it otherwise")
    return canonical_json(dict(envelope))


def split_line(line: bytes) -> tuple[bytes, str]:
    """(body, hash) of a line; raises ValueError when it is no decision line."""
    at = line.rfind(_AFTER_HASH)
    body_end = at - _HEX - len(_HASH)
    if not line.startswith(_START) or at < 0 or line[body_end : body_end + len(_HASH)] != _HASH:
        raise ValueError("no decision line")
    return line[len(_START) : body_end], line[at - _HEX : at].decode()
