"""``weir journal`` as an operator and an auditor use it: keys, signed replay, export, verification, anchors, counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from flows.cli.app import app
from flows.clickhouse.client import connect
from flows.clickhouse.sink import load_decisions
from flows.dump.importer import import_bars
from flows.journal.tail import follow_file
from schemas.configuration.document import ClickHouse
from tests.decision_records import ChainBuilder
from tests.signed_journals import ring, signed_chain

HOURS = 60


def weir(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def answer(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    (tmp_path / "prices").mkdir()
    rows = [f"{1_700_000_000 + 3600 * n},{p},{p + 1},{p - 1},{p},5" for n in range(HOURS) for p in [10 + n % 9]]
    (tmp_path / "prices" / "AAAUSDT.csv").write_text("timestamp,open,high,low,close,volume\n" + "\n".join(rows) + "\n")
    import_bars(tmp_path / "prices", tmp_path / "dump", "1h", "close", 1)
    return tmp_path / "dump"


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    schedule = {"id": "cross", "strategy": "sma_cross", "parameters": {"fast": 2, "slow": 5}}
    path = tmp_path / "weir.yaml"
    path.write_text(yaml.safe_dump({"portfolios": [{"id": "main", "pods": [{"id": "pod", "schedules": [schedule]}]}]}))
    return path


def test_a_signed_run_from_its_key_to_the_auditors_verdict(
    tmp_path: Path, dump: Path, configuration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, auditor = tmp_path / "keys.json", tmp_path / "auditor.json"
    assert weir("journal", "keygen", "--out", keys, "--id", "2026a").exit_code == 0
    auditor.write_text(weir("journal", "keygen", "--public", keys).stdout)
    replays = ("replay", "--dump", dump, "--config", configuration, "--no-clickhouse", "--no-report", "--json", "--out")
    plain = answer(weir(*replays, tmp_path / "plain"))
    monkeypatch.setenv("WEIR_JOURNAL_KEYS", str(keys))
    signed = answer(weir(*replays, tmp_path / "run"))
    assert signed["decisions_sha256"] == plain["decisions_sha256"]
    assert signed["orders_sha256"] == plain["orders_sha256"]

    exported = weir("journal", "export", "--run", tmp_path / "run", "--out", tmp_path / "journal",
                    "--anchors", tmp_path / "second" / "anchors.jsonl", "--json")  # fmt: skip
    assert exported.exit_code == 0, exported.output
    owner = answer(weir("journal", "verify", tmp_path / "journal", "--json"))
    assert (owner["outcome"], owner["verified"]) == ("ok", signed["decisions"])
    monkeypatch.delenv("WEIR_JOURNAL_KEYS")
    checks = ("--keys", auditor, "--anchors", tmp_path / "second" / "anchors.jsonl", "--json")
    seen = weir("journal", "verify", tmp_path / "journal", *checks)
    assert (seen.exit_code, answer(seen)["sealed"]) == (0, len(answer(exported)["segments"]))

    next((tmp_path / "journal").iterdir()).unlink()
    assert weir("journal", "verify", tmp_path / "journal", *checks).exit_code == 1


def test_exit_codes_tell_ok_broken_and_unusable_apart(tmp_path: Path) -> None:
    run = ChainBuilder().build(5).write(tmp_path / "run")
    verify = ("journal", "verify", run, "--live")
    assert weir(*verify, "--allow-unsigned").exit_code == 0
    broken = weir(*verify, "--json")
    assert (broken.exit_code, answer(broken)["findings"][0]["verdict"]) == (1, "unsigned")
    assert weir("journal", "verify", run, "--allow-unsigned").exit_code == 1, "a run's journal has no footer"
    assert weir("journal", "verify", tmp_path / "none").exit_code == 2
    signed_chain(ring(), 5).write(tmp_path / "signed")
    unchecked = weir("journal", "verify", tmp_path / "signed", "--live")
    assert (unchecked.exit_code, "give --keys" in unchecked.output) == (2, True)


def test_verify_says_that_a_run_is_unsigned(tmp_path: Path) -> None:
    shown = weir("verify", ChainBuilder().build(5).write(tmp_path))
    assert (shown.exit_code, "UNSIGNED" in shown.output) == (0, True)


def test_a_journal_goes_through_clickhouse_and_keeps_its_signatures(tmp_path: Path) -> None:
    keys = ring(5)
    signed_chain(keys, 30, ("main", "hedge")).write(tmp_path / "run")
    path = tmp_path / "clickhouse"
    client = connect(ClickHouse(path=str(path)))
    load_decisions(tmp_path / "run", client)
    client.close()
    key_file, configuration = tmp_path / "keys.json", tmp_path / "weir.yaml"
    document = {
        "hmac": [
            {"id": "k0", "secret": keys.hmac[0].secret.hex()},
            {"id": "k1", "secret": keys.hmac[1].secret.hex(), "from": "2024-01-01T05:00:00Z"},
        ],
        "ed25519": [{"id": "seal-1", "private": bytes(range(32)).hex()}],
    }
    key_file.write_text(json.dumps(document))
    pods = [{"id": "pod", "schedules": [{"id": "s", "strategy": "sma_cross"}]}]
    configuration.write_text(
        yaml.safe_dump({"clickhouse": {"path": str(path)}, "portfolios": [{"id": "main", "pods": pods}]})
    )
    out = ("--out", tmp_path / "journal", "--keys", key_file, "--last-day", "close")
    assert weir("journal", "export", "--clickhouse", configuration, *out).exit_code == 0
    found = answer(weir("journal", "verify", tmp_path / "journal", "--keys", key_file, "--json"))
    assert (found["outcome"], found["verified"], found["segments"]) == ("ok", 60, 2)
    assert found["keys"]["main"] == [[1, "k0"], [5, "k1"]]


def test_tail_shows_the_last_decisions_that_fit(tmp_path: Path) -> None:
    run = ChainBuilder().build(30).write(tmp_path)
    lines = weir("journal", "tail", run, "-n", "3", "--symbol", "SOLUSDT").stdout.splitlines()
    assert len(lines) == 3
    assert all("SOLUSDT" in line or "fills" in line for line in lines)
    assert lines[-1].startswith("2024-01-02 06:00:00Z main 30 ACTIVE")
    cut = weir("journal", "tail", run, "--reason", "LEVERAGE", "--json").stdout.splitlines()
    assert all(json.loads(line)["clips"]["reason"] == ["LEVERAGE_POD_SYMBOL"] for line in cut)
    assert weir("journal", "tail", run, "--portfolio", "other").stdout == ""


def test_tail_follows_a_file_that_grows_and_one_that_is_replaced(tmp_path: Path) -> None:
    lines = ChainBuilder().build(4).lines
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(lines[0] + b"\n")
    appended = [(False, lines[1] + b"\n" + lines[2][:50]), (False, lines[2][50:] + b"\n"), (True, lines[3] + b"\n")]
    done = False

    def pause(_seconds: float) -> None:
        nonlocal done
        done = not appended
        if appended:
            replaced, content = appended.pop(0)
            if replaced:
                path.unlink()
            with path.open("ab") as file:
                file.write(content)

    assert list(follow_file(path, lambda: done, pause=pause)) == lines[1:4]


def test_stats_count_by_day_pod_and_reason(tmp_path: Path) -> None:
    chain = ChainBuilder(cancels=True).build(30)
    found = answer(weir("journal", "stats", chain.write(tmp_path), "--json"))
    assert [(day, counts["decisions"]) for day, counts in sorted(found["days"].items())] == [
        ("2024-01-01", 24),
        ("2024-01-02", 6),
    ]
    assert found["total"]["orders"] + found["total"]["cancels"] == len(chain.orders)
    assert found["reasons"]["GUARD_HALTED"] == found["total"]["cancels"] > 0
    assert set(found["pods"]) == {"trend", "reversion"}
    assert found["signed_by"] == {"unsigned": 30}
    assert "LEVERAGE_POD_SYMBOL" in weir("journal", "stats", tmp_path).stdout


def test_an_anchor_is_made_of_a_sound_journal_alone(tmp_path: Path) -> None:
    run = ChainBuilder().build(5).write(tmp_path / "run")
    anchors = tmp_path / "anchors.jsonl"
    assert weir("journal", "anchor", run, "--to", anchors).exit_code == 0
    check = ("journal", "verify", run, "--live", "--allow-unsigned", "--anchors", anchors)
    assert weir(*check).exit_code == 0
    path = run / "decisions.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    assert weir(*check).exit_code == 1
    path.write_bytes(b"".join([lines[0], *lines[2:]]))
    assert weir("journal", "anchor", run, "--to", anchors).exit_code == 1
