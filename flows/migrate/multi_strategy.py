"""Seed 004's core.yaml: named strategies, and schedulers of them; each scheduler becomes a portfolio, each schedule a
pod of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flows.migrate.migration import Migration, renamed, settle_capital, slug
from flows.migrate.parameters import ENGINES, parameter_names
from operators.strategy_evaluate.registry import default_registry
from schemas.configuration import ConfigurationError

#: Sections with parameters alone, and the strategy that they are for.
_SPECIAL = {
    "mean_reversion_strategies": "mean_reversion",
    "volatility_target_strategies": "volatility_target",
    "cross_exchange_arbitrage_strategies": "cross_exchange_arbitrage",
    "grid_strategies": "grid_trading",
}
_SECTIONS = {"strategies", "multi_strategy_schedulers", "runtime", *_SPECIAL}
_DEFINITION = {"engine", "risk_profile", "tags", "parameters"}
_SCHEDULE = {
    "strategy", "cadence_seconds", "max_drift_seconds", "warmup_bars", "risk_profile", "max_signals", "interval",
    "tags", "priority",
}  # fmt: skip
_COPIED = ("cadence_seconds", "max_drift_seconds", "warmup_bars", "max_signals", "interval", "priority")
_REASONS = {
    "telemetry_namespace": "metrics carry the portfolio's name as a label; telemetry.namespace is one for a deployment",
    "portfolio_governor": "set max_gross_leverage, rebalance and guards of the portfolio instead",
    "rbac_token": "secrets never enter the document: CORE_SCHEDULER_TOKEN authorises the command line",
    "decision_journal": "decisions are always journalled",
}
_LATENCY = "wall-clock latency lives in metrics alone: a replay could not repeat a decision that depends on it"

_Definition = tuple[str, dict[str, Any]]


def migrate_schedulers(source: dict[str, Any], migration: Migration) -> None:
    """Fills the migration's document from schedulers."""
    runtime = source.get("runtime")
    schedulers = source.get("multi_strategy_schedulers") or (runtime or {}).get("multi_strategy_schedulers") or {}
    migration.document.update({"version": 1, "name": "migrated", "portfolios": []})
    migration.drops_rest("", source, _SECTIONS)
    migration.drops_rest("runtime", runtime or {}, {"multi_strategy_schedulers"})
    definitions = dict(_definitions(source, migration))
    for name, scheduler in schedulers.items():
        _scheduler(str(name), scheduler or {}, definitions, migration)
    used = {
        str(s.get("strategy")) for one in schedulers.values() for s in ((one or {}).get("schedules") or {}).values()
    }
    for name in sorted(set(definitions) - used):
        migration.drops(definitions[name][0], "no schedule uses it")
    if not migration.document["portfolios"]:
        raise ConfigurationError("multi_strategy_schedulers", ["there is none with a schedule that can be migrated"])


def _definitions(source: dict[str, Any], migration: Migration) -> Iterator[tuple[str, _Definition]]:
    """Named strategies, with the path that they stand at."""
    for name, definition in (source.get("strategies") or {}).items():
        migration.drops_rest(f"strategies.{name}", definition, _DEFINITION)
        yield str(name), (f"strategies.{name}", definition)
    for section, engine in _SPECIAL.items():
        for name, parameters in (source.get(section) or {}).items():
            yield str(name), (f"{section}.{name}", {"engine": engine, "parameters": parameters or {}, "special": True})


def _scheduler(name: str, scheduler: dict[str, Any], definitions: dict[str, _Definition], migration: Migration) -> None:
    path = f"multi_strategy_schedulers.{name}"
    own: dict[str, Any] = {"id": slug(name), "pods": []}
    engines: dict[str, str] = {}
    for schedule_name, schedule in (scheduler.get("schedules") or {}).items():
        _schedule(
            f"{path}.schedules.{schedule_name}", str(schedule_name), schedule, own, definitions, engines, migration
        )
    if not own["pods"]:
        migration.drops(path, "none of its schedules can be migrated")
        return
    migration.document["portfolios"].append(own)
    if "allocation_rebalance_seconds" in scheduler:
        own["rebalance"] = {"interval_seconds": scheduler["allocation_rebalance_seconds"]}
        migration.maps(f"{path}.allocation_rebalance_seconds", f"portfolios.{own['id']}.rebalance.interval_seconds")
    _suspensions(path, scheduler, own, migration)
    for key in ("signal_limits", "initial_signal_limits"):
        _limits(f"{path}.{key}", scheduler.get(key) or {}, own, engines, migration)
    for key, reason in _REASONS.items():
        if key in scheduler:
            migration.drops(f"{path}.{key}", reason)
    known = {"schedules", "allocation_rebalance_seconds", "initial_suspensions", "signal_limits"}
    migration.drops_rest(path, scheduler, known | {"initial_signal_limits", "capital_policy", *_REASONS})
    if scheduler.get("capital_policy") is not None:
        own["capital"] = _policy(scheduler["capital_policy"], f"{path}.capital_policy", engines, migration)
        migration.maps(f"{path}.capital_policy", f"portfolios.{own['id']}.capital")
        settle_capital(migration, len(migration.document["portfolios"]) - 1, f"{path}.capital_policy")


