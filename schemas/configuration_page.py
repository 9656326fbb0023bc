"""Generates ``docs/configuration.md``: every key with its values, default, unit and meaning.

Keys, values and defaults are taken from the pydantic models; units and meanings stand in
:mod:`schemas.configuration_meanings`, and a key without one is an error, so that the page is whole.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from schemas.configuration import Configuration
from schemas.configuration.document import UNHASHED
from schemas.configuration_meanings import MEANINGS
from schemas.configuration_sections import SECTIONS

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "configuration.md"

_HEAD: Final = ("| Key | Values | Default | Unit | Meaning |", "|---|---|---|---|---|")


def configuration_page() -> str:
    """The text of ``docs/configuration.md``; raises KeyError for a key that :data:`MEANINGS` does not explain."""
    document = Configuration.model_json_schema()
    models = {**document["$defs"], "Configuration": document}
    missing = sorted(set(models) - {name for name, _, _ in SECTIONS})
    if missing:
        raise KeyError(f"no section of the page for {', '.join(missing)}: enter it in SECTIONS")
    unhashed = ", ".join(f"`{name}`" for name in UNHASHED)
    parts = [
        "# Configuration",
        "",
        "Generated from the models in `schemas/configuration/` by `python -m schemas.configuration_page`: do not edit.",
        "",
        "One YAML (or JSON) document. Unknown keys, keys given twice and values out of range are errors; all of them",
        "are listed at once: `weir config check FILE`. `weir config show FILE` writes every default out.",
        f"`config_hash` covers every section but {unhashed}: those never touch a decision.",
        "A default of *required* means that the key must be given.",
    ]
    for name, place, purpose in SECTIONS:
        parts += ["", f"## {place}", "", purpose, "", *_HEAD]
        required = set(models[name].get("required", ()))
        for key, schema in models[name]["properties"].items():
            if key not in MEANINGS[name]:
                raise KeyError(f"{name}.{key} has no meaning: enter it in MEANINGS")
            unit, meaning = MEANINGS[name][key]
            default = "*required*" if key in required else _default(schema)
            parts.append(f"| `{key}` | {_values(schema)} | {default} | {unit} | {meaning} |")
    return "\n".join(parts) + "\n"


def _default(schema: dict[str, Any]) -> str:
    value = schema.get("default")
    if isinstance(value, dict) and value:
        return "see there"
    return f"`{json.dumps(value)}`"


def _values(schema: dict[str, Any]) -> str:
    """A schema in words: alternatives joined by "or"."""
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    if alternatives:
        return " or ".join(dict.fromkeys(_values(one) for one in alternatives))
    if "$ref" in schema:
        return "section"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_values(schema['items'])}"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"map to {_values(inner)}" if isinstance(inner, dict) else "map"
    return {"string": "text", "boolean": "true, false"}.get(kind, kind) + _range(schema)


def _range(schema: dict[str, Any]) -> str:
    words = [
        f"{sign} {schema[name]:g}"
        for name, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
        if name in schema
    ]
    return f" {', '.join(words)}" if words else ""


def write_configuration_page(path: Path = PAGE) -> Path:
    """Writes the page."""
    path.write_text(configuration_page(), encoding="utf-8")
    return path


if __name__ == "__main__":
    write_configuration_page()
