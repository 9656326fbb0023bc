"""Reads a configuration file: all errors at once, each with its path, before any connection opens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from schemas.canonical import document_hash
from schemas.configuration.document import Configuration


class ConfigurationError(Exception):
    """A configuration that cannot be used; ``problems`` holds one line for each fault."""

    def __init__(self, source: str, problems: list[str]) -> None:
        self.source = source
        self.problems = problems
        super().__init__(f"{source}: {len(problems)} problem(s)\n" + "\n".join(f"  {p}" for p in problems))


class _UniqueKeyLoader(yaml.SafeLoader):
    """A YAML loader that refuses a key given twice, which YAML itself lets the last one win."""


def _unique_mapping(loader: _UniqueKeyLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", key_node.start_mark)
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def parse_configuration(document: Any, source: str = "configuration") -> Configuration:
    """Validates a document of plain values; raises :class:`ConfigurationError` with every fault."""
    if not isinstance(document, dict):
        raise ConfigurationError(source, ["the document is not a mapping of sections"])
    try:
        return Configuration.model_validate(document)
    except ValidationError as error:
        problems = []
        for fault in error.errors(include_url=False):
            path = ".".join(str(p) for p in fault["loc"]) or "(document)"
            given = "" if isinstance(fault["input"], dict | list) else f" (given: {fault['input']!r})"
            problems.append(f"{path}: {fault['msg']}{given}")
        raise ConfigurationError(source, problems) from None


def load_configuration(path: Path) -> Configuration:
    """Reads a YAML or JSON file; raises :class:`ConfigurationError` naming the file and each fault."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(str(path), [f"cannot be read: {error}"]) from None
    try:
        document = yaml.load(text, Loader=_UniqueKeyLoader)
    except yaml.YAMLError as error:
        raise ConfigurationError(str(path), [f"is not YAML: {error}"]) from None
    return parse_configuration(document, str(path))


def config_hash(configuration: Configuration) -> str:
    """SHA-256 hex over the canonical bytes of what decisions depend on."""
    return document_hash(configuration.decision_document())
