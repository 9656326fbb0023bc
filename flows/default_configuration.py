"""The configuration of a run that names none: one strategy in one pod (seed 001, "Backwards Compatibility")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from schemas.configuration import ConfigurationError
from schemas.configuration.document import Configuration
from schemas.configuration.load import parse_configuration


def single_strategy(strategy: str, symbols: Sequence[str] = (), parameters: Sequence[str] = ()) -> dict[str, Any]:
    """A document with one schedule of ``strategy``; all else comes from the dump or is a default.

    Args:
        strategy: ``type@version`` or an alias.
        symbols: upper-cased, each once; empty: every instrument.
        parameters: ``name=value`` with a value in YAML.

    Raises:
        ConfigurationError: a parameter is not ``name=value``.
    """
    schedule: dict[str, Any] = {"id": "single", "strategy": strategy}
    if symbols:
        schedule["symbols"] = list(dict.fromkeys(s.upper() for s in symbols))
    if parameters:
        schedule["parameters"] = dict(_parameter(p) for p in parameters)
    pod = {"id": "single", "schedules": [schedule]}
    return {"version": 1, "name": "single_strategy", "portfolios": [{"id": "main", "pods": [pod]}]}


def single_strategy_configuration(
    strategy: str, symbols: Sequence[str] = (), parameters: Sequence[str] = ()
) -> Configuration:
    """The same, validated; raises ConfigurationError."""
    return parse_configuration(single_strategy(strategy, symbols, parameters), "the default configuration")


def _parameter(given: str) -> tuple[str, Any]:
    name, equals, value = given.partition("=")
    if not (name and equals and value):
        raise ConfigurationError("--param", [f"{given!r} is not name=value, such as --param fast=10"])
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError:
        raise ConfigurationError("--param", [f"{given!r}: the value is neither a number, a text nor a list"]) from None
