"""What a migration made: the document, what became of every key, and what has no place here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

from schemas.configuration import ConfigurationError, parse_configuration

_NOT_SLUG = re.compile(r"[^A-Za-z0-9_.-]+")


class Note(Struct, frozen=True):
    """A key of the source document, and where it went or why it went nowhere."""

    key: str
    text: str


class Migration(Struct):
    """A Weir document in the making.

    Attributes:
        document: the new configuration.
        mapped: every key that went over, with its new place.
        unmapped: every key that did not, with the reason and what to do instead.
    """

    document: dict[str, Any]
    mapped: list[Note] = []
    unmapped: list[Note] = []

    def maps(self, key: str, to: str) -> None:
        """Notes that ``key`` went to ``to``."""
        self.mapped.append(Note(key, to))

    def drops(self, key: str, reason: str) -> None:
        """Notes why ``key`` has no place."""
        self.unmapped.append(Note(key, reason))

    def drops_rest(self, path: str, section: Mapping[str, Any], known: set[str]) -> None:
        """Notes every key of a section that neither the source's description nor Weir knows."""
        for key in sorted(set(map(str, section)) - known):
            self.drops(f"{path}.{key}" if path else key, "unknown: neither the source's description nor Weir has it")


class _LenientLoader(yaml.SafeLoader):
    """Lets the last of two equal keys win, as the older systems did, and remembers that it happened."""


def _mapping(loader: _LenientLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node)
        if key in seen:
            loader.__dict__.setdefault("repeated", []).append((str(key), node.start_mark.line + 1))
        seen.add(key)
    found: dict[Any, Any] = loader.construct_mapping(node, deep=True)
    return found


_LenientLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_source(path: Path) -> tuple[dict[str, Any], list[Note]]:
    """A YAML or JSON document, and a note for each key that it gives twice; raises ConfigurationError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(str(path), [f"cannot be read: {error}"]) from None
    loader = _LenientLoader(text)
    try:
        document = loader.get_single_data()
    except yaml.YAMLError as error:
        raise ConfigurationError(str(path), [f"is not YAML: {error}"]) from None
    if not isinstance(document, dict):
        raise ConfigurationError(str(path), ["the document is not a mapping of sections"])
    repeated = loader.__dict__.get("repeated", [])
    return document, [
        Note(key, f"given twice in the mapping at line {line}: the last one counts") for key, line in repeated
    ]


def slug(name: object) -> str:
    """A name with the characters that Weir allows."""
    return _NOT_SLUG.sub("_", str(name)).strip("_") or "unnamed"


def renamed(
    migration: Migration, path: str, to: str, parameters: Mapping[str, Any], names: Mapping[str, str]
) -> dict[str, Any]:
    """Parameters under Weir's names; the others are noted."""
    found: dict[str, Any] = {}
    for key, value in parameters.items():
        if key in names:
            found[names[key]] = value
            migration.maps(f"{path}.{key}", f"{to}.{names[key]}")
        else:
            migration.drops(f"{path}.{key}", "the strategy has no such parameter here; see `weir strategies describe`")
    return found


def settle_capital(migration: Migration, portfolio: int, source: str) -> None:
    """Keeps the portfolio's capital policy when it is valid here, else takes equal weights and says why."""
    own = migration.document["portfolios"][portfolio]
    try:
        parse_configuration(migration.document)
    except ConfigurationError as error:
        faults = [p for p in error.problems if "capital" in p]
        if not faults or "capital" not in own:
            return
        migration.mapped = [n for n in migration.mapped if n.key != source]
        migration.drops(source, f"{'; '.join(faults)}; equal_weight stands in its place")
        own["capital"] = {"name": "equal_weight"}
