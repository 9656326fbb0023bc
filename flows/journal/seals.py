"""Ed25519 over segment ends and anchors: whoever holds the public key can check, and cannot sign."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from flows.journal.keys import SealKey


def public_part(private: bytes) -> bytes:
    """The 32 bytes of the public key that belongs to a private one of 32 bytes."""
    public = Ed25519PrivateKey.from_private_bytes(private).public_key()
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def sign(key: SealKey, purpose: bytes, content: bytes) -> str:
    """Signature (128 hex digits) over ``purpose``, a line end, and ``content``; ValueError without a private part."""
    if key.private is None:
        raise ValueError(f"ed25519 key {key.id!r} has no private part")
    return Ed25519PrivateKey.from_private_bytes(key.private).sign(purpose + b"\n" + content).hex()


def is_signed(key: SealKey, purpose: bytes, content: bytes, signature: str) -> bool:
    """Whether ``signature`` is that of ``key`` over the same purpose and content."""
    try:
        raw = bytes.fromhex(signature)
        if raw.hex() != signature:
            return False
        Ed25519PublicKey.from_public_bytes(key.public).verify(raw, purpose + b"\n" + content)
    except (InvalidSignature, ValueError):
        return False
    return True
