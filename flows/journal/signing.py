"""Signatures of decisions: HMAC-SHA256 over the body's hash and the envelope, made at the edge (spec 11).

Signed is ``weir-decision-v1``, the body's hash and the canonical envelope without its signature, a line each. A body is
never touched, so signing changes no decision and no ``decisions_sha256``.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any, Final

import msgspec

from flows.errors import InvalidInput
from flows.journal.keys import HmacKey, KeyRing
from schemas.canonical import canonical_json
from schemas.decision import Envelope, KeyChange

_DECISION: Final = b"weir-decision-v1"
_KEY_CHANGE: Final = b"weir-key-change-v1"

#: Envelope of a decision: (portfolio, sequence, body hash, cycle, key id of the decision before it, or None).
EnvelopeOf = Callable[[str, int, str, int, str | None], Envelope]


def signature_of(key: HmacKey, body_hash: str, unsigned_envelope: bytes) -> str:
    """HMAC (64 hex digits) of a decision; ``unsigned_envelope`` is canonical JSON without a signature."""
    return hmac.digest(key.secret, b"\n".join((_DECISION, body_hash.encode(), unsigned_envelope)), "sha256").hex()


def handover_of(previous: HmacKey, portfolio: str, sequence: int, body_hash: str, key_id: str) -> str:
    """HMAC by which the previous key names its successor, from this decision on."""
    change = canonical_json([portfolio, sequence, body_hash, key_id])
    return hmac.digest(previous.secret, b"\n".join((_KEY_CHANGE, change)), "sha256").hex()


def unsigned_envelope(raw: bytes) -> bytes:
    """The canonical bytes of an envelope, as it stands in a line, without its signature."""
    document: dict[str, Any] = msgspec.json.decode(raw, type=dict[str, Any])
    document.pop("signature", None)
    return canonical_json(document)


class Signer:
    """Makes signed envelopes.

    Args:
        keys: the last key in force signs.
        code_version: digest of the installed sources.
    """

    def __init__(self, keys: KeyRing, code_version: str) -> None:
        self._keys = keys
        self._code_version = code_version

    def __call__(
        self, portfolio: str, sequence: int, body_hash: str, cycle: int, previous_key_id: str | None
    ) -> Envelope:
        """The envelope of a decision; raises InvalidInput when no key is in force at ``cycle``."""
        key = self._keys.signing_key(cycle)
        if key is None:
            raise InvalidInput(
                f"portfolio {portfolio}: no journal key is in force at cycle {cycle} (UTC ns): the first key of the key"
                " file needs an earlier 'from', or none"
            )
        change = None
        if key.id != previous_key_id and not (previous_key_id is None and sequence == 1):
            change = self._change(portfolio, sequence, body_hash, key.id, previous_key_id)
        envelope = Envelope(code_version=self._code_version, key_change=change, key_id=key.id)
        signature = signature_of(key, body_hash, canonical_json(envelope))
        return msgspec.structs.replace(envelope, signature=signature)

    def _change(
        self, portfolio: str, sequence: int, body_hash: str, key_id: str, previous_key_id: str | None
    ) -> KeyChange:
        previous = self._keys.hmac_key(previous_key_id)
        handover = None if previous is None else handover_of(previous, portfolio, sequence, body_hash, key_id)
        return KeyChange(handover=handover, previous_key_id=previous_key_id)


def envelopes(keys: KeyRing | None, code_version: str) -> EnvelopeOf:
    """What makes the envelopes of a run: a :class:`Signer`, or unsigned ones where there is no HMAC key."""
    if keys is None or not keys.hmac:
        plain = Envelope(code_version=code_version)
        return lambda *_: plain
    return Signer(keys, code_version)
