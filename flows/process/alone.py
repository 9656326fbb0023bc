"""A flow in this process alone, with a recovery folder of its own, until it is told to stop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bytewax.dataflow import Dataflow

from flows.process import drain, failure, outcome
from flows.process.recovery_folder import RecoveryFolder
from flows.process.run_failed import RunFailed
from flows.process.worker import execute
from flows.settings import RECOVERY_PARTITIONS


def run_alone(build: Callable[[], Dataflow], recovery: Path, epoch_seconds: float) -> dict[str, int]:
    """Runs what ``build`` makes until SIGTERM or SIGINT; returns what was counted.

    For flows that decide nothing: any configuration and code may go on from any snapshot. Raises ClusterLocked when
    another process has the recovery folder, RunFailed when its disk is full, and what the flow raises.
    """
    with RecoveryFolder(recovery, RECOVERY_PARTITIONS) as folder, drain.on_signals():
        folder.begin("", "")
        try:
            execute(
                build(),
                addresses=[],
                process=0,
                workers=1,
                recovery_folder=folder.snapshots,
                epoch_seconds=epoch_seconds,
            )
        except Exception as error:
            if failure.is_disk_full(error, folder.snapshots):
                raise RunFailed.of(failure.describe(error, folder.snapshots)) from error
            raise
        folder.end()
    return outcome.take().counts
