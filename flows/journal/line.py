"""One journal line, with its body's bytes kept verbatim: the hash is over these and never over a re-encoding."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from schemas.canonical import canonical_json
from schemas.decision import DecisionBody, Envelope


class _Line(Struct, frozen=True, forbid_unknown_fields=True):
    body: msgspec.Raw
    hash: str
    envelope: msgspec.Raw


class _Head(Struct, frozen=True):
    portfolio: str
    sequence: int
    previous: str
    cycle: int


@dataclass(frozen=True, slots=True)
class JournalLine:
    """A line whose body is not decoded yet. ``cycle`` is UTC ns; ``number`` counts lines from 1, 0 where unknown.

    ``envelope_raw`` holds the envelope's bytes as they stand in the line, empty where it comes from elsewhere.
    """

    raw: bytes
    hash: str
    envelope: Envelope
    portfolio: str
    sequence: int
    previous: str
    cycle: int
    number: int = 0
    envelope_raw: bytes = b""

    def body(self) -> DecisionBody:
        """The decoded body; raises ValueError when it does not match the schema."""
        return decode_body(self.raw)

    def is_intact(self) -> bool:
        """Whether the hash is that of the bytes."""
        return hashlib.sha256(self.raw).hexdigest() == self.hash


class MalformedLine(ValueError):
    """Bytes that are no journal line."""


_LINE = msgspec.json.Decoder(_Line)
_HEAD = msgspec.json.Decoder(_Head)
_BODY = msgspec.json.Decoder(DecisionBody)
_ENVELOPE = msgspec.json.Decoder(Envelope)


def parse_line(line: bytes, number: int = 0) -> JournalLine:
    """A line from its bytes (with or without the newline); raises :class:`MalformedLine`."""
    try:
        outer = _LINE.decode(line)
        raw = bytes(outer.body)
        head = _HEAD.decode(raw)
        sealed = bytes(outer.envelope)
        envelope = _ENVELOPE.decode(sealed)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedLine(str(error)) from None
    return JournalLine(
        raw, outer.hash, envelope, head.portfolio, head.sequence, head.previous, head.cycle, number, sealed
    )


def parse_decision(line: bytes) -> tuple[JournalLine, DecisionBody]:
    """A line and its decoded body in one go: for readers that need every body; raises :class:`MalformedLine`."""
    try:
        outer = _LINE.decode(line)
        raw = bytes(outer.body)
        body = _BODY.decode(raw)
        sealed = bytes(outer.envelope)
        envelope = _ENVELOPE.decode(sealed)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedLine(str(error)) from None
    parsed = JournalLine(raw, outer.hash, envelope, body.portfolio, body.sequence, body.previous, body.cycle, 0, sealed)
    return parsed, body


def decode_body(raw: bytes) -> DecisionBody:
    """A body from its bytes; raises :class:`MalformedLine` when it does not match the schema."""
    try:
        return _BODY.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedLine(str(error)) from None


def is_canonical(raw: bytes) -> bool:
    """Whether ``raw`` has sorted keys, no white space and shortest floats."""
    try:
        if canonical_json(_BODY.decode(raw)) == raw:
            return True
        # A field that this version does not know is no fault.
        return canonical_json(msgspec.json.decode(raw)) == raw
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
