"""An operator's key file, and the token of the command line (spec 13).

A key file is JSON with ``key_id``, ``operator`` and ``private_key`` (32 bytes in base64), readable by its owner alone.
``WEIR_OPERATOR_KEY`` names the file where no option does. Neither key nor token ever enters the configuration.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from flows.errors import InvalidInput
from schemas.command_signature import key_text, private_key, sign
from schemas.messages import ControlCommand

KEY_VARIABLE: Final = "WEIR_OPERATOR_KEY"
TOKEN_VARIABLE: Final = "CORE_SCHEDULER_TOKEN"


class KeyFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a key file holds."""

    key_id: str
    operator: str
    private_key: str

    def public_key(self) -> str:
        """Base64 of the public key, as ``operators.keys[].public_key`` takes it."""
        return key_text(private_key(self.private_key).public_key())

    def signed(self, command: ControlCommand) -> ControlCommand:
        """The command with this key's id and signature."""
        return sign(command, self.key_id, private_key(self.private_key))


def new_key_file(path: Path, operator: str, key_id: str) -> KeyFile:
    """Makes a key and writes it; raises InvalidInput where the file exists, for a key must not be lost."""
    made = KeyFile(key_id=key_id, operator=operator, private_key=key_text(Ed25519PrivateKey.generate()))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise InvalidInput(f"{path}: exists; name another file, a key is never written over") from None
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(made) + b"\n")
    return made


def read_key_file(path: Path | None) -> KeyFile | None:
    """The key at ``path``, else the one that the environment names, else None; raises InvalidInput."""
    named = path if path is not None else Path(found) if (found := os.environ.get(KEY_VARIABLE)) else None
    if named is None:
        return None
    try:
        key = msgspec.json.decode(named.read_bytes(), type=KeyFile)
        private_key(key.private_key)
    except OSError as error:
        raise InvalidInput(f"{named}: cannot be read: {error.strerror}; make one with weir operator keygen") from None
    except (msgspec.DecodeError, ValueError) as error:
        raise InvalidInput(f"{named}: {error}; make one with weir operator keygen") from None
    return key


def check_token(expected_sha256: str | None) -> None:
    """Lets the command line pass only with the right token in the environment; raises InvalidInput.

    ``expected_sha256`` is ``runtime.command_token_sha256``; without it no token is asked for.
    """
    if expected_sha256 is None:
        return
    token = os.environ.get(TOKEN_VARIABLE, "")
    if not token:
        raise InvalidInput(
            f"{TOKEN_VARIABLE} is not set: this configuration asks for it (runtime.command_token_sha256)"
        )
    if not hmac.compare_digest(hashlib.sha256(token.encode()).hexdigest(), expected_sha256):
        raise InvalidInput(f"{TOKEN_VARIABLE} is not the token that runtime.command_token_sha256 stands for")
