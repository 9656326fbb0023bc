"""Keys of the journal: from a key file or the environment, never from the configuration document (spec 11).

A key file is JSON::

    {"hmac": [{"id": "2026a", "secret": "<64 hex digits>"},
              {"id": "2026b", "secret": "<64 hex digits>", "from": "2026-07-01T00:00:00Z"}],
     "ed25519": [{"id": "seal-1", "private": "<64 hex digits>"}]}

``hmac`` keys sign decisions; the last one whose ``from`` (event time) is reached signs, the others verify what they
signed. ``ed25519`` keys sign segment ends; the last one with a ``private`` part signs, an auditor has ``public`` alone.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from flows.errors import InvalidInput

#: Path of a key file.
KEYS_VARIABLE: Final = "WEIR_JOURNAL_KEYS"
#: One HMAC key without a file: its id and its secret in hex.
KEY_ID_VARIABLE: Final = "WEIR_JOURNAL_KEY_ID"
KEY_VARIABLE: Final = "WEIR_JOURNAL_KEY"
#: Bytes of an HMAC secret at least (the length of its hash), and of both parts of an Ed25519 key exactly.
SECRET_BYTES: Final = 32


class _HmacEntry(Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    secret: str
    since: str | None = msgspec.field(default=None, name="from")


class _SealEntry(Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    private: str | None = None
    public: str | None = None


class _KeyFile(Struct, frozen=True, forbid_unknown_fields=True):
    hmac: list[_HmacEntry] = []
    ed25519: list[_SealEntry] = []


@dataclass(frozen=True, slots=True)
class HmacKey:
    """A shared key. ``since`` is the event time (UTC ns) from which it signs, None from the beginning on."""

    id: str
    secret: bytes = field(repr=False)
    since: int | None = None


@dataclass(frozen=True, slots=True)
class SealKey:
    """An Ed25519 key: raw public part, and the private one where this side signs."""

    id: str
    public: bytes
    private: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All keys that are known, in the order of the file: older ones first."""

    hmac: tuple[HmacKey, ...] = ()
    seals: tuple[SealKey, ...] = ()

    def hmac_key(self, key_id: str | None) -> HmacKey | None:
        """The HMAC key of this id."""
        return next((key for key in self.hmac if key.id == key_id), None)

    def signing_key(self, cycle: int) -> HmacKey | None:
        """The key that signs decisions of ``cycle`` (UTC ns); None where none is in force."""
        return next((key for key in reversed(self.hmac) if key.since is None or key.since <= cycle), None)

    def seal(self, key_id: str | None) -> SealKey | None:
        """The Ed25519 key of this id."""
        return next((key for key in self.seals if key.id == key_id), None)

    def sealing_key(self) -> SealKey | None:
        """The key that signs segment ends."""
        return next((key for key in reversed(self.seals) if key.private is not None), None)

    def __bool__(self) -> bool:
        return bool(self.hmac or self.seals)


def load_keys(path: Path) -> KeyRing:
    """The keys of a key file.

    Raises:
        InvalidInput: it cannot be read, or a key in it cannot be used; names file, key and fix, never a secret.
    """
    try:
        document = msgspec.json.decode(path.read_bytes(), type=_KeyFile)
    except OSError as error:
        raise InvalidInput(f"key file {path}: cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"key file {path}: {error}; make one with: weir journal keygen") from None
    where = f"key file {path}"
    ring = KeyRing(
        tuple(HmacKey(e.id, _secret(e.secret, f"{where}: hmac key {e.id!r}"), _since(e, where)) for e in document.hmac),
        tuple(_seal(entry, where) for entry in document.ed25519),
    )
    for kind, ids in (("hmac", [key.id for key in ring.hmac]), ("ed25519", [key.id for key in ring.seals])):
        if len(set(ids)) != len(ids) or "" in ids:
            raise InvalidInput(f"{where}: {kind}: ids {ids}: each key needs an id of its own")
    starts = [key.since for key in ring.hmac if key.since is not None]
    if starts != sorted(starts):
        raise InvalidInput(f"{where}: hmac: list keys in the order of their 'from'")
    return ring


def keys_from_environment(environment: Mapping[str, str] | None = None) -> KeyRing | None:
    """The keys that the environment names, None where it names none: the run is then unsigned.

    Raises:
        InvalidInput: a variable is set and cannot be used.
    """
    given = os.environ if environment is None else environment
    path, key_id, secret = (given.get(name, "") for name in (KEYS_VARIABLE, KEY_ID_VARIABLE, KEY_VARIABLE))
    ring = load_keys(Path(path)) if path else KeyRing()
    if bool(key_id) != bool(secret):
        raise InvalidInput(f"{KEY_ID_VARIABLE} and {KEY_VARIABLE}: one is set and the other is not; set both or none")
    if key_id:
        if ring.hmac_key(key_id) is not None:
            raise InvalidInput(f"{KEY_ID_VARIABLE}: key {key_id!r} stands in {path} too; name it once")
        key = HmacKey(key_id, _secret(secret, f"{KEY_VARIABLE}: key {key_id!r}"))
        ring = KeyRing((*ring.hmac, key), ring.seals)
    return ring or None


def new_key_file(path: Path, key_id: str, seal_id: str) -> KeyRing:
    """Writes a new key file with one key of each kind, readable by its owner alone.

    Raises:
        InvalidInput: the file exists; keys are never overwritten.
    """
    private = secrets.token_bytes(SECRET_BYTES)
    document = {
        "hmac": [{"id": key_id, "secret": secrets.token_hex(SECRET_BYTES)}],
        "ed25519": [{"id": seal_id, "private": private.hex()}],
    }
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise InvalidInput(f"{path}: exists; keys are never overwritten, name another file") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(document)) + b"\n")
    return load_keys(path)


def auditor_document(ring: KeyRing) -> bytes:
    """A key file with the public parts of the Ed25519 keys alone: what an auditor gets."""
    document = {"ed25519": [{"id": key.id, "public": key.public.hex()} for key in ring.seals]}
    return msgspec.json.format(msgspec.json.encode(document)) + b"\n"


def _secret(text: str, where: str) -> bytes:
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        raise InvalidInput(f"{where}: the secret is not hexadecimal") from None
    if len(secret) < SECRET_BYTES:
        raise InvalidInput(f"{where}: the secret has {len(secret)} bytes, at least {SECRET_BYTES} are needed")
    return secret


def _since(entry: _HmacEntry, where: str) -> int | None:
    if entry.since is None:
        return None
    try:
        time = datetime.fromisoformat(entry.since)
    except ValueError:
        raise InvalidInput(f"{where}: hmac key {entry.id!r}: from: {entry.since!r} is no ISO 8601 time") from None
    if time.tzinfo is None:
        raise InvalidInput(f"{where}: hmac key {entry.id!r}: from: {entry.since!r} has no zone; end it with Z")
    since = time - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000


def _seal(entry: _SealEntry, where: str) -> SealKey:
    from flows.journal.seals import public_part

    where = f"{where}: ed25519 key {entry.id!r}"
    if (entry.private is None) == (entry.public is None):
        raise InvalidInput(f"{where}: give either private or public")
    raw = _secret(entry.private or entry.public or "", where)
    if len(raw) != SECRET_BYTES:
        raise InvalidInput(f"{where}: it has {len(raw)} bytes, an Ed25519 key has {SECRET_BYTES}")
    return SealKey(entry.id, raw) if entry.private is None else SealKey(entry.id, public_part(raw), raw)
