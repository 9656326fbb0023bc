"""What-if through both replays: no change is no difference, and one limit differs first where it first binds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from flows.cli.app import app
from flows.dump.shipped import build_demo_dump
from flows.journal.reader import read_decisions

pytestmark = pytest.mark.process

DEFAULT = Path(__file__).resolve().parents[3] / "deploy" / "config" / "default.yaml"
LIMIT = 20_000.0


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 300 trading days of the shipped data."""
    folder = tmp_path_factory.mktemp("demo") / "dump"
    build_demo_dump(folder, days=300)
    return folder


@pytest.fixture(scope="module")
def unchanged(dump: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The answer where the candidate is the baseline; the journal of its baseline serves as the record elsewhere."""
    out = tmp_path_factory.mktemp("unchanged")
    result = ask(dump, out, "--set", "portfolios.main.max_gross_leverage=1.5")
    assert result.exit_code == 0, result.output
    return out


def ask(dump: Path, out: Path, *arguments: str | Path) -> Result:
    options = ["whatif", "--dump", dump, "--config", DEFAULT, "--out", out, "--json", *arguments]
    return CliRunner().invoke(app, [str(o) for o in options])


def answer(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found


def test_no_change_is_no_difference_byte_for_byte(unchanged: Path) -> None:
    for name in ("decisions.jsonl", "orders.jsonl"):
        assert (unchanged / "baseline" / name).read_bytes() == (unchanged / "candidate" / name).read_bytes()
    found = json.loads((unchanged / "whatif.json").read_text())
    assert found["changes"] == {}
    assert found["difference"]["identical"] is True
    assert found["difference"]["first"] is None
    assert found["difference"]["orders"]["main"]["same"] == found["baseline"]["orders"] > 1000
    figures = [one for p in found["portfolios"] for m in (p, *p["pods"]) for one in m["measures"].values()]
    assert {one["difference"] for one in figures if one["difference"] is not None} == {0}


def test_the_first_difference_is_where_the_changed_limit_first_binds(
    dump: Path, unchanged: Path, tmp_path: Path
) -> None:
    record = unchanged / "baseline"
    found = answer(
        ask(
            dump, tmp_path, "--set", f"portfolios.main.guards.max_symbol_notional={LIMIT}", "--recorded", record,
            "--sequential",
        )
    )  # fmt: skip
    first = found["difference"]["first"]
    assert found["changes"] == {"portfolios[0].guards.max_symbol_notional": [None, LIMIT]}
    assert (first["cycle"], first["cause"]["symbol"]) == first_target_above(record, LIMIT)
    assert first["cause"]["section"] == "clips"
    assert first["cause"]["reason"] == "GUARD_NOTIONAL_LIMIT"
    assert first["cause"]["baseline"] is None
    assert found["recorded"]["identical"] is True, "the record was made by the same inputs and configuration"
    assert found["timing"]["sequential"] is True
    counts = found["difference"]["orders"]["main"]
    assert counts["resized"] > 0
    assert counts["same"] + counts["dropped"] + counts["resized"] == found["baseline"]["orders"]
    assert counts["same"] + counts["added"] + counts["resized"] == found["candidate"]["orders"]
    csv = (tmp_path / "order_changes.csv").read_text().splitlines()
    assert len(csv) - 1 == counts["added"] + counts["dropped"] + counts["resized"]


def first_target_above(run: Path, limit: float) -> tuple[int, str]:
    """(cycle, symbol) of the first order that the unlimited run sized above ``limit``."""
    for line in read_decisions(run):
        table = line.body().orders
        for n in range(0 if table is None else len(table.symbol)):
            assert table is not None
            if abs(table.approved[n]) * table.reference_price[n] > limit:
                return line.cycle, table.symbol[n]
    raise AssertionError("no order is above the limit")


def test_the_report_stands_alone(unchanged: Path) -> None:
    page = (unchanged / "whatif.html").read_text()
    assert "No difference" in page
    assert "data:image/png;base64," in page
    assert "http" not in page.replace("http-equiv", "")
    assert (unchanged / "whatif.png").read_bytes().startswith(b"\x89PNG")


def test_a_fault_is_told_before_anything_is_replayed(dump: Path, tmp_path: Path) -> None:
    result = ask(dump, tmp_path, "--set", "portfolios.main.pods.trend.schedules.trend_fast.strategy=sma_crss")
    assert result.exit_code == 2
    assert "sma_cross" in result.output
    assert not (tmp_path / "baseline" / "parts").exists()


def test_a_setting_and_a_candidate_together_are_refused(dump: Path, tmp_path: Path) -> None:
    result = ask(dump, tmp_path, "--set", "circuit.errors=5", "--candidate", DEFAULT)
    assert result.exit_code == 2
    assert "give one of them" in result.output
