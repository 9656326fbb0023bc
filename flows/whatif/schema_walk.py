"""Follows a dotted path through the schema of the configuration, beside the document that it describes."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from typing import Any, Final

from schemas.configuration import Configuration

#: Keys by which the elements of a list are named in a path.
NAMES: Final = ("id", "symbol")
_MOST_NAMES: Final = 12


class UnknownPath(Exception):
    """A path leads nowhere; the text names what is near."""


@cache
def configuration_schema() -> dict[str, Any]:
    """JSON Schema of the whole configuration."""
    return Configuration.model_json_schema()


def section_of(schema: dict[str, Any], value: Any) -> dict[str, Any]:
    """The one alternative of ``schema`` that ``value`` is of; the first one that has keys where it is of none."""
    definitions = configuration_schema()["$defs"]
    if "$ref" in schema:
        return section_of(definitions[schema["$ref"].rpartition("/")[2]], value)
    alternatives = schema.get("oneOf") or schema.get("anyOf") or schema.get("allOf")
    if not alternatives:
        return schema
    kind = kind_of(schema)
    if kind is not None:
        name, mapping = kind
        chosen = value.get(name) if isinstance(value, dict) else None
        if chosen in mapping:
            return section_of({"$ref": mapping[chosen]}, value)
    found = [section_of(one, value) for one in alternatives]
    wanted = "array" if isinstance(value, list) else "object"
    fitting = [one for one in found if one.get("type") == wanted]
    return (fitting or [one for one in found if "properties" in one] or found)[0]


def kind_of(schema: dict[str, Any]) -> tuple[str, dict[str, str]] | None:
    """(key that tells the alternatives apart, schema by its value); None where there is no such key."""
    if "$ref" in schema:
        return kind_of(configuration_schema()["$defs"][schema["$ref"].rpartition("/")[2]])
    told = schema.get("discriminator")
    if told is not None:
        return told["propertyName"], told["mapping"]
    for one in schema.get("anyOf", ()):
        found = kind_of(one)
        if found is not None:
            return found
    return None


def member(section: dict[str, Any], key: str, walked: str) -> dict[str, Any]:
    """Schema of ``key`` in a section or a map; raises :class:`UnknownPath` with near names."""
    properties = section.get("properties")
    if properties is not None:
        if key not in properties:
            raise UnknownPath(f"{_joined(walked, key)}: no such key; {near(key, list(properties))}")
        found: dict[str, Any] = properties[key]
        return found
    inner = section.get("additionalProperties")
    if section.get("type") == "object" and inner is not False:
        return inner if isinstance(inner, dict) else {}
    raise UnknownPath(f"{walked}: holds one value and has no {key!r} in it")


def elements(values: list[Any], rest: list[str], walked: str) -> tuple[list[int], int]:
    """(positions in the list, path segments used up): ``*`` is every element, a name may contain dots itself.

    Raises:
        UnknownPath: no element is called so.
    """
    if rest[0] == "*":
        return list(range(len(values))), 1
    names = [element_name(one, n) for n, one in enumerate(values)]
    for length in range(1, len(rest) + 1):
        wanted = ".".join(rest[:length])
        if wanted in names:
            return [names.index(wanted)], length
    if rest[0].isdigit() and int(rest[0]) < len(values):
        return [int(rest[0])], 1
    raise UnknownPath(f"{_joined(walked, rest[0])}: no such element; {near(rest[0], names)}, or * for all")


def element_name(element: Any, position: int) -> str:
    """How a path calls an element of a list: by its id or symbol, else by its position."""
    for name in NAMES:
        if isinstance(element, dict) and name in element:
            return str(element[name])
    return str(position)


def near(name: str, names: list[str]) -> str:
    """What ``name`` may have meant."""
    close = get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    shown = ", ".join(sorted(names)[:_MOST_NAMES])
    return f"known: {shown}{', ...' if len(names) > _MOST_NAMES else ''}" if names else "there are none"


def _joined(walked: str, key: str) -> str:
    return f"{walked}.{key}" if walked else key
