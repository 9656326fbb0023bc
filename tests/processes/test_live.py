"""The flow on Kafka, end to end through the command line: the same decisions as from the dump (design, promise 2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.kafka.settings import ClientSettings
from tests.processes.live_cluster import weir
from tests.processes.market import write_shuffled
from tests.processes.outputs import Outputs, assert_equal, outputs_of_files
from tests.processes.trial import Trial, replayed

pytestmark = [pytest.mark.kafka, pytest.mark.process]


def test_a_published_dump_gives_the_decisions_of_its_replay_and_a_recording_of_it_too(
    kafka_client: ClientSettings, market: Path, expected: Outputs, tmp_path: Path
) -> None:
    trial = Trial(kafka_client, tmp_path, kafka={"poll_messages": 500}).expecting(expected)
    for command in (["topics", "create"], ["publish", market]):
        done = weir(*command, "--config", trial.configuration, "--json")
        assert done.returncode == 0, done.stderr
    trial.finish(processes=2)
    ended = weir("record", "--config", trial.configuration, "--out", tmp_path / "recorded", "--no-seal", "--json")
    assert ended.returncode == 0, ended.stderr
    result = replayed(tmp_path / "recorded", trial.configuration, tmp_path / "again")
    assert result["decisions_sha256"] == expected.decisions_sha256
    assert_equal(outputs_of_files(tmp_path / "again"), expected)


def test_partitions_that_arrive_in_any_order_while_the_cluster_runs_change_nothing(
    kafka_client: ClientSettings, expected: Outputs, tmp_path: Path
) -> None:
    trial = Trial(kafka_client, tmp_path, kafka={"poll_messages": 50}).topics()
    with trial.cluster().start(processes=2, workers=2, PYTHONHASHSEED="7") as cluster:
        for part in write_shuffled(tmp_path / "parts", 4, seed=3):
            trial.publish(part)
        trial.wait_for(expected.total, cluster)
        assert cluster.stop() == 0, cluster.said[-2000:]
    assert_equal(trial.outputs(), expected)
