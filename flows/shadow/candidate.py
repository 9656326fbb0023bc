"""Reads the shadow's configuration and says whether it can run beside the live one."""

from __future__ import annotations

from pathlib import Path

from flows.dump.layout import Dump
from flows.resolve import resolve
from flows.settings import Shadow
from flows.whatif.execution import internally_filled
from operators.plan import compile_plan
from operators.strategy_evaluate.registry import default_registry
from schemas.configuration import Configuration, ConfigurationError, load_configuration


def shadow_of(live: Configuration, dump: Dump | None = None) -> Shadow | None:
    """The candidate that ``live``, which is resolved, names in ``shadow.configuration``; None where it names none.

    It fills its own orders, whatever the live portfolios do: fills of orders that it never sent are none of its own.

    Raises:
        ConfigurationError: the candidate is at fault, or reads other topics, key groups or cycles; every fault at once.
    """
    path = live.shadow.configuration
    if path is None:
        return None
    candidate = internally_filled(load_configuration(Path(path)), path)
    if dump is not None:
        candidate = internally_filled(resolve(candidate, dump, path), path)
    problems = [
        f"{name}: {there} here, {here} in the live configuration; a shadow reads what the live flow reads"
        for name, here, there in _layout(live, candidate)
        if here != there
    ]
    if problems:
        raise ConfigurationError(path, problems)
    compile_plan(candidate, default_registry(), path)
    return Shadow(configuration=candidate.model_dump(mode="json"))


def _layout(live: Configuration, candidate: Configuration) -> list[tuple[str, object, object]]:
    """(key, live, candidate) of all that must be the same."""
    found: list[tuple[str, object, object]] = [
        ("time.cycle_seconds", live.time.cycle_seconds, candidate.time.cycle_seconds)
    ]
    for name in ("partitions", "partitioner", "partition_of"):
        here, there = (getattr(one.topics.market, name) for one in (live, candidate))
        found.append((f"topics.market.{name}", here, there))
    for role in ("control", "signals", "overlay"):
        topics = [getattr(one.topics, role) for one in (live, candidate)]
        here, there = (None if topic is None else topic.partitions for topic in topics)
        found.append((f"topics.{role}.partitions", here, there))
    return found
