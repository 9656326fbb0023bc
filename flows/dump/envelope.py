"""kcat's ``-J`` envelope: one JSON object a record and line, as ``kcat -C -J`` prints it.

Beyond what kcat writes, four optional fields keep what kcat loses: ``ts_ns`` (kcat's ``ts`` is in ms) and
``payload_base64``, ``key_base64``, ``headers_base64`` for bytes that are no UTF-8. kcat itself writes such bytes raw
into the JSON string; reading gives them back unchanged.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from flows.dump.records import Headers, Records

NS_PER_MS = 1_000_000
#: Far above what a topic has; bounds what a mistyped number can make.
MAX_PARTITION = 99_999


class Envelope(Struct, gc=False):
    """One line. ``ts`` is in ms and missing (or -1) where the broker knows no timestamp."""

    topic: str
    partition: Annotated[int, Meta(ge=0, le=MAX_PARTITION)]
    offset: Annotated[int, Meta(ge=0, le=2**62)]
    tstype: str = "create"
    ts: Annotated[int, Meta(ge=-1, le=2**62 // NS_PER_MS)] = -1
    broker: int = 0
    headers: list[str | None] | UnsetType = UNSET
    key: str | None = None
    payload: str | None = None
    ts_ns: Annotated[int, Meta(ge=0, le=2**62)] | UnsetType = UNSET
    headers_base64: list[str | None] | UnsetType = UNSET
    key_base64: str | UnsetType = UNSET
    payload_base64: str | UnsetType = UNSET


_ENCODE = msgspec.json.Encoder().encode
_DECODER = msgspec.json.Decoder(Envelope)
_DECODE = _DECODER.decode
decode_lines = _DECODER.decode_lines


def _text(data: bytes | None) -> tuple[str | None, str | UnsetType]:
    """``data`` as (text, base64): text where it is UTF-8, base64 where it is not."""
    if data is None:
        return None, UNSET
    try:
        return data.decode(), UNSET
    except UnicodeDecodeError:
        return None, base64.b64encode(data).decode()


def _header_fields(headers: Headers | None) -> tuple[list[str | None] | UnsetType, list[str | None] | UnsetType]:
    if not headers:
        return UNSET, UNSET
    try:
        plain: list[str | None] = []
        for name, value in headers:
            plain += [name, None if value is None else value.decode()]
        return plain, UNSET
    except UnicodeDecodeError:
        coded: list[str | None] = []
        for name, value in headers:
            coded += [name, None if value is None else base64.b64encode(value).decode()]
        return UNSET, coded


def encode_lines(topic: str, partition: int, records: Records) -> bytes:
    """Records as envelope lines, each ended by a newline."""
    lines: list[bytes] = []
    for i, (offset, ts) in enumerate(zip(records.offsets.tolist(), records.timestamps.tolist(), strict=True)):
        payload, payload64 = _text(records.payloads[i])
        key, key64 = _text(records.keys[i] if records.keys is not None else None)
        plain, coded = _header_fields(records.headers[i] if records.headers is not None else None)
        exact: int | UnsetType = ts if ts % NS_PER_MS else UNSET
        line = Envelope(
            topic, partition, offset, "create", ts // NS_PER_MS, 0, plain, key, payload, exact, coded, key64, payload64
        )
        lines.append(_ENCODE(line))
    lines.append(b"")
    return b"\n".join(lines)


def decode_line(line: bytes) -> Envelope:
    """One envelope; raw bytes that are no UTF-8 come back through the ``*_base64`` fields.

    Raises ValueError (of which msgspec's errors are a kind) when the line is no envelope.
    """
    try:
        return _DECODE(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        if _is_utf8(line):
            raise
    return _decode_raw_bytes(line)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decode_raw_bytes(line: bytes) -> Envelope:
    """A line as kcat prints it when key or payload are no UTF-8: the bytes stand raw inside the JSON string."""
    document: dict[str, Any] = msgspec.convert(json.loads(line.decode("utf-8", "surrogateescape")), dict[str, Any])
    for name in ("key", "payload"):
        value = document.get(name)
        if isinstance(value, str):
            document[name + "_base64"] = base64.b64encode(value.encode("utf-8", "surrogateescape")).decode()
            document[name] = None
    headers = document.pop("headers", None)
    if isinstance(headers, list):
        raw = [part.encode("utf-8", "surrogateescape") if isinstance(part, str) else None for part in headers]
        document["headers_base64"] = [
            (part.decode("utf-8", "replace") if at % 2 == 0 else base64.b64encode(part).decode())
            if part is not None else None
            for at, part in enumerate(raw)
        ]  # fmt: skip
    return msgspec.convert(document, Envelope)


def timestamp_ns(line: Envelope) -> int:
    """Record timestamp in ns; raises ValueError where the record has none."""
    if line.ts_ns is not UNSET:
        return line.ts_ns
    if line.ts < 0:
        raise ValueError("the record has no timestamp (ts)")
    return line.ts * NS_PER_MS


def _bytes(text: str | None, coded: str | UnsetType) -> bytes | None:
    if coded is not UNSET:
        try:
            return base64.b64decode(coded, validate=True)
        except binascii.Error as error:
            raise ValueError(f"bad base64: {error}") from error
    return None if text is None else text.encode()


def payload_of(line: Envelope) -> bytes | None:
    """The record's value; None is a tombstone."""
    return _bytes(line.payload, line.payload_base64)


def key_of(line: Envelope) -> bytes | None:
    """The record's key."""
    return _bytes(line.key, line.key_base64)


def headers_of(line: Envelope) -> Headers | None:
    """The record's headers, None when it has none."""
    if line.headers_base64 is not UNSET:
        return [(name, _bytes(None, UNSET if value is None else value)) for name, value in _pairs(line.headers_base64)]
    if line.headers is not UNSET:
        return [(name, None if value is None else value.encode()) for name, value in _pairs(line.headers)]
    return None


def _pairs(flat: list[str | None]) -> Iterator[tuple[str, str | None]]:
    if len(flat) % 2:
        raise ValueError("headers: a name without a value")
    for name, value in zip(flat[::2], flat[1::2], strict=True):
        # A lone surrogate is text that no log can hold: it raises here, not when it is written.
        yield (name or "").encode().decode(), value


def records_of(lines: list[Envelope], *, values_only: bool = False) -> Records:
    """Columns of envelopes that belong to one partition.

    ``values_only`` leaves keys and headers out and gives a tombstone as an empty payload.
    Raises ValueError for one without a usable timestamp.
    """
    offsets = [line.offset for line in lines]
    timestamps = [timestamp_ns(line) for line in lines]
    payloads = [payload_of(line) for line in lines]
    if values_only:
        return Records.of(offsets, timestamps, [payload or b"" for payload in payloads])
    keys = [key_of(line) for line in lines]
    headers = [headers_of(line) for line in lines]
    return Records.of(
        offsets,
        timestamps,
        payloads,
        keys if any(key is not None for key in keys) else None,
        headers if any(headers) else None,
    )
