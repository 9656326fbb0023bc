"""Lines of ``decisions.jsonl``: ``{"body":<body>,"hash":"<64 hex>","envelope":{...}}``.

The body stands there byte for byte, as its hash was taken; envelope is what the signature covers beside it (design,
"Same from dump and Kafka").
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from schemas.canonical import canonical_json
from schemas.decision import Envelope

_START = b'{"body":'
_HASH = b',"hash":"'
_AFTER_HASH = b'","envelope":'
_HEX = 64
_BLOCK = 1 << 16
_ENVELOPE = msgspec.json.Decoder(Envelope)


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


def last_key_id(path: Path) -> str | None:
    """Id of the key that signed the last line of a file of whole lines; None where it is unsigned or there is none.

    Raises ValueError when the last line is no decision line.
    """
    line = _last_line(path)
    if not line:
        return None
    split_line(line)
    try:
        return _ENVELOPE.decode(line[line.rfind(_AFTER_HASH) + len(_AFTER_HASH) : -1]).key_id
    except msgspec.DecodeError as error:
        raise ValueError(f"no decision line: {error}") from None


def _last_line(path: Path) -> bytes:
    """The last line without its newline."""
    with path.open("rb") as file:
        start = end = max(0, file.seek(0, os.SEEK_END) - 1)
        tail = b""
        while start > 0 and b"\n" not in tail:
            start = max(0, start - _BLOCK)
            file.seek(start)
            tail = file.read(end - start)
        return tail[tail.rfind(b"\n") + 1 :]
