"""``weir strategies``: which are installed, and what each does."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer

from flows.cli.console import Json, command, emit

app = typer.Typer(no_args_is_help=True, help="List and describe installed strategies.")


@app.command("list")
@command
def list_strategies(json: Json = False) -> None:
    """List every installed strategy with its aliases."""
    from operators.strategy_evaluate.registry import default_registry

    registry = default_registry()
    names = registry.installed()
    found: list[dict[str, Any]] = []
    for reference in sorted(set(names.values())):
        strategy = registry.resolve(reference)
        found.append(
            {
                "strategy": reference,
                "aliases": sorted(a for a, r in names.items() if r == reference and a != reference),
                "scope": strategy.scope,
                "capability": strategy.capability or strategy.strategy_type,
                "summary": _summary(strategy),
            }
        )
    width = max((len(one["strategy"]) for one in found), default=0)
    emit({"strategies": found}, json, [f"{one['strategy']:{width}}  {one['summary']}" for one in found])


@app.command("describe")
@command
def describe(strategy: Annotated[str, typer.Argument(help="`type@version`, or an alias.")], json: Json = False) -> None:
    """Show a strategy's rule, features and parameters with their defaults."""
    from operators.strategy_evaluate.registry import default_registry

    registry = default_registry()
    found = registry.resolve(strategy)
    fields = found.parameters_type.model_fields
    required = [name for name, field in fields.items() if field.is_required()]
    built = None if required else registry.build(strategy, {})
    schema = found.parameters_type.model_json_schema()["properties"] if fields else {}
    result = {
        "strategy": f"{found.strategy_type}@{found.version}",
        "scope": found.scope,
        "driven_by": found.driven_by,
        "unit": found.unit,
        "legs": found.legs,
        "capability": found.capability or found.strategy_type,
        "rule": inspect.getdoc(found) or "",
        "parameters": {name: {**schema[name], "required": name in required} for name in fields},
        "parameters_meaning": inspect.getdoc(found.parameters_type) or "",
        "features": None if built is None else [str(f) for f in built.features()],
    }
    emit(result, json, _page(result))


def _summary(strategy: type[Any]) -> str:
    return (inspect.getdoc(strategy) or "").partition("\n")[0]


def _page(result: dict[str, Any]) -> list[str]:
    lines = [result["strategy"], "", result["rule"], ""]
    lines.append(f"scope {result['scope']}, answers in {result['unit']}, driven by {result['driven_by']}")
    if result["features"] is not None:
        lines.append(f"features {', '.join(result['features']) or 'none'}")
    lines += ["", "Parameters", result["parameters_meaning"]]
    for name, schema in result["parameters"].items():
        lines.append(f"  {name}: " + ("required" if schema["required"] else f"{schema.get('default')!r}"))
    return lines
