"""``weir copy-decisions``: runs the flow from the decisions topic to ClickHouse, with a recovery folder of its own."""

from __future__ import annotations

from pathlib import Path

from flows.decisions_to_clickhouse import decisions_to_clickhouse
from flows.process import drain, failure, outcome
from flows.process.recovery_folder import RecoveryFolder
from flows.process.run_failed import RunFailed
from flows.process.worker import execute
from flows.settings import RECOVERY_PARTITIONS
from schemas.configuration import load_configuration


def copy_decisions(configuration_file: Path, recovery: Path) -> dict[str, int]:
    """Copies until SIGTERM or SIGINT; returns what was counted.

    Raises ConfigurationError, ClusterLocked when another process has the recovery folder, and what the flow raises.
    """
    configuration = load_configuration(configuration_file)
    with RecoveryFolder(recovery, RECOVERY_PARTITIONS) as folder, drain.on_signals():
        # Copying decides nothing, so any configuration and code may go on from any snapshot.
        folder.begin("", "")
        try:
            execute(
                decisions_to_clickhouse(configuration, drain=drain.requested),
                addresses=[],
                process=0,
                workers=1,
                recovery_folder=folder.snapshots,
                epoch_seconds=configuration.runtime.epoch_seconds,
            )
        except Exception as error:
            if failure.is_disk_full(error, folder.snapshots):
                raise RunFailed.of(failure.describe(error, folder.snapshots)) from error
            raise
        folder.end()
    return outcome.take().counts
