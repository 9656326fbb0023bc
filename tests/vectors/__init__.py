"""Reference vectors from published sources, each with its own tolerance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def cases(name: str) -> list[dict[str, Any]]:
    """The cases of ``name.json``."""
    text = (Path(__file__).parent / f"{name}.json").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = json.loads(text)["cases"]
    return found


def identity(case: dict[str, Any]) -> str:
    """A case's id, for the test's name."""
    return str(case["id"])
