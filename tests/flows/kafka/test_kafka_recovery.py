"""A real flow through real bytewax recovery: killed at its named points it goes on as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from bytewax.recovery import init_db_dir

from flows.exit_codes import ExitCode
from flows.kafka.settings import ClientSettings
from tests.kafka_broker import produce, read_all

MakeTopic = Callable[..., str]
ROOT = Path(__file__).resolve().parents[3]
RECORDS = 400


class Run:
    """One cluster of one process over its own topics."""

    def __init__(self, client: ClientSettings, make_topic: MakeTopic, recovery: Path) -> None:
        self.client = client
        self.topics = {name: make_topic(name) for name in ("market", "decisions", "orders")}
        self.start_over(recovery)

    def start_over(self, recovery: Path) -> None:
        """Continue on an empty recovery folder."""
        self.recovery = recovery
        recovery.mkdir()
        init_db_dir(recovery, 1)  # type: ignore[no-untyped-call]

    def start(self, crash_point: str | None = None, batch: int = 7) -> subprocess.CompletedProcess[str]:
        told = {"bootstrap": self.client["bootstrap.servers"], "recovery": str(self.recovery), "batch": batch}
        environment = {key: value for key, value in os.environ.items() if key != "WEIR_CRASH_POINT"}
        environment["PYTHONPATH"] = str(ROOT)
        if crash_point:
            environment["WEIR_CRASH_POINT"] = crash_point
        return subprocess.run(
            [sys.executable, "-m", "tests.flows.kafka.kafka_flow", json.dumps(told | self.topics)],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def values(self, name: str) -> list[bytes]:
        return [message.value() or b"" for message in read_all(self.client, self.topics[name])]

    def sequences(self) -> list[int]:
        return [msgspec.json.decode(value)["body"]["sequence"] for value in self.values("decisions")]


@pytest.fixture
def run(kafka_client: ClientSettings, kafka_topic: MakeTopic, tmp_path: Path) -> Run:
    made = Run(kafka_client, kafka_topic, tmp_path / "recovery")
    produce(kafka_client, made.topics["market"], [b"%d" % i for i in range(RECORDS)])
    return made


def test_killed_before_and_after_commits_every_order_is_there_once(run: Run) -> None:
    for crash_point in ("decisions.before_commit:3", "decisions.after_commit:2", "decisions.after_commit:5"):
        ended = run.start(crash_point)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
    # Other cuts into batches give the same decisions, so the committed ones are recognised.
    ended = run.start(batch=11)
    assert ended.returncode == 0, ended.stderr
    everything = list(range(1, RECORDS + 1))
    assert run.sequences() == everything
    assert run.values("orders") == [b'{"order":%d}' % sequence for sequence in everything]


def test_a_clean_stop_continues_where_it_was(run: Run) -> None:
    assert run.start().returncode == 0
    produce(run.client, run.topics["market"], [b"more"])
    ended = run.start()
    assert ended.returncode == 0, ended.stderr
    assert run.sequences() == list(range(1, RECORDS + 2))


def test_without_its_snapshots_a_run_finds_everything_committed_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    assert run.start().returncode == 0
    run.start_over(tmp_path / "other")
    ended = run.start("decisions.before_commit")
    assert ended.returncode == 0, ended.stderr
    assert run.sequences() == list(range(1, RECORDS + 1))


def test_other_input_under_the_same_log_ends_with_the_exit_code_of_divergence(
    run: Run, kafka_topic: MakeTopic, tmp_path: Path
) -> None:
    assert run.start().returncode == 0
    run.topics["market"] = kafka_topic("other")
    produce(run.client, run.topics["market"], [b"0", b"another price"])
    run.start_over(tmp_path / "other")
    ended = run.start()
    assert ended.returncode == ExitCode.DIVERGED, ended.stderr
    assert "portfolio alpha decision 2" in ended.stderr
