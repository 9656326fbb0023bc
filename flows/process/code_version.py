"""The code version: a digest of the installed sources, the same with and without git."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

PACKAGES: Final = ("flows", "operators", "schemas")


@cache
def code_version() -> str:
    """BLAKE2b (32 hex digits) over the path and bytes of every source file of Weir's packages, in sorted order."""
    root = Path(__file__).resolve().parent.parent.parent
    digest = hashlib.blake2b(digest_size=16)
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            name, content = str(path.relative_to(root)).encode(), path.read_bytes()
            digest.update(len(name).to_bytes(4, "little") + name)
            digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()
