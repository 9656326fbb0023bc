"""Which state a shadow may go on from.

A shadow can be switched on and off between two starts, which the live flow never notices. State that missed any input
must not be taken up again, so it lies under step ids with a generation number, and each new beginning gets the next
one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from flows.settings import Shadow
from schemas.configuration import config_hash, parse_configuration

FILE: Final = "shadow.json"


class _Kept(Struct, frozen=True, kw_only=True):
    """What the last start had: ``config_hash`` "" where no shadow ran; ``hung`` where its candidate hung."""

    generation: int = 0
    config_hash: str = ""
    hung: str = ""


def continued(folder: Path, shadow: Shadow | None) -> tuple[Shadow | None, bool]:
    """(the shadow to start with, whether it begins anew) on the recovery folder ``folder``.

    A candidate that hung is left out until its configuration changes.
    """
    kept = _read(folder)
    if shadow is None:
        if kept.config_hash:
            _write(folder, _Kept(generation=kept.generation, hung=kept.hung))
        return None, False
    digest = config_hash(parse_configuration(shadow.configuration, "shadow"))
    if kept.hung == digest:
        return None, False
    anew = kept.config_hash != digest
    generation = kept.generation + 1 if anew else kept.generation
    if anew:
        _write(folder, _Kept(generation=generation, config_hash=digest))
    return msgspec.structs.replace(shadow, generation=generation), anew


def note_hang(folder: Path) -> None:
    """The candidate hung: the next start leaves it out."""
    kept = _read(folder)
    _write(folder, _Kept(generation=kept.generation, hung=kept.config_hash))


def _read(folder: Path) -> _Kept:
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=_Kept)
    except (FileNotFoundError, msgspec.DecodeError):
        # An unreadable note costs the shadow its state and nobody anything else.
        return _Kept(generation=_newest(folder))


def _newest(folder: Path) -> int:
    """A generation that no state lies under: one byte of the note lost must not bring old state back."""
    path = folder / FILE
    return int(path.stat().st_mtime) if path.exists() else 0


def _write(folder: Path, kept: _Kept) -> None:
    beside = folder / f"{FILE}.new"
    beside.write_bytes(msgspec.json.encode(kept))
    beside.replace(folder / FILE)
