"""``--set path=value``: patches a configuration, which is checked as a whole afterwards."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import yaml
from msgspec import Struct

from flows.whatif.schema_walk import UnknownPath, configuration_schema, elements, kind_of, member, section_of
from schemas.configuration import Configuration, ConfigurationError, parse_configuration

SOURCE = "--set"


class Setting(Struct, frozen=True):
    """One ``path=value``; the value is YAML, so that ``null``, lists and ``{mappings}`` can be given."""

    path: str
    value: Any


def parse_settings(texts: Sequence[str]) -> list[Setting]:
    """Reads ``path=value`` texts; raises ConfigurationError with every one that is none."""
    found: list[Setting] = []
    problems: list[str] = []
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals or not path.strip():
            problems.append(f"{text}: write path=value, such as portfolios.main.max_gross_leverage=1.5")
            continue
        try:
            found.append(Setting(path.strip(), yaml.safe_load(value)))
        except yaml.YAMLError as error:
            problems.append(f"{path}: the value {value!r} is not YAML: {error}")
    if problems:
        raise ConfigurationError(SOURCE, problems)
    return found


def patched(configuration: Configuration, settings: Sequence[Setting]) -> Configuration:
    """The configuration with every setting applied, in the order given.

    A path names sections and keys; elements of lists by id or symbol, ``*`` for all of them. Where the key that tells
    kinds apart is set (a capital policy's ``name``, an execution's ``mode``), keys that the new kind does not have go.

    Raises:
        ConfigurationError: unknown paths, each with the names that are near, or a result that is no configuration.
    """
    # Only what was written: a default that another key implies must be able to follow it.
    document = copy.deepcopy(configuration.model_dump(mode="json", exclude_unset=True))
    problems: list[str] = []
    for setting in settings:
        try:
            _set(document, configuration_schema(), setting.path.split("."), setting.value, "")
        except UnknownPath as unknown:
            problems.append(str(unknown))
    if problems:
        raise ConfigurationError(SOURCE, problems)
    return parse_configuration(document, f"{SOURCE} {' '.join(s.path for s in settings)}")


def _set(value: Any, schema: dict[str, Any], rest: list[str], new: Any, walked: str) -> None:
    if isinstance(value, list):
        positions, used = elements(value, rest, walked)
        inner = section_of(schema, value).get("items", {})
        for position in positions:
            name = ".".join([walked, *rest[:used]])
            if len(rest) == used:
                value[position] = new
            else:
                _set(value[position], inner, rest[used:], new, name)
        return
    key = rest[0]
    section = section_of(schema, value)
    if len(rest) == 1:
        _set_member(value, schema, section, key, new, walked)
        return
    inner = member(section, key, walked)
    name = f"{walked}.{key}" if walked else key
    if value.get(key) is None:
        value[key] = _empty(inner, value, key)
    if not isinstance(value[key], dict | list):
        value[key] = _opened(value[key], inner, name)
    _set(value[key], inner, rest[1:], new, name)


def _set_member(
    value: dict[str, Any], schema: dict[str, Any], section: dict[str, Any], key: str, new: Any, walked: str
) -> None:
    told_by = kind_of(schema)
    if told_by is not None and told_by[0] == key:
        value[key] = new
        if new in told_by[1]:
            known = section_of(schema, value).get("properties", {})
            for gone in [k for k in value if k not in known]:
                del value[gone]
        return
    member(section, key, walked)
    value[key] = new


def _empty(schema: dict[str, Any], parent: dict[str, Any], key: str) -> Any:
    """What stands for a section that was not written: its kind alone where there are kinds, else nothing in it."""
    default = schema.get("default")
    told_by = kind_of(schema)
    if told_by is not None and isinstance(default, dict) and told_by[0] in default:
        return {told_by[0]: default[told_by[0]]}
    if section_of(schema, default).get("type") == "array":
        return list(default or [])
    return {}


def _opened(value: Any, schema: dict[str, Any], name: str) -> dict[str, Any]:
    """A section that was written as one word: a policy by its name alone, a switch that is off."""
    told_by = kind_of(schema)
    if told_by is not None and isinstance(value, str):
        return {told_by[0]: value}
    if section_of(schema, {}).get("type") != "object":
        raise UnknownPath(f"{name}: holds one value and has no keys")
    return {}
