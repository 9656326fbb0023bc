"""``weir state show`` tells what a recovery folder holds, and ``limits`` and ``suspensions`` list what commands set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from flows import replay as replay_module
from flows.cli.app import app
from flows.replay import ReplayOptions
from flows.state_view import read_state
from schemas.configuration import parse_configuration
from schemas.messages import ControlCommand, Target
from tests.processes import market as shared

START = (shared.START + 100 * shared.CYCLE_SECONDS) * shared.NS
GIVEN: list[tuple[str, Target, dict[str, Any]]] = [
    ("suspend", Target(scope="schedule", name="fast_schedule"), {"duration_seconds": 36_000}),
    ("set_limit", Target(scope="strategy", name="sma_cross"), {"risk_profile": "balanced", "limit": 3}),
    ("set_risk_limit", Target(scope="portfolio"), {"limit": "max_position", "value": 77}),
    ("restrict", Target(scope="symbol", name=shared.SYMBOLS[2]), {}),
    ("kill", Target(scope="symbol", name=shared.SYMBOLS[0]), {"mode": "freeze"}),
]


@pytest.fixture(scope="module")
def recovery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recovery folder of a whole replay with these commands in its log."""
    folder = tmp_path_factory.mktemp("state")
    usual = shared._control_records

    def with_ours(cycles: int) -> list[tuple[int, bytes]]:
        ours = [
            ControlCommand(
                id=f"own-{n}", command=name, operator="ada", ts=START + n, portfolio="*", target=target, body=body,
                reason="maintenance",
            )
            for n, (name, target, body) in enumerate(GIVEN)
        ]  # fmt: skip
        records = usual(cycles)
        place = next(n for n, (ts, _) in enumerate(records) if ts >= START)
        return [*records[:place], *((c.ts, msgspec.json.encode(c)) for c in ours), *records[place:]]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(shared, "_control_records", with_ours)
        dump = shared.write_market(folder / "dump", cycles=120)
    options = ReplayOptions(recovery=folder / "recovery", clickhouse=False, report=False)
    replay_module.replay(dump, parse_configuration(shared.document()), folder / "out", options)
    return folder / "recovery"


def test_it_tells_positions_limits_holds_and_watermarks(recovery: Path) -> None:
    files = {path: path.read_bytes() for path in recovery.rglob("*") if path.is_file()}
    state = read_state(recovery, now=lambda: max(p.stat().st_mtime for p in files) + 5)
    assert state["portfolios"]
    for portfolio in state["portfolios"].values():
        assert portfolio["limits"]["max_position"] == 77
        assert portfolio["trading_state"] == "ACTIVE"
        assert abs(sum(portfolio["fractions"].values()) - 1.0) < 1e-6
    assert any(shared.SYMBOLS[2] in p["restricted"] for p in state["portfolios"].values())
    switches = [k for p in state["portfolios"].values() for k in p["kill_switches"]]
    assert {"scope": "symbol", "name": shared.SYMBOLS[0], "mode": "freeze"} in switches
    (suspended,) = state["suspensions"]
    assert (suspended["name"], suspended["reason"]) == ("fast_schedule", "maintenance")
    assert 0 < suspended["remaining_seconds"] < 36_000
    assert [(one["strategy"], one["limit"]) for one in state["signal_limits"]] == [("sma_cross", 3)]
    assert {key for key in state["watermarks"] if key.startswith("market")} == {f"market-{n:05d}" for n in range(4)}
    assert all(state["watermarks"].values())
    assert 0 <= state["recovery_age_seconds"] <= 10
    assert {path: path.read_bytes() for path in files} == files, "read-only"


def weir(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_command_line_shows_lists_and_exports_it(recovery: Path, tmp_path: Path) -> None:
    shown = weir("state", "show", recovery)
    assert shown.exit_code == 0, shown.output
    assert "suspended schedule fast_schedule: until" in shown.output
    assert json.loads(weir("state", "show", recovery, "--json").stdout)["suspensions"]
    listed = weir("suspensions", "list", "--recovery", recovery, "--export", tmp_path / "deep" / "s.json")
    assert "schedule fast_schedule" in listed.output and "s remain" in listed.output
    assert json.loads((tmp_path / "deep" / "s.json").read_text())["suspensions"][0]["remaining_seconds"] > 0
    limits = json.loads(weir("limits", "list", "--recovery", recovery, "--json").stdout)
    assert limits["signal_limits"][0]["limit"] == 3
    assert {"max_position": 77} in [
        {k: v for k, v in p.items() if k == "max_position"} for p in limits["risk_limits"].values()
    ]


def test_no_recovery_folder_is_named(tmp_path: Path) -> None:
    ended = weir("state", "show", tmp_path)
    assert (ended.exit_code, "is no recovery folder" in ended.output) == (2, True)
