"""Seed 001's StrategyGraphConfig: strategies without schedules, each of which becomes a pod of its own."""

from __future__ import annotations

from typing import Any

from flows.migrate.migration import Migration, renamed, settle_capital, slug
from flows.migrate.parameters import ENGINES, parameter_names
from operators.strategy_evaluate.registry import default_registry
from schemas.configuration import ConfigurationError

_NODE = {"id", "type", "symbols", "params", "max_position", "max_notional", "warmup_bars"}
_GRAPH = {"name", "strategies", "capital_policy", "settings"}
_SETTINGS = {"allow_partial_start", "heartbeat_timeout_seconds", "telemetry_interval_seconds"}
_NO_TYPE = {
    "industry_model": "a model outside Weir: let it publish SignalEnvelopes and follow them with external_signal",
    "config_adapter": "an adapter between configurations: name the strategy that it stands for",
}


def migrate_graph(source: dict[str, Any], migration: Migration) -> None:
    """Fills the migration's document from a strategy graph."""
    portfolio: dict[str, Any] = {"id": "main", "pods": []}
    migration.document.update(
        {"version": 1, "name": slug(source.get("name", "default_graph")), "portfolios": [portfolio]}
    )
    if "name" in source:
        migration.maps("name", "name")
    migration.drops_rest("", source, _GRAPH)
    for number, node in enumerate(source.get("strategies") or []):
        _node(node, f"strategies.{number}", portfolio, migration)
    if not portfolio["pods"]:
        raise ConfigurationError("strategies", ["none of them can be migrated: there is nothing to run"])
    _limits(source, portfolio, migration)
    _settings(source.get("settings") or {}, migration)
    _capital(source.get("capital_policy"), portfolio, migration)


def _node(node: dict[str, Any], path: str, portfolio: dict[str, Any], migration: Migration) -> None:
    given = str(node.get("type"))
    strategy = ENGINES.get(given, given)
    try:
        found = default_registry().resolve(strategy)
    except ConfigurationError as error:
        migration.drops(path, _NO_TYPE.get(given, error.problems[0]))
        return
    name = slug(node.get("id"))
    to = f"portfolios.main.pods.{name}.schedules.{name}"
    names = parameter_names(strategy, frozenset(found.parameters_type.model_fields))
    schedule: dict[str, Any] = {
        "id": name,
        "strategy": f"{found.strategy_type}@{found.version}",
        "symbols": list(dict.fromkeys(str(s).upper() for s in node.get("symbols") or [])) or "*",
        "parameters": renamed(migration, f"{path}.params", f"{to}.parameters", node.get("params") or {}, names),
    }
    for key in ("id", "type", "symbols"):
        migration.maps(f"{path}.{key}", f"{to}.{'strategy' if key == 'type' else key}")
    if "warmup_bars" in node:
        schedule["warmup_bars"] = node["warmup_bars"]
        migration.maps(f"{path}.warmup_bars", f"{to}.warmup_bars")
    migration.drops_rest(path, node, _NODE)
    portfolio["pods"].append({"id": name, "schedules": [schedule]})


def _limits(source: dict[str, Any], portfolio: dict[str, Any], migration: Migration) -> None:
    """Weir's guards limit a symbol of the portfolio: the least of the strategies' limits is on the safe side."""
    for key, guard in (("max_position", "max_position"), ("max_notional", "max_symbol_notional")):
        given = [(n, s[key]) for n, s in enumerate(source.get("strategies") or []) if s.get(key) is not None]
        if given:
            portfolio.setdefault("guards", {})[guard] = min(float(value) for _, value in given)
        for number, _ in given:
            migration.maps(
                f"strategies.{number}.{key}", f"portfolios.main.guards.{guard} (the least of all strategies)"
            )


def _settings(settings: dict[str, Any], migration: Migration) -> None:
    for key, least, section, name in (
        ("heartbeat_timeout_seconds", 5, "runtime", "hang_seconds"),
        ("telemetry_interval_seconds", 10, "telemetry", "interval_seconds"),
    ):
        if key not in settings:
            continue
        if settings[key] < least:
            migration.drops(f"settings.{key}", f"{settings[key]} is below the least allowed, {least} s")
            continue
        migration.document.setdefault(section, {})[name] = settings[key]
        migration.maps(f"settings.{key}", f"{section}.{name}")
    if "allow_partial_start" in settings:
        migration.document["allow_partial_start"] = settings["allow_partial_start"]
        migration.maps("settings.allow_partial_start", "allow_partial_start")
    migration.drops_rest("settings", settings, _SETTINGS)


def _capital(policy: dict[str, Any] | None, portfolio: dict[str, Any], migration: Migration) -> None:
    if not policy:
        return
    kind = policy.get("type", "equal_weight")
    names = {"fixed": "fixed_weight", "vol_target": "volatility_target"}
    portfolio["capital"] = {"name": names.get(kind, kind)}
    if policy.get("weights") is not None:
        portfolio["capital"]["weights"] = {slug(k): float(v) for k, v in policy["weights"].items()}
    if policy.get("target_vol") is not None:
        portfolio["capital"]["target"] = float(policy["target_vol"])
    migration.maps("capital_policy", "portfolios.main.capital")
    migration.drops_rest("capital_policy", policy, {"type", "weights", "target_vol"})
    settle_capital(migration, 0, "capital_policy")
