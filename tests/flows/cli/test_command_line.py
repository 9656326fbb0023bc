"""The command line: help, exit codes, one clean message, and one JSON object at the end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from flows.cli.app import app
from flows.process.code_version import code_version

CONFIGURATION: dict[str, Any] = {
    "instruments": [{"symbol": "A"}, {"symbol": "B"}],
    "time": {"cycle_seconds": 60},
    "topics": {"market": {"partitions": 2}},
    "portfolios": [{"id": "main", "pods": [{"id": "pod", "schedules": [{"id": "s", "strategy": "sma_cross"}]}]}],
}


def weir(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def last_object(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    path = tmp_path / "weir.yaml"
    path.write_text(yaml.safe_dump(CONFIGURATION))
    return path


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom flows.cli.app import app\n"
        "heavy = ('numpy', 'bytewax', 'pydantic', 'pyarrow', 'rich', 'confluent_kafka')\n"
        "print([m for m in heavy if m in sys.modules])\n"
        "app(['--help'], prog_name='weir')"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy, _, text = shown.partition("\n")
    assert heavy == "[]"
    for command in ("demo", "replay", "run", "import", "seal", "record", "publish", "explain", "verify", "diff"):
        assert f"  {command} " in text
    for family in ("config", "topics", "schemas", "state", "version", "clock"):
        assert f"  {family} " in text


def test_the_whole_command_from_a_shell_exits_with_its_code_and_keeps_the_streams_apart(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flows", "replay", "--dump", tmp_path / "none", "--config", tmp_path / "none.yaml"]
    ended = subprocess.run(
        [*map(str, command), "--out", str(tmp_path / "out"), "--json"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert ended.stdout.count("\n") == 1
    assert json.loads(ended.stdout)["exit_code"] == 2
    assert ended.stderr.startswith("weir: error: dump ")
    assert "Traceback" not in ended.stderr


def test_version_names_the_code() -> None:
    found = last_object(weir("version", "--json"))
    assert found["code_version"] == code_version()
    assert found["bytewax"] == "0.21.1"


def test_a_good_configuration_is_checked_down_to_its_strategies(configuration: Path) -> None:
    result = weir("config", "check", configuration, "--json")
    assert result.exit_code == 0
    assert last_object(result)["compiled"] is True


def test_every_fault_of_a_configuration_is_listed_at_once(tmp_path: Path) -> None:
    wrong = {**CONFIGURATION, "time": {"cycle_seconds": -1}, "circuit": {"errors": 0}, "nonsense": 1}
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(wrong))
    result = weir("config", "check", path)
    assert result.exit_code == 2
    for place in ("time.cycle_seconds", "circuit.errors", "nonsense"):
        assert place in result.stderr


def test_a_strategy_that_does_not_exist_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(CONFIGURATION).replace("sma_cross", "sma_crossing"))
    result = weir("config", "check", path)
    assert result.exit_code == 2
    assert "sma_crossing" in result.stderr


def test_config_show_writes_defaults_out_and_its_output_is_the_same_configuration(
    configuration: Path, tmp_path: Path
) -> None:
    shown = weir("config", "show", configuration)
    again = tmp_path / "again.yaml"
    again.write_text(shown.stdout)
    hashes = [last_object(weir("config", "check", p, "--json"))["config_hash"] for p in (configuration, again)]
    assert hashes[0] == hashes[1]


def test_verify_of_nothing_is_unusable(tmp_path: Path) -> None:
    result = weir("verify", tmp_path, "--json")
    assert result.exit_code == 2
    assert last_object(result)["outcome"] == "unusable"


def test_a_place_to_record_from_must_be_written_whole(configuration: Path, tmp_path: Path) -> None:
    result = weir("record", "--config", configuration, "--out", tmp_path / "dump", "--from", "market:x")
    assert result.exit_code == 2
    assert "--from market:x: write role:partition:offset" in result.stderr


def test_a_live_run_needs_a_recovery_folder(configuration: Path) -> None:
    result = weir("run", "--config", configuration)
    assert result.exit_code == 2
    assert "runtime.recovery_directory: a live run needs a recovery folder" in result.stderr


def test_import_makes_a_dump_that_seal_refuses_to_end_twice(tmp_path: Path) -> None:
    prices = tmp_path / "ABC.csv"
    rows = "\n".join(f"{1_700_000_000 + 3600 * n},{10 + n},{11 + n},{9 + n},{10 + n},5" for n in range(30))
    prices.write_text("timestamp,open,high,low,close,volume\n" + rows + "\n")
    result = weir("import", prices, "--out", tmp_path / "dump", "--interval", "1h", "--partitions", "2", "--json")
    assert result.exit_code == 0, result.stderr
    assert last_object(result)["bars"] == 30
    again = weir("seal", tmp_path / "dump", "--out", tmp_path / "sealed")
    assert again.exit_code == 2
    assert "is sealed already" in again.stderr


def test_schemas_are_written_as_json_with_the_table_of_reasons(tmp_path: Path) -> None:
    result = weir("schemas", "export", "--out", tmp_path, "--json")
    assert result.exit_code == 0
    written = [Path(p) for p in last_object(result)["written"]]
    assert all(json.loads(p.read_text())["$schema"] for p in written if p.suffix == ".json")
    assert "| `INPUT_LATE` |" in (tmp_path / "reason_codes.md").read_text()


def test_an_unexpected_error_is_one_line_and_its_traceback_comes_on_demand(
    configuration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_path: Path) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr("schemas.configuration.load_configuration", broken)
    result = weir("config", "check", configuration)
    assert result.exit_code == 1
    assert result.stderr.startswith("weir: error: ZeroDivisionError: a defect (test_command_line.py:")
    assert "Traceback" not in result.stderr
    monkeypatch.setenv("WEIR_DEBUG", "1")
    assert "Traceback" in weir("config", "check", configuration).stderr
