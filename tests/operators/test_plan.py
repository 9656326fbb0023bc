"""The plan: configuration compiled to indices, with every fault at once."""

from __future__ import annotations

from typing import Any

import pytest

from operators.plan import compile_plan
from operators.strategy_evaluate.registry import default_registry
from schemas.configuration import ConfigurationError, parse_configuration
from tests.operators.desk import configuration, plan_of, pod


def problems(**changed: Any) -> list[str]:
    document = {**configuration(pod("alpha"), symbols=["AAA", "BBB"]), **changed}
    with pytest.raises(ConfigurationError) as error:
        compile_plan(parse_configuration(document), default_registry())
    return error.value.problems


class TestNumbering:
    def test_symbols_are_sorted_whatever_their_order_in_the_document(self) -> None:
        given = plan_of(configuration(pod("alpha"), symbols=["CCC", "AAA", "BBB"]))
        assert given.symbols == ("AAA", "BBB", "CCC")
        assert given.symbol_index == {"AAA": 0, "BBB": 1, "CCC": 2}

    def test_every_symbol_belongs_to_one_key_group(self) -> None:
        given = plan_of(configuration(pod("alpha"), symbols=[f"S{n}" for n in range(20)], partitions=4))
        assert sorted(s for g in given.groups for s in g.symbols.tolist()) == list(range(20))
        assert all(given.group_of[s] == g.partition for g in given.groups for s in g.symbols.tolist())

    def test_pods_of_later_portfolios_count_on(self) -> None:
        given = plan_of(
            configuration(portfolios=[{"id": "a", "pods": [pod("p"), pod("q")]}, {"id": "b", "pods": [pod("p")]}])
        )
        assert [p.pods for p in given.portfolios] == [(0, 1), (2,)]
        assert [(p.id, p.portfolio) for p in given.pods] == [("p", 0), ("q", 0), ("p", 1)]


class TestSchedules:
    def test_disabled_ones_are_left_out_and_the_others_share(self) -> None:
        own = pod("alpha", "one", {"id": "two", "enabled": False}, "three")
        given = plan_of(configuration(own))
        assert [(s.id, s.share) for s in given.schedules] == [("one", 0.5), ("three", 0.5)]

    def test_a_pod_with_none_waits_for_every_key_group(self) -> None:
        off = pod("beta", {"id": "beta", "enabled": False})
        given = plan_of(configuration(pod("alpha"), off, symbols=[f"S{n}" for n in range(9)], partitions=3))
        assert given.pods[1].schedules == ()
        assert given.pods[1].groups == given.portfolios[0].groups

    def test_the_horizon_is_the_interval_unless_it_is_named(self) -> None:
        own = pod("alpha", {"id": "one", "interval": "4h"}, {"id": "two", "horizon": "swing"}, "three")
        assert [s.horizon for s in plan_of(configuration(own)).schedules] == ["4h", "swing", "1h"]

    def test_parameter_hashes_cover_defaults_and_version(self) -> None:
        one, same, other = plan_of(
            configuration(
                pod(
                    "alpha",
                    {"id": "one"},
                    {"id": "same", "parameters": {"fast": 10, "slow": 20}},
                    {"id": "other", "parameters": {"fast": 11, "slow": 20}},
                )
            )
        ).schedules
        assert one.parameter_hash == same.parameter_hash != other.parameter_hash


class TestWatchedSymbols:
    def test_include_what_converts_currencies(self) -> None:
        own = pod("alpha", {"id": "alpha", "symbols": ["DAX"]})
        symbols = [{"symbol": "DAX", "currency": "EUR"}, "EURUSD", "OTHER"]
        given = plan_of(configuration(own, symbols=symbols, conversions={"EUR": "EURUSD"}))
        assert [given.symbols[s] for s in given.pods[0].symbols] == ["DAX", "EURUSD"]
        assert given.schedules[0].symbols.tolist() == [0]


class TestFaults:
    def test_are_all_told_at_once_with_their_path(self) -> None:
        own = pod("alpha", {"id": "one", "strategy": "nobody"}, {"id": "two", "parameters": {"fast": -1}})
        found = problems(portfolios=[{"id": "main", "pods": [own]}])
        assert any(p.startswith("schedules.one.") for p in found)
        assert any(p.startswith("schedules.two.") for p in found)

    def test_from_dump_parts_must_be_resolved(self) -> None:
        assert "instruments: from_dump needs a dump" in problems(instruments="from_dump")[0]
        assert "time.cycle_seconds" in problems(time={"cycle_seconds": "from_dump"})[0]
        assert "topics.market.partitions" in problems(topics={"market": {"partitions": "from_dump"}})[0]

    def test_an_explicit_partitioner_names_a_partition_for_every_symbol(self) -> None:
        market = {"partitions": 2, "partitioner": "explicit", "partition_of": {"AAA": 1}}
        assert problems(topics={"market": market}) == [
            "topics.market.partition_of.BBB: name a partition below 2 for every symbol"
        ]

    def test_no_instruments(self) -> None:
        assert problems(instruments=[]) == ["instruments: at least one is needed"]


class TestCapabilities:
    """Seed 004: a strategy that a deployment may not run is refused when it is loaded."""

    def test_a_strategy_needs_its_capability(self) -> None:
        (problem,) = problems(capabilities=["mean_reversion"])
        assert problem.startswith("schedules.alpha.strategy: sma_cross needs the capability 'sma_cross'")
        assert problem.endswith("active in capabilities: mean_reversion")

    def test_with_it_the_plan_stands(self) -> None:
        document = {**configuration(pod("alpha")), "capabilities": ["sma_cross"]}
        assert [s.id for s in plan_of(document).schedules] == ["alpha"]


class TestPartialStart:
    """Seed 001: ``allow_partial_start`` leaves out what cannot be loaded; by default nothing starts."""

    OWN = pod("alpha", "good", {"id": "bad", "strategy": "nowhere@1.0.0"})

    def test_by_default_nothing_starts(self) -> None:
        with pytest.raises(ConfigurationError, match=r"nowhere@1\.0\.0"):
            plan_of(configuration(self.OWN))

    def test_what_cannot_be_loaded_is_left_out_and_said(self) -> None:
        given = plan_of({**configuration(self.OWN), "allow_partial_start": True})
        assert [s.id for s in given.schedules] == ["good"]
        ((schedule, problem),) = given.left_out
        assert schedule == "bad" and "nowhere@1.0.0" in problem

    def test_what_is_left_keeps_its_share(self) -> None:
        """Less exposure, never more: the missing schedule's share stays cash."""
        given = plan_of({**configuration(self.OWN), "allow_partial_start": True})
        assert [s.share for s in given.schedules] == [0.5]

    def test_nothing_left_does_not_start(self) -> None:
        own = pod("alpha", {"id": "bad", "strategy": "nowhere@1.0.0"})
        with pytest.raises(ConfigurationError, match="nothing else would start"):
            plan_of({**configuration(own), "allow_partial_start": True})
