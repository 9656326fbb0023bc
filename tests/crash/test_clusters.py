"""Clusters that lose a member, live on as zombies, lose their broker, or are stopped in order (design, "Edges").

Only the first half of the log is published while it happens, so it always happens in the middle of the log.
"""

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
from tests.processes.outputs import Outputs, assert_begins, assert_equal
from tests.processes.trial import Trial

pytestmark = [pytest.mark.kafka, pytest.mark.process]

Halves = tuple[Path, Path]
#: Decisions after which something happens; the first half of the market has several times as many.
SOME = 20


def test_when_one_process_of_a_cluster_dies_the_supervisor_restarts_all(
    kafka_client: ClientSettings, halves: Halves, expected: Outputs, tmp_path: Path
) -> None:
    trial = Trial(kafka_client, tmp_path).topics().publish(halves[0])
    with trial.cluster().start(processes=2, restarts=3) as cluster:
        trial.wait_for(SOME, cluster)
        before = cluster.processes()
        assert len(before) == 2
        os.kill(before[1], signal.SIGKILL)
        trial.publish(halves[1])
        trial.wait_for(expected.total, cluster)
        assert not set(before) & set(cluster.processes())
        assert cluster.stop() == 0, cluster.said[-2000:]
    assert "restart 1 of the whole cluster" in cluster.said
    assert_equal(trial.outputs(), expected)


def test_a_zombie_beside_its_successor_is_fenced_and_writes_nothing(
    kafka_client: ClientSettings, halves: Halves, expected: Outputs, tmp_path: Path
) -> None:
    trial = Trial(kafka_client, tmp_path).topics().publish(halves[0])
    # A copy, since the lock keeps a second cluster off the folder itself: what is left is the case of another machine.
    copied = tmp_path / "copied"
    with trial.cluster().start(restarts=3) as zombie, trial.cluster(copied) as successor:
        trial.wait_for(SOME, zombie)
        trial.wait_for_epoch(2, zombie)
        zombie.signal(signal.SIGSTOP)
        with trial.cluster().start() as locked:
            assert locked.wait() == ExitCode.LOCKED, locked.said
        shutil.copytree(trial.recovery, copied)
        trial.publish(halves[1])
        successor.start(processes=2)
        trial.wait_for(trial.decided() + 1, successor)
        zombie.signal(signal.SIGCONT)
        assert zombie.wait() == ExitCode.FENCED, zombie.said[-2000:]
        trial.wait_for(expected.total, successor)
        assert successor.stop() == 0, successor.said[-2000:]
    assert_equal(trial.outputs(), expected)


def test_a_broker_that_is_killed_and_comes_back_is_waited_for(
    kafka_broker_of_its_own: LocalBroker, halves: Halves, expected: Outputs, tmp_path: Path
) -> None:
    broker = kafka_broker_of_its_own
    trial = Trial({"bootstrap.servers": broker.bootstrap_servers}, tmp_path / "trial").topics().publish(halves[0])
    with trial.cluster().start(processes=2, restarts=5) as cluster:
        trial.wait_for(SOME, cluster)
        broker.kill()
        broker.restart()
        trial.publish(halves[1])
        trial.wait_for(expected.total, cluster)
        assert cluster.stop() == 0, cluster.said[-2000:]
    assert_equal(trial.outputs(), expected)


def plant_left_over_rows(recovery: Path) -> int:
    """Rows as an abandoned run leaves them: today's states under the epochs that come next. Returns their last."""
    last = max(row.epoch for row in newest_rows(recovery, decode=False))
    for file in partition_files(recovery):
        rows = [row for row in newest_rows(recovery) if row.file == file]
        assert rows
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.executemany(
                "INSERT OR REPLACE INTO snaps (step_id, state_key, snap_epoch, ser_change) VALUES (?, ?, ?, ?)",
                [(r.step, r.key, last + n, pickle.dumps(r.state)) for r in rows for n in range(2, 6)],
            )
    return last + 5


def test_after_sigterm_a_cluster_goes_on_elsewhere_and_left_over_snapshot_rows_never_win(
    kafka_client: ClientSettings, halves: Halves, expected: Outputs, tmp_path: Path
) -> None:
    trial = Trial(kafka_client, tmp_path).topics().publish(halves[0])
    with trial.cluster().start(processes=2) as first:
        trial.wait_for(SOME, first)
        assert first.stop() == 0, first.said[-2000:]
    assert '"drained":true' in first.said
    assert_begins(trial.outputs(), expected)
    with RecoveryFolder(trial.recovery, 4) as folder:
        marker = folder.marker()
        assert isinstance(marker, Marker) and marker.clean
    planted = plant_left_over_rows(trial.recovery)
    trial.publish(halves[1])
    with trial.cluster().start() as second:
        # Past the epochs whose rows were planted, so that they are among those that the next resume chooses from.
        trial.wait_for_epoch(planted + 2, second)
    trial.expecting(expected).finish(workers=2)
