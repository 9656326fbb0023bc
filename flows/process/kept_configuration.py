"""The configuration that a recovery folder's state belongs to, beside its marker: the next one is compared with it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from flows.errors import SnapshotIncompatible
from schemas.configuration.retired import Retired

KEPT_FILE: Final = "configuration.json"
KEPT_VERSION: Final = 1


class KeptConfiguration(Struct, frozen=True, kw_only=True):
    """A configuration document (resolved, without what decisions do not depend on), its hash, and what pods hold of
    what it no longer trades."""

    version: int = KEPT_VERSION
    config_hash: str
    document: dict[str, Any]
    retired: list[Retired] = []


def read_kept(folder: Path) -> KeptConfiguration | None:
    """What the folder's state belongs to, None where nothing says so; raises SnapshotIncompatible when it cannot be
    read."""
    path = folder / KEPT_FILE
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=KeptConfiguration)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise SnapshotIncompatible(f"{path}: {error}; restore it, or start with a new recovery folder") from error
    if kept.version != KEPT_VERSION:
        raise SnapshotIncompatible(
            f"{path}: version {kept.version} is unknown, this code reads {KEPT_VERSION}; resume with the code that"
            " wrote it"
        )
    return kept


def write_kept(folder: Path, kept: KeptConfiguration) -> None:
    """Replaces the folder's document as a whole."""
    path, beside = folder / KEPT_FILE, folder / f"{KEPT_FILE}.new"
    with beside.open("wb") as file:
        file.write(msgspec.json.encode(kept))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