def _schedule(
    path: str,
    name: str,
    schedule: dict[str, Any],
    portfolio: dict[str, Any],
    definitions: dict[str, _Definition],
    engines: dict[str, str],
    migration: Migration,
) -> None:
    reference = str(schedule.get("strategy"))
    where, definition = definitions.get(reference, ("", {"engine": reference}))
    engine = ENGINES.get(str(definition.get("engine")), str(definition.get("engine")))
    try:
        found = default_registry().resolve(engine)
    except ConfigurationError as error:
        missing = "no strategy of that name is defined" if not where else error.problems[0]
        migration.drops(path, f"strategy {reference!r}: {missing}")
        return
    engines[reference] = found.strategy_type
    pod = slug(name)
    to = f"portfolios.{portfolio['id']}.pods.{pod}.schedules.{pod}"
    given_at = where if definition.get("special") else f"{where}.parameters"
    names = parameter_names(engine, frozenset(found.parameters_type.model_fields))
    parameters = renamed(migration, given_at, f"{to}.parameters", definition.get("parameters") or {}, names)
    own: dict[str, Any] = {"id": pod, "strategy": f"{found.strategy_type}@{found.version}", "parameters": parameters}
    migration.maps(f"{path}.strategy", f"{to}.strategy")
    for key in _COPIED:
        if key in schedule:
            own[key] = schedule[key]
            migration.maps(f"{path}.{key}", f"{to}.{key}")
    for key in ("risk_profile", "tags"):
        given, place = (schedule, path) if key in schedule else (definition, where)
        if key in given:
            own[key] = slug(given[key]) if key == "risk_profile" else [slug(tag) for tag in given[key]]
            migration.maps(f"{place}.{key}", f"{to}.{key}")
    if found.legs:
        migration.drops(f"{path}.symbols", f"name the {found.legs} symbols of its legs under symbols")
    migration.drops_rest(path, schedule, _SCHEDULE)
    portfolio["pods"].append({"id": pod, "schedules": [own]})


def _suspensions(path: str, scheduler: dict[str, Any], own: dict[str, Any], migration: Migration) -> None:
    scheduled = {pod["id"] for pod in own["pods"]}
    tags = {t for pod in own["pods"] for t in pod["schedules"][0].get("tags", [])}
    for number, record in enumerate(scheduler.get("initial_suspensions") or []):
        kept = {k: v for k, v in record.items() if k in ("schedule", "tag", "reason", "until", "duration_seconds")}
        for key in ("schedule", "tag"):
            if key in kept:
                kept[key] = slug(kept[key])
        place = f"{path}.initial_suspensions.{number}"
        if kept.get("schedule", kept.get("tag")) not in scheduled | tags:
            migration.drops(place, "no migrated schedule has this name or tag")
            continue
        own.setdefault("initial_suspensions", []).append(kept)
        migration.maps(place, f"portfolios.{own['id']}.initial_suspensions")


def _limits(
    path: str, limits: dict[str, Any], own: dict[str, Any], engines: dict[str, str], migration: Migration
) -> None:
    """Limits by strategy and profile; Weir's are by strategy type, so of several names of one type the least counts."""
    for strategy, profiles in limits.items():
        if str(strategy) not in engines:
            migration.drops(f"{path}.{strategy}", "no migrated schedule uses this strategy")
            continue
        for profile, given in profiles.items():
            pair = (engines[str(strategy)], slug(profile))
            record: dict[str, Any] = {"strategy": pair[0], "risk_profile": pair[1]}
            record |= {"limit": given} if isinstance(given, int) else given
            found = own.setdefault("initial_signal_limits", [])
            same = [n for n, r in enumerate(found) if _pair(r) == pair]
            if not any(_profile(s) == pair[1] for s in _schedules(own, pair[0])):
                reason = "no migrated schedule has this strategy and risk profile"
                migration.drops(f"{path}.{strategy}.{profile}", reason)
                continue
            migration.maps(f"{path}.{strategy}.{profile}", f"portfolios.{own['id']}.initial_signal_limits")
            if not same:
                found.append(record)
            elif record["limit"] < found[same[0]]["limit"]:
                found[same[0]] = record
    if own.get("initial_signal_limits") == []:
        del own["initial_signal_limits"]


def _pair(record: dict[str, Any]) -> tuple[str, str]:
    return record["strategy"], record["risk_profile"]


def _schedules(own: dict[str, Any], strategy: str) -> list[dict[str, Any]]:
    found = (s for pod in own["pods"] for s in pod["schedules"])
    return [s for s in found if s["strategy"].partition("@")[0] == strategy]


def _profile(schedule: dict[str, Any]) -> str:
    return str(schedule.get("risk_profile", "balanced"))


def _policy(given: Any, path: str, engines: dict[str, str], migration: Migration) -> dict[str, Any]:
    """A policy with what it wraps; strategies go by their type, and rules on latency are left out."""
    policy: dict[str, Any] = {"name": given} if isinstance(given, str) else dict(given)
    if isinstance(policy.get("weights"), dict):
        policy["weights"] = {engines.get(str(k), slug(k)): v for k, v in policy["weights"].items()}
    if isinstance(policy.get("metrics"), dict):
        for metric in [m for m in policy["metrics"] if "latency" in str(m)]:
            migration.drops(f"{path}.metrics.{metric}", _LATENCY)
        policy["metrics"] = {m: r for m, r in policy["metrics"].items() if "latency" not in str(m)}
    for key in ("base", "fallback", "within_profile", "within_tag"):
        if key in policy:
            policy[key] = _policy(policy[key], f"{path}.{key}", engines, migration)
    for number, component in enumerate(policy.get("components") or []):
        component["policy"] = _policy(component["policy"], f"{path}.components.{number}.policy", engines, migration)
    return policy
