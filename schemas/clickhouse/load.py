"""Reads the numbered migrations (``0001_name.sql``, ...), which are part of the package."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from schemas.canonical import sha256_hex

_NAME: Final = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_COMMENT: Final = re.compile(r"^\s*--.*$", re.MULTILINE)
#: A statement ends with a semicolon at the end of a line.
_END: Final = re.compile(r";[ \t]*(?:\n|$)")


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered step of the schema; ``checksum`` is SHA-256 hex over the file's bytes."""

    version: int
    name: str
    checksum: str
    statements: tuple[str, ...]


def parse_migration(file_name: str, text: str) -> Migration:
    """A migration from its file name and text; raises ValueError when either is not one."""
    match = _NAME.fullmatch(file_name)
    if match is None:
        raise ValueError(f"{file_name}: a migration is named like 0003_what_it_does.sql")
    statements = tuple(s.strip() for s in _END.split(_COMMENT.sub("", text)) if s.strip())
    if not statements:
        raise ValueError(f"{file_name}: holds no statement")
    return Migration(int(match[1]), match[2], sha256_hex(text.encode()), statements)


def load_migrations(folder: Traversable | None = None) -> tuple[Migration, ...]:
    """Every migration by version; raises ValueError when a number is missing or used twice."""
    root = files("schemas.clickhouse") / "migrations" if folder is None else folder
    found = [entry for entry in root.iterdir() if entry.name.endswith(".sql")]
    migrations = sorted(
        (parse_migration(entry.name, entry.read_text(encoding="utf-8")) for entry in found), key=lambda m: m.version
    )
    versions = [m.version for m in migrations]
    if versions != list(range(1, len(versions) + 1)):
        raise ValueError(f"migrations are numbered {versions}; they must run from 1 without gaps or repeats")
    return tuple(migrations)
