"""What a configuration's schedules are, for people and audits (seed 004, ``describe_schedules``)."""

from __future__ import annotations

from typing import Any

from operators.strategy_evaluate.registry import default_registry
from schemas.configuration import Configuration, ConfigurationError
from schemas.configuration.portfolio import Portfolio, Schedule


def describe_schedules(configuration: Configuration, source: str) -> list[dict[str, Any]]:
    """Every schedule with its settings, its strategy's exact version and parameters with defaults, and what holds it
    back at the start; raises ConfigurationError with every strategy that cannot be built."""
    found: list[dict[str, Any]] = []
    problems: list[str] = []
    for portfolio in configuration.portfolios:
        for pod in portfolio.pods:
            for schedule in pod.schedules:
                try:
                    found.append(_description(configuration, portfolio, pod.id, schedule))
                except ConfigurationError as error:
                    problems += [f"schedules.{schedule.id}.{problem}" for problem in error.problems]
    if problems:
        raise ConfigurationError(source, problems)
    return found


def _description(configuration: Configuration, portfolio: Portfolio, pod: str, schedule: Schedule) -> dict[str, Any]:
    strategy = default_registry().build(schedule.strategy, schedule.parameters, capabilities=configuration.capabilities)
    settings = schedule.model_dump(mode="json", exclude={"id", "strategy", "parameters"})
    suspensions = [
        {"scope": s.scope, "name": s.name, "reason": s.reason, "until": s.until, "duration_seconds": s.duration_seconds}
        for s in portfolio.initial_suspensions
        if s.name == schedule.id or s.name in schedule.tags
    ]
    limits = [
        limit.model_dump(mode="json")
        for limit in portfolio.initial_signal_limits
        if (limit.strategy, limit.risk_profile) == (strategy.strategy_type, schedule.risk_profile)
    ]
    return {
        "portfolio": portfolio.id,
        "pod": pod,
        "schedule": schedule.id,
        "strategy": f"{strategy.strategy_type}@{strategy.version}",
        "parameters": strategy.parameters.model_dump(mode="json"),
        **settings,
        "initial_suspensions": suspensions,
        "initial_signal_limits": limits,
    }
