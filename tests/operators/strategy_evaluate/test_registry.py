"""Resolution is exact, or by alias, or an error: never silently another version (spec 3)."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pytest

from operators.normalize.features.feature import Feature
from operators.strategy_evaluate.registry import ENTRY_POINT_GROUP, Registry, default_registry
from operators.strategy_evaluate.strategies.sma_cross import SmaCross
from operators.strategy_evaluate.strategy import Strategy
from schemas.configuration import ConfigurationError
from tests.operators.strategy_evaluate.laboratory import Steps

HERE = __name__


class StepsNext(Steps):
    """A later version, which the bare type does not mean."""

    version = "2.0.0"
    aliases = ("steps_next",)


class Unmarked(Steps):
    """Declares a feature that does not exist."""

    strategy_type = "unmarked"
    aliases = ()

    def features(self) -> tuple[Feature, ...]:
        """Not in the catalogue."""
        return (Feature("moon_phase"),)


class Scalar(Steps):
    """Its state has no row for each symbol."""

    strategy_type = "scalar"
    aliases = ()

    def initial_state(self, symbols: int) -> dict[str, Any]:
        """One number for all."""
        return {"count": np.zeros(1)}


class Explodes(Steps):
    """Cannot be constructed."""

    strategy_type = "explodes"
    aliases = ()

    def __init__(self, parameters: Any) -> None:
        raise RuntimeError("no licence")


not_a_strategy = 42


def registry_of(*strategies: type[Strategy]) -> Registry:
    """A registry with these classes."""
    registry = Registry()
    for strategy in strategies:
        registry.register(strategy)
    return registry


def announced(name: str, value: str) -> Registry:
    """The shipped strategies and one outside entry point."""
    registry = registry_of(SmaCross)
    registry.announce(EntryPoint(name, f"{HERE}:{value}" if ":" not in value else value, ENTRY_POINT_GROUP))
    return registry


def problems(registry: Registry, reference: str, **parameters: Any) -> list[str]:
    """The lines of the error that building raises."""
    with pytest.raises(ConfigurationError) as caught:
        registry.build(reference, parameters)
    return caught.value.problems


class TestResolution:
    """``type@version``, alias, error."""

    def test_versions_stand_side_by_side_and_pinning_one_is_a_rollback(self) -> None:
        registry = registry_of(Steps, StepsNext)
        assert registry.resolve("steps@1.0.0") is Steps
        assert registry.resolve("steps@2.0.0") is StepsNext

    def test_a_bare_type_is_an_alias_to_one_version_not_to_the_latest(self) -> None:
        assert registry_of(Steps, StepsNext).resolve("steps") is Steps

    def test_an_unknown_version_is_never_another_one(self) -> None:
        found = problems(registry_of(Steps, StepsNext), "steps@1.0.1")
        assert found == [
            "strategy: 'steps@1.0.1' is not installed; installed: steps, steps@1.0.0, steps@2.0.0, steps_next"
        ]

    def test_an_alias_means_one_thing(self) -> None:
        registry = registry_of(Steps)
        with pytest.raises(ConfigurationError, match=r"alias 'steps' already means steps@1\.0\.0, not steps@2\.0\.0"):
            registry.register(StepsNext, aliases=["steps"])

    def test_a_version_is_installed_once(self) -> None:
        class Impostor(Steps):
            """Same name, other code."""

        with pytest.raises(ConfigurationError, match=r"steps@1\.0\.0 is installed twice"):
            registry_of(Steps, Impostor)

    def test_what_ships(self) -> None:
        assert {r for r in default_registry().installed() if "@" in r} >= {
            "sma_cross@1.0.0",
            "legacy_macd_rsi@1.0.0",
            "intraday_tsmom@1.0.0",
            "mean_reversion@1.0.0",
        }


class TestBuild:
    """Parameters, features and state are checked before anything starts."""

    def test_every_bad_parameter_is_named_with_its_value(self) -> None:
        found = problems(registry_of(SmaCross), "sma_cross", fast=0, slw=30)
        assert found == [
            "parameters.fast: Input should be greater than or equal to 1 (given: 0)",
            "parameters.slw: Extra inputs are not permitted (given: 30)",
        ]

    def test_parameters_that_contradict_each_other(self) -> None:
        assert problems(registry_of(SmaCross), "sma_cross", fast=30) == [
            "parameters: Value error, fast (30) must be shorter than slow (20)"
        ]

    def test_a_feature_that_does_not_exist(self) -> None:
        found = problems(registry_of(Unmarked), "unmarked@1.0.0")
        assert found[0].startswith("features: moon_phase(): no feature is named 'moon_phase'; known: atr, bollinger")

    def test_state_without_a_row_for_each_symbol(self) -> None:
        assert problems(registry_of(Scalar), "scalar@1.0.0") == [
            "state.count: it needs one row a symbol; for 3 symbols its shape is (1,)"
        ]

    def test_a_class_that_cannot_be_built(self) -> None:
        assert problems(registry_of(Explodes), "explodes@1.0.0") == [
            "strategy: explodes@1.0.0 cannot be built: RuntimeError: no licence"
        ]


class TestOutsidePackages:
    """Entry points, loaded when they are asked for."""

    def test_by_exact_reference_and_by_the_alias_that_its_class_declares(self) -> None:
        assert announced("steps@1.0.0", "Steps").resolve("steps@1.0.0") is Steps
        assert announced("steps@1.0.0", "Steps").resolve("steps") is Steps

    def test_a_broken_package_does_no_harm_until_it_is_used(self) -> None:
        registry = announced("gone@1.0.0", "no_such_module:Gone")
        assert registry.resolve("sma_cross") is SmaCross
        assert "gone@1.0.0" in registry.installed()
        for reference in ("gone@1.0.0", "gone"):
            assert problems(registry, reference) == [
                (
                    "strategy: gone@1.0.0 of no_such_module:Gone cannot be loaded:"
                    " ModuleNotFoundError(\"No module named 'no_such_module'\")"
                )
            ]

    @pytest.mark.parametrize(
        ("name", "value", "complaint"),
        [
            ("other@1.0.0", "Steps", "calls itself steps@1.0.0: rename one"),
            ("number@1.0.0", "not_a_strategy", "is not a Strategy class"),
        ],
    )
    def test_what_is_announced_must_be_what_is_there(self, name: str, value: str, complaint: str) -> None:
        assert problems(announced(name, value), name)[0].endswith(complaint)

    def test_two_packages_with_one_name_are_told_apart_by_nobody(self) -> None:
        registry = announced("steps@1.0.0", "Steps")
        registry.announce(EntryPoint("steps@1.0.0", "elsewhere:Steps", ENTRY_POINT_GROUP))
        assert problems(registry, "steps@1.0.0")[0].endswith("uninstall one")

    def test_a_package_cannot_replace_what_ships(self) -> None:
        assert "installed twice" in problems(announced("sma_cross@1.0.0", "Steps"), "sma_cross")[0]
