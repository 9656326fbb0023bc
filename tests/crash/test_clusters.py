"""Clusters that lose a member, live on as zombies, lose their broker, or are stopped in order (design, "Edges")."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from flows.exit_codes import ExitCode
from flows.kafka.local_broker import LocalBroker
from flows.kafka.settings import ClientSettings
from flows.process.recovery_folder import Marker, RecoveryFolder
from flows.process.snapshot_rows import newest_rows, partition_files
from tests.processes.live_cluster import eventually, killed_at_the_end
from tests.processes.outputs import Outputs, assert_equal
from tests.processes.trial import Trial

# Not yet proven on an idle machine within the default suite's time: see the closing note.
pytestmark = [pytest.mark.kafka, pytest.mark.process, pytest.mark.soak]


def total(expected: Outputs) -> int:
    """Number of decisions of the whole market."""
    return sum(expected.counts().values())


def test_when_one_process_of_a_cluster_dies_the_supervisor_restarts_all(
    kafka_client: ClientSettings, market: Path, expected: Outputs, tmp_path: Path
) -> None:
    trial = Trial(kafka_client, tmp_path).topics().publish(market).expecting(expected)
    cluster = trial.cluster().start(processes=2, restarts=3)
    with killed_at_the_end(cluster):
        trial.wait_for(20, cluster)
        before = cluster.processes()
        assert len(before) == 2
        os.kill(before[1], signal.SIGKILL)
        trial.wait_for(total(expected), cluster)
        assert not set(before) & set(cluster.processes())
        assert cluster.stop() == 0, cluster.said[-2000:]
    assert "restart 1 of the whole cluster" in cluster.said
    assert_equal(trial.outputs(), expected)


def test_a_zombie_beside_its_successor_is_fenced_and_writes_nothing(
    kafka_client: ClientSettings, market: Path, expected: Outputs, tmp_path: Path
) -> None:
    trial = Trial(kafka_client, tmp_path).topics().publish(market).expecting(expected)
    zombie = trial.cluster().start(restarts=3)
    # A copy, since the lock keeps a second cluster off the folder itself: what is left is the case of another machine.
    copied = tmp_path / "copied"
    successor = trial.cluster(copied)
    with killed_at_the_end(zombie, successor):
        trial.wait_for(20, zombie)
        zombie.signal(signal.SIGSTOP)
        locked = trial.cluster().start()
        assert locked.wait() == ExitCode.LOCKED, locked.said
        shutil.copytree(trial.recovery, copied)
        successor.start(processes=2)
        trial.wait_for(trial.decided() + 1, successor)
        zombie.signal(signal.SIGCONT)
        assert zombie.wait() == ExitCode.FENCED, zombie.said[-2000:]
        trial.wait_for(total(expected), successor)
        assert successor.stop() == 0, successor.said[-2000:]
    assert_equal(trial.outputs(), expected)


def test_a_broker_that_is_killed_and_comes_back_is_waited_for(
    kafka_broker_of_its_own: LocalBroker, market: Path, expected: Outputs, tmp_path: Path
) -> None:
    broker = kafka_broker_of_its_own
    client = {"bootstrap.servers": broker.bootstrap_servers}
    trial = Trial(client, tmp_path / "trial").topics().publish(market).expecting(expected)
    cluster = trial.cluster().start(processes=2, restarts=5)
    with killed_at_the_end(cluster):
        trial.wait_for(20, cluster)
        broker.kill()
        broker.restart()
        trial.wait_for(total(expected), cluster)
        assert cluster.stop() == 0, cluster.said[-2000:]
    assert_equal(trial.outputs(), expected)


def plant_left_over_rows(recovery: Path) -> int:
    """Rows as an abandoned run leaves them: today's states under the epochs that come next. Returns their number."""
    last = max(row.epoch for row in newest_rows(recovery, decode=False))
    planted = 0
    for file in partition_files(recovery):
        rows = [row for row in newest_rows(recovery) if row.file == file]
        with closing(sqlite3.connect(file)) as connection, connection:
            for row in rows:
                for epoch in range(last + 2, last + 6):
                    values = (row.step, row.key, epoch, pickle.dumps(row.state))
                    connection.execute(
                        "INSERT OR REPLACE INTO snaps (step_id, state_key, snap_epoch, ser_change) VALUES (?, ?, ?, ?)",
                        values,
                    )
                    planted += 1
    return planted


def test_after_sigterm_a_cluster_goes_on_and_left_over_snapshot_rows_never_win(
    kafka_client: ClientSettings, market: Path, expected: Outputs, tmp_path: Path
) -> None:
    trial = Trial(kafka_client, tmp_path).topics().publish(market).expecting(expected)
    first = trial.cluster().start(processes=2)
    with killed_at_the_end(first):
        trial.wait_for(20, first)
        assert first.stop() == 0, first.said[-2000:]
    assert '"drained":true' in first.said
    with RecoveryFolder(trial.recovery, 4) as folder:
        marker = folder.marker()
        assert isinstance(marker, Marker) and marker.clean
    assert plant_left_over_rows(trial.recovery) > 0
    last = max(row.epoch for row in newest_rows(trial.recovery, decode=False))
    second = trial.cluster().start()
    with killed_at_the_end(second):
        # Past the epochs whose rows were planted, so that they are among those that the next resume chooses from.
        eventually(
            "epochs pass",
            lambda: second.ended or max(r.epoch for r in newest_rows(trial.recovery, decode=False)) > last + 2,
        )
        assert not second.ended, second.said[-2000:]
    trial.finish(workers=2)
