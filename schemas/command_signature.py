"""What an operator signs of a command, and how (spec 13: Ed25519 over canonical bytes).

Keys are raw Ed25519 keys, 32 bytes in base64; a signature is 64 bytes in base64.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from schemas.canonical import canonical_json
from schemas.messages import ControlCommand

#: Bound into every signature, so that one made for something else never passes for a command's.
PURPOSE: Final = "weir-control-command-1"
_SIGNED: Final = (
    "body", "command", "effective_at", "expires_at", "id", "key_id", "note", "operator", "portfolio", "reason", "ts",
    "v",
)  # fmt: skip


def signed_bytes(command: ControlCommand) -> bytes:
    """The canonical bytes that a signature covers: everything but the signature itself."""
    document = {name: getattr(command, name) for name in _SIGNED}
    target = [command.target.scope, command.target.name]
    return canonical_json({"purpose": PURPOSE, "target": target, **document})


def sign(command: ControlCommand, key_id: str, key: Ed25519PrivateKey) -> ControlCommand:
    """The command as the holder of ``key`` gives it."""
    named = msgspec.structs.replace(command, key_id=key_id, signature=None)
    signature = base64.b64encode(key.sign(signed_bytes(named))).decode()
    return msgspec.structs.replace(named, signature=signature)


def is_signed_by(command: ControlCommand, key: Ed25519PublicKey) -> bool:
    """Whether the command's signature is that of ``key`` over exactly this command."""
    try:
        signature = base64.b64decode((command.signature or "").encode(), validate=True)
        key.verify(signature, signed_bytes(command))
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True


def public_key(text: str) -> Ed25519PublicKey:
    """A public key from its base64; raises ValueError."""
    return Ed25519PublicKey.from_public_bytes(_raw(text, "a public key"))


def private_key(text: str) -> Ed25519PrivateKey:
    """A private key from its base64; raises ValueError."""
    return Ed25519PrivateKey.from_private_bytes(_raw(text, "a private key"))


def key_text(key: Ed25519PublicKey | Ed25519PrivateKey) -> str:
    """Base64 of a key's 32 bytes."""
    raw = key.public_bytes_raw() if isinstance(key, Ed25519PublicKey) else key.private_bytes_raw()
    return base64.b64encode(raw).decode()


def _raw(text: str, what: str) -> bytes:
    try:
        raw = base64.b64decode(text.strip().encode(), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raw = b""
    if len(raw) != 32:
        raise ValueError(f"{what} is 32 bytes in base64, 44 characters, as `weir operator keygen` writes it")
    return raw
