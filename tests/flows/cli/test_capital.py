"""``weir capital``: what a run's journal says of its capital."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from tests.decision_records import journal_line
from tests.operators.desk import desk_of, pod


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two pods: a first allocation and a forced one, then a gain."""
    blend = {"name": "blended", "components": [{"policy": "equal_weight", "label": "even"}]}
    desk = desk_of(pod("alpha", max_leverage=2), pod("beta"), capital=blend)
    desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 1.0}})
    desk.cycle({"AAA": 100.0})
    desk.command("force_rebalance")
    desk.cycle({"AAA": 100.0})
    desk.cycle({"AAA": 150.0}, {"beta": {"AAA": 0.5}})
    folder = tmp_path_factory.mktemp("run")
    (folder / "decisions.jsonl").write_bytes(b"".join(journal_line(b) + b"\n" for b in desk.bodies["main"]))
    return folder


def weir(*words: str) -> str:
    result = CliRunner().invoke(app, ["capital", *words], env={"COLUMNS": "160"})
    assert result.exit_code == 0, result.output
    return result.stdout


def answer(*words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(weir(*words, "--json").splitlines()[-1])
    return found


def test_show_gives_steps_and_reasons(run: Path) -> None:
    text = weir("show", "--out", str(run))
    assert "blended" in text and "0:even: equal_weight" in text
    found = answer("show", "--out", str(run))
    assert found["capital"]["trigger"] == "forced"
    assert found["leverage"]["alpha"] == {"used": 1.0, "limit": 2.0, "ratio": 0.5}


def test_timeline_lists_every_allocation_and_plots(run: Path, tmp_path: Path) -> None:
    found = answer("timeline", "--out", str(run), "--plot", str(tmp_path / "capital.png"))
    assert [s["trigger"] for s in found["snapshots"]] == ["first", "forced"]
    assert (tmp_path / "capital.png").read_bytes().startswith(b"\x89PNG")
    assert "forced" in weir("timeline", "--out", str(run), "--last", "1")


def test_drift_marks_what_is_past_the_limit(run: Path) -> None:
    found = answer("drift", "--out", str(run))["drift"]
    assert found["alpha"]["drift"] == pytest.approx(0.1)
    assert found["beta"]["drift"] == pytest.approx(-0.1)
    assert "!" in weir("drift", "--out", str(run), "--limit", "0.05")
    assert "!" not in weir("drift", "--out", str(run), "--limit", "0.2")


def test_what_is_not_there_is_said_with_its_fix(run: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["capital", "show", "--out", str(run), "--portfolio", "other"])
    assert result.exit_code == 2
    assert "no portfolio 'other'; there are main" in result.output
    assert CliRunner().invoke(app, ["capital", "show", "--out", str(tmp_path)]).exit_code == 2
