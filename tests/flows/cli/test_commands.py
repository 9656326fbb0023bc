"""Commands of operators as they are typed: what is sent, signed or refused, without a broker (seed 004, spec 13)."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from flows import commands_to_kafka
from flows.cli.app import app
from flows.errors import InvalidInput
from flows.operator_keys import TOKEN_VARIABLE, read_key_file
from flows.times import duration_seconds, moment
from operators.control.commands import CommandJudge
from schemas.control import COMMANDS
from schemas.messages import ControlCommand
from schemas.reasons import Reason
from tests.operators.desk import configuration, plan_of, pod

Weir = Callable[..., Result]
DOCUMENT = configuration(pod("alpha", {"id": "alpha", "tags": ["fast"]}), symbols=("AAA", "BBB"))

#: What is typed, and what goes out: command, scope, name, body.
TYPED: list[tuple[str, tuple[str, str, str, dict[str, Any]]]] = [
    ("suspend --schedule alpha", ("suspend", "schedule", "alpha", {})),
    ("suspend --tag fast --duration 30m", ("suspend", "tag", "fast", {"duration_seconds": 1800.0})),
    ("suspend --tag fast --until 2024-01-01T00:00:00Z", ("suspend", "tag", "fast", {"until": 1704067200 * 10**9})),
    ("resume --tag fast", ("resume", "tag", "fast", {})),
    ("limits set sma_cross:balanced=2", ("set_limit", "strategy", "sma_cross",
                                         {"risk_profile": "balanced", "limit": 2})),
    ("limits clear sma_cross:balanced", ("clear_limit", "strategy", "sma_cross", {"risk_profile": "balanced"})),
    ("limits risk max_position=50", ("set_risk_limit", "portfolio", "", {"limit": "max_position", "value": 50.0})),
    ("limits risk max_position=off", ("set_risk_limit", "portfolio", "", {"limit": "max_position", "value": None})),
    ("limits risk max_position", ("clear_risk_limit", "portfolio", "", {"limit": "max_position"})),
    ("capital force", ("force_rebalance", "portfolio", "", {})),
    ("capital skip", ("skip_rebalance", "portfolio", "", {})),
    ("capital interval 6h", ("set_interval", "portfolio", "", {"seconds": 21600.0})),
    ("kill --reason x", ("kill", "portfolio", "", {"mode": "freeze"})),
    ("kill --reason x --symbol AAA --mode flatten", ("kill", "symbol", "AAA", {"mode": "flatten"})),
    ("arm --note checked", ("arm", "portfolio", "", {})),
    ("trading-state reducing", ("trading_state", "portfolio", "", {"state": "REDUCING"})),
    ("trading-state ACTIVE --note checked", ("trading_state", "portfolio", "", {"state": "ACTIVE"})),
    ("restrict AAA", ("restrict", "symbol", "AAA", {})),
    ("restrict AAA --remove", ("unrestrict", "symbol", "AAA", {})),
    ("pods pause alpha --duration 2h", ("pause_pod", "pod", "alpha", {"duration_seconds": 7200.0})),
    ("pods resume alpha", ("resume_pod", "pod", "alpha", {})),
    ("pods retire alpha --reason done", ("retire_pod", "pod", "alpha", {})),
]  # fmt: skip


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[ControlCommand]:
    """Commands on their way to the broker."""
    found: list[ControlCommand] = []
    monkeypatch.setattr(commands_to_kafka, "send", lambda configuration, command: found.append(command))
    for name in ("WEIR_OPERATOR_KEY", TOKEN_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    return found


@pytest.fixture
def weir(tmp_path: Path) -> Weir:
    (tmp_path / "weir.json").write_text(json.dumps(DOCUMENT))

    def run(line: str, document: dict[str, Any] | None = None) -> Result:
        path = tmp_path / "weir.json"
        if document is not None:
            path.write_text(json.dumps(document))
        return CliRunner().invoke(app, [*line.split(), "--config", str(path)])

    return run


@pytest.mark.parametrize(("line", "expected"), TYPED, ids=[line for line, _ in TYPED])
def test_what_is_typed_goes_out_and_is_accepted(
    line: str, expected: tuple[Any, ...], weir: Weir, sent: list[ControlCommand]
) -> None:
    ended = weir(line + " --operator ada")
    assert ended.exit_code == 0, ended.output
    (command,) = sent
    assert (command.command, command.target.scope, command.target.name, command.body) == expected
    assert CommandJudge(plan_of(DOCUMENT), 0).judge(command, command.ts).reason is Reason.CONTROL_ACCEPTED


def test_every_command_can_be_typed(weir: Weir, sent: list[ControlCommand], tmp_path: Path) -> None:
    (tmp_path / "next.json").write_text(json.dumps(DOCUMENT))
    (tmp_path / "policy.yaml").write_text("name: blended\ncomponents:\n  - {policy: equal_weight}\n")
    assert weir(f"configure {tmp_path}/next.json").exit_code == 0
    assert weir(f"capital swap {tmp_path}/policy.yaml --skip-rebalance").exit_code == 0
    assert sent[1].body["rebalance"] is False
    assert {c.command for c in sent} | {expected[0] for _, expected in TYPED} == COMMANDS.keys()
    judge = CommandJudge(plan_of(DOCUMENT), 0)
    assert [judge.judge(c, c.ts).reason for c in sent] == [Reason.CONTROL_ACCEPTED] * 2


def test_several_at_once_are_several_commands(weir: Weir, sent: list[ControlCommand]) -> None:
    ended = weir("suspend --schedule alpha --tag fast --reason maintenance --json")
    assert [(c.target.name, c.reason) for c in sent] == [("alpha", "maintenance"), ("fast", "maintenance")]
    assert [w["id"] for w in json.loads(ended.stdout)["commands"]] == [c.id for c in sent]


def test_when_it_holds(weir: Weir, sent: list[ControlCommand]) -> None:
    weir("capital force --effective-at 2030-01-01T00:00:00Z --expires-at 2030-01-02")
    assert (sent[0].effective_at, sent[0].expires_at) == (1893456000 * 10**9, 1893542400 * 10**9)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("suspend", "name a --schedule or a --tag"),
        ("suspend --tag fast --until 2024-01-01 --duration 1h", "not both"),
        ("suspend --tag fast --duration soon", "such as 30m"),
        ("suspend --tag fast --until soon", "ISO 8601"),
        ("limits set sma_cross=2", "STRATEGY:PROFILE"),
        ("limits set sma_cross:balanced=many", "whole number"),
        ("limits risk max_position=-1", "value -1.0"),
        ("capital swap astrology", "astrology"),
        ("trading-state ACTIVE", "--note"),
        ("trading-state OFF", "state 'OFF'"),
        ("kill --reason x --mode explode", "freeze or flatten"),
    ],
)
def test_what_the_flow_would_refuse_is_refused_here(
    line: str, says: str, weir: Weir, sent: list[ControlCommand]
) -> None:  # fmt: skip
    ended = weir(line)
    assert (ended.exit_code, sent) == (2, [])
    assert says in ended.output


class TestKeys:
    def made(self, tmp_path: Path, role: str = "risk") -> tuple[Path, dict[str, Any]]:
        key = tmp_path / f"{role}.key"
        ended = CliRunner().invoke(app, ["operator", "keygen", "--out", str(key), "--operator", "ada", "--json"])
        assert ended.exit_code == 0, ended.output
        return key, {**DOCUMENT, "operators": {"keys": [{**json.loads(ended.stdout), "role": role}]}}

    def test_a_key_signs_what_the_flow_then_accepts(
        self, weir: Weir, sent: list[ControlCommand], tmp_path: Path
    ) -> None:
        key, document = self.made(tmp_path)
        assert weir(f"kill --reason x --key {key}", document).exit_code == 0
        (command,) = sent
        assert (command.operator, command.key_id) == ("ada", "ada-1")
        assert CommandJudge(plan_of(document), 0).judge(command, command.ts).accepted

    def test_the_role_decides(self, weir: Weir, sent: list[ControlCommand], tmp_path: Path) -> None:
        key, document = self.made(tmp_path, "operator")
        weir(f"arm --note x --key {key}", document)
        assert CommandJudge(plan_of(document), 0).judge(sent[0], sent[0].ts).reason is Reason.CONTROL_FORBIDDEN

    def test_the_environment_may_name_the_file(
        self, weir: Weir, sent: list[ControlCommand], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key, document = self.made(tmp_path)
        monkeypatch.setenv("WEIR_OPERATOR_KEY", str(key))
        weir("capital force", document)
        assert sent[0].signature

    def test_without_a_key_nothing_is_sent_where_keys_are_configured(
        self, weir: Weir, sent: list[ControlCommand], tmp_path: Path
    ) -> None:
        _, document = self.made(tmp_path)
        ended = weir("kill --reason x", document)
        assert (ended.exit_code, sent) == (2, [])
        assert "--key" in ended.output

    def test_a_key_is_private_and_never_written_over(self, tmp_path: Path) -> None:
        key, _ = self.made(tmp_path)
        before = key.read_bytes()
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        again = CliRunner().invoke(app, ["operator", "keygen", "--out", str(key)])
        assert (again.exit_code, key.read_bytes()) == (2, before)

    @pytest.mark.parametrize("text", ["", "{}", '{"key_id":"a","operator":"b","private_key":"c2hvcnQ="}'])
    def test_a_file_that_is_no_key_is_named(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "bad.key").write_text(text)
        with pytest.raises(InvalidInput, match=r"bad\.key"):
            read_key_file(tmp_path / "bad.key")


GUARDED = {**DOCUMENT, "runtime": {"command_token_sha256": hashlib.sha256(b"sesame").hexdigest()}}


class TestToken:
    """CORE_SCHEDULER_TOKEN authorises the command line itself, where the configuration asks for it (seed 004)."""

    @pytest.mark.parametrize(("token", "code"), [("sesame", 0), ("open", 2), (None, 2)])
    def test_only_with_the_right_one(
        self, token: str | None, code: int, weir: Weir, sent: list[ControlCommand], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if token is not None:
            monkeypatch.setenv(TOKEN_VARIABLE, token)
        ended = weir("capital force", GUARDED)
        assert (ended.exit_code, len(sent)) == (code, int(code == 0))
        assert "sesame" not in ended.output


class TestTimes:
    @pytest.mark.parametrize(
        ("text", "seconds"),
        [("3600", 3600), ("90s", 90), ("30m", 1800), ("2h", 7200), ("1.5d", 129600), ("1w", 604800)],
    )
    def test_durations(self, text: str, seconds: float) -> None:
        assert duration_seconds(text) == seconds

    @pytest.mark.parametrize("text", ["", "0", "-5m", "1y", "h", "1e3", "9" * 30])
    def test_no_durations(self, text: str) -> None:
        with pytest.raises(InvalidInput):
            duration_seconds(text)

    def test_a_moment_without_a_zone_is_utc(self) -> None:
        assert moment("2024-01-01") == moment("2024-01-01T00:00:00Z") == moment("2024-01-01T01:00:00+01:00")

    @pytest.mark.parametrize("text", ["noon", "1969-12-31", "9999-01-01"])
    def test_no_moments(self, text: str) -> None:
        with pytest.raises(InvalidInput):
            moment(text)
