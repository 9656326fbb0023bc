"""A capital policy as an operator names it: by its name, or by a file that holds one (seed 004)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from flows.errors import InvalidInput
from schemas.configuration.capital import parse_policy


def read_policy(given: str) -> Any:
    """The policy's document; raises InvalidInput with every fault."""
    path = Path(given)
    document: Any = given
    if path.is_file():
        try:
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise InvalidInput(f"{path}: cannot be read: {error}") from None
    try:
        return parse_policy(document).model_dump(mode="json")
    except ValueError as error:
        raise InvalidInput(f"{given}: {error}") from None
