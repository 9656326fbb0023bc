"""A shadow candidate in real processes: live outputs stay byte-identical, over crashes and on Kafka; its own decisions
are those of a plain replay of the candidate."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from flows.dump.decision_lines import split_line
from flows.kafka.settings import ClientSettings
from flows.kafka.topics import partition_count
from tests.kafka_broker import read_all
from tests.processes.live_cluster import weir
from tests.processes.market import document, write_configuration
from tests.processes.outputs import Outputs, assert_equal, outputs_of_files
from tests.processes.trial import Trial

pytestmark = pytest.mark.process

#: Named points with the shape of the run that dies there.
DEATHS = [("files.after_decisions:4", 0, 1), ("stages.after_snapshot:60", 2, 1), ("files.after_snapshot:5", 0, 2)]


def candidate(folder: Path) -> Path:
    """The market's configuration with less leverage."""
    made = document()
    for portfolio in made["portfolios"]:
        portfolio["max_gross_leverage"] = 0.2
    return write_configuration(folder / "candidate.yaml", made)


def replay(market: Path, folder: Path, configuration: Path, *more: str) -> list[str]:
    return [
        "replay", "--dump", str(market), "--config", str(configuration), "--out", str(folder / "out"),
        "--no-clickhouse", "--no-report", "--json", "--slab", "60", *more,
    ]  # fmt: skip


def answer(stdout: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def alone(market: Path, tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    """What a plain replay of the candidate decides."""
    folder = tmp_path_factory.mktemp("alone")
    done = weir(*replay(market, folder, candidate(folder)))
    assert done.returncode == 0, done.stderr
    return outputs_of_files(folder / "out")


def test_live_outputs_and_the_shadows_decisions_survive_kills_in_changing_shapes(
    market: Path, expected: Outputs, alone: Outputs, tmp_path: Path
) -> None:
    shadow = {"configuration": str(candidate(tmp_path))}
    configuration = write_configuration(tmp_path / "weir.yaml", {**document(), "shadow": shadow})
    kept = ("--recovery", str(tmp_path / "recovery"))
    for point, processes, workers in DEATHS:
        shape = ("--processes", str(processes), "--workers", str(workers))
        ended = weir(*replay(market, tmp_path, configuration, *kept, *shape), WEIR_CRASH_POINT=point)
        assert ended.returncode == -signal.SIGKILL or "ended by SIGKILL" in ended.stderr, f"{point}: {ended.stderr}"
    ended = weir(*replay(market, tmp_path, configuration, *kept, "--processes", "2"))
    assert ended.returncode == 0, ended.stderr
    assert_equal(outputs_of_files(tmp_path / "out"), expected)
    assert answer(ended.stdout)["shadow"]["decisions_sha256"] == alone.decisions_sha256
    assert alone.decisions_sha256 != expected.decisions_sha256
    assert (tmp_path / "out" / "shadow" / "orders.jsonl").read_bytes() == b"", "a shadow emits no orders"


@pytest.mark.kafka
def test_on_kafka_live_topics_are_the_same_and_the_shadow_has_its_own(
    kafka_client: ClientSettings, market: Path, expected: Outputs, alone: Outputs, tmp_path: Path
) -> None:
    trial = Trial(kafka_client, tmp_path, shadow={"configuration": str(candidate(tmp_path))}).expecting(expected)
    for command in (["topics", "create"], ["publish", market]):
        done = weir(*command, "--config", trial.configuration, "--json")
        assert done.returncode == 0, done.stderr
    trial.finish(processes=2)
    assert_equal(trial.outputs(), expected)
    bodies: dict[str, list[bytes]] = {}
    topic = f"{trial.prefix}.shadow_decisions"
    for partition in range(partition_count(kafka_client, topic)):
        for record in read_all(kafka_client, topic, partition=partition):
            key, value = record.key(), record.value()
            assert key is not None
            assert value is not None
            bodies.setdefault(key.decode().removesuffix("@1"), []).append(split_line(value)[0])
    # The flow is stopped when live has decided everything: the shadow may have a last batch to write.
    assert bodies.keys() == alone.bodies.keys()
    for portfolio, found in bodies.items():
        assert found == alone.bodies[portfolio][: len(found)]
        assert len(found) > len(alone.bodies[portfolio]) // 2
