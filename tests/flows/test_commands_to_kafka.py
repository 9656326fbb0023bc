"""``weir kill`` and ``weir arm``: what they write, where, and in which order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.commands_to_kafka import halt_of, new_command
from flows.kafka.settings import ClientSettings
from schemas.messages import Target
from tests.kafka_broker import read_all
from tests.processes.live_cluster import weir
from tests.processes.market import document


def test_only_kill_and_arm_concern_the_execution_service() -> None:
    kinds = {
        name: halt_of(new_command(name, Target(scope="portfolio"), portfolio="*", operator="ada"))
        for name in ("kill", "arm", "force_rebalance")
    }
    assert [kinds["kill"].halted, kinds["arm"].halted] == [True, False]  # type: ignore[union-attr]
    assert kinds["force_rebalance"] is None


@pytest.mark.kafka
@pytest.mark.process
class TestCommandLine:
    @pytest.fixture
    def configuration(self, kafka_client: ClientSettings, kafka_topic: Any, tmp_path: Path) -> Path:
        self.topics = {role: kafka_topic(role) for role in ("control", "halts")}
        made = document(kafka={"bootstrap_servers": kafka_client["bootstrap.servers"], "topics": self.topics})
        (tmp_path / "weir.yaml").write_text(yaml.safe_dump(made))
        return tmp_path / "weir.yaml"

    def test_a_kill_is_written_to_halts_and_control_with_one_id(
        self, configuration: Path, kafka_client: ClientSettings
    ) -> None:
        ended = weir(
            "kill",
            "--config",
            configuration,
            "--symbol",
            "S00",
            "--reason",
            "fat finger",
            "--operator",
            "ada",
            "--json",
        )
        assert ended.returncode == 0, ended.stderr
        halt, command = (
            json.loads(read_all(kafka_client, self.topics[role])[0].value() or b"") for role in ("halts", "control")
        )
        assert halt["id"] == command["id"] == json.loads(ended.stdout)["id"]
        assert (halt["halted"], halt["scope"], halt["name"], halt["operator"]) == (True, "symbol", "S00", "ada")
        assert (command["command"], command["body"], command["reason"]) == ("kill", {"mode": "freeze"}, "fat finger")

    def test_two_targets_are_refused_before_anything_is_written(
        self, configuration: Path, kafka_client: ClientSettings
    ) -> None:
        ended = weir("kill", "--config", configuration, "--symbol", "S00", "--pod", "fast", "--reason", "x")
        assert ended.returncode == 2
        assert "name one of" in ended.stderr
        assert read_all(kafka_client, self.topics["halts"]) == []

    def test_arming_needs_a_note(self, configuration: Path) -> None:
        ended = weir("arm", "--config", configuration)
        assert ended.returncode == 2
        assert "--note" in ended.stderr
