"""The configuration document: every fault at once, each with its path, and a hash of what decisions depend on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from schemas.configuration import ConfigurationError, config_hash, load_configuration, parse_configuration
from tests.operators.desk import configuration, pod


def faults(*pods: dict[str, Any], **portfolio: Any) -> str:
    symbols = portfolio.pop("symbols", ["AAA"])
    with pytest.raises(ConfigurationError) as error:
        parse_configuration(configuration(*pods, symbols=symbols, **portfolio))
    return str(error.value)


class TestFaults:
    def test_are_collected(self) -> None:
        text = faults(pod("alpha", max_leverage=-1), rebalance_band=-0.1, heartbeat_cycles="often")
        assert "3 problem(s)" in text
        for path in ("pods.0.max_leverage", "rebalance_band", "heartbeat_cycles"):
            assert f"portfolios.0.{path}" in text

    def test_unknown_keys_are_refused(self) -> None:
        assert "portfolios.0.rebalance_bnd" in faults(rebalance_bnd=0.1)

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_numbers_that_are_none_are_refused(self, value: float) -> None:
        assert "max_gross_leverage" in faults(max_gross_leverage=value)

    def test_shares_of_a_pod(self) -> None:
        assert "a share or none" in faults(pod("a", {"id": "x", "share": 0.5}, {"id": "y"}))
        assert "more than 1" in faults(pod("a", {"id": "x", "share": 0.7}, {"id": "y", "share": 0.4}))
        off = pod("a", {"id": "x", "share": 0.7}, {"id": "y", "share": 0.4, "enabled": False})
        parse_configuration(configuration(off))

    def test_names_used_twice(self) -> None:
        assert "pod id used twice: a" in faults(pod("a"), pod("a", "b"))
        assert "schedule id used twice: x" in faults(pod("a", "x"), pod("b", "x"))

    def test_fixed_weights(self) -> None:
        assert "unknown pods: b" in faults(pod("a"), capital={"name": "fixed_weight", "weights": {"b": 1}})
        for weights in ({"a": 0}, {"a": 0.7, "b": 0.7}):
            assert "at most 1" in faults(pod("a"), pod("b"), capital={"name": "fixed_weight", "weights": weights})

    def test_an_unknown_policy_is_an_error(self) -> None:
        assert "capital" in faults(pod("a"), capital={"name": "astrology"})

    def test_a_lookback_that_never_knows_a_volatility(self) -> None:
        capital = {"name": "inverse_volatility", "lookback_days": 10, "min_returns": 20}
        assert "no pod would ever be known" in faults(pod("a"), capital=capital)

    def test_symbols_without_an_instrument(self) -> None:
        assert "no instrument for ZZZ" in faults(pod("a", {"id": "a", "symbols": ["AAA", "ZZZ"]}))
        assert "symbols" in faults(pod("a", {"id": "a", "symbols": []}))

    def test_conversions(self) -> None:
        assert "conversions.EUR: no instrument 'EURUSD'" in faults(conversions={"EUR": "EURUSD"})
        symbols = ["AAA", {"symbol": "EURGBP", "currency": "GBP"}]
        assert "is quoted in GBP, not in USD" in faults(symbols=symbols, conversions={"EUR": "EURGBP"})

    def test_internal_paper_takes_no_fills_topic(self) -> None:
        document = configuration()
        document["topics"]["fills"] = {}
        with pytest.raises(ConfigurationError, match=r"topics\.fills must not be set"):
            parse_configuration(document)

    def test_a_document_that_is_no_mapping(self) -> None:
        with pytest.raises(ConfigurationError, match="not a mapping"):
            parse_configuration(["portfolios"])


class TestFiles:
    def test_a_key_given_twice_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "twice.yaml"
        file.write_text("version: 1\nversion: 1\n")
        with pytest.raises(ConfigurationError, match=r"twice\.yaml(.|\n)*'version' is given twice"):
            load_configuration(file)

    def test_what_cannot_be_read_names_the_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"gone\.yaml"):
            load_configuration(tmp_path / "gone.yaml")
        broken = tmp_path / "broken.yaml"
        broken.write_text("a: [1,")
        with pytest.raises(ConfigurationError, match="is not YAML"):
            load_configuration(broken)

    def test_the_shipped_default_is_valid(self) -> None:
        load_configuration(Path(__file__).parents[2] / "deploy" / "config" / "default.yaml")


class TestHash:
    def test_covers_what_decisions_depend_on(self) -> None:
        plain = parse_configuration(configuration())
        assert config_hash(plain) == config_hash(parse_configuration(configuration()))
        assert config_hash(plain) != config_hash(parse_configuration(configuration(rebalance_band=0.2)))

    def test_an_explicit_default_is_no_change_but_an_explicit_zero_is(self) -> None:
        plain = config_hash(parse_configuration(configuration()))
        assert config_hash(parse_configuration(configuration(rebalance_band=0.10))) == plain
        zero = parse_configuration(configuration(rebalance_band=0))
        assert zero.portfolios[0].rebalance_band == 0
        assert config_hash(zero) != plain

    def test_leaves_addresses_out(self) -> None:
        elsewhere = {**configuration(), "kafka": {"bootstrap_servers": "10.0.0.1:9092"}}
        assert config_hash(parse_configuration(elsewhere)) == config_hash(parse_configuration(configuration()))
