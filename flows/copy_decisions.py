"""``weir copy-decisions``: runs the flow from the decisions topic to ClickHouse, with a recovery folder of its own."""

from __future__ import annotations

from pathlib import Path

from flows.decisions_to_clickhouse import decisions_to_clickhouse
from flows.process import drain
from flows.process.alone import run_alone
from schemas.configuration import load_configuration


def copy_decisions(configuration_file: Path, recovery: Path) -> dict[str, int]:
    """Copies until SIGTERM or SIGINT; returns what was counted.

    Raises ConfigurationError, and what :func:`flows.process.alone.run_alone` raises.
    """
    configuration = load_configuration(configuration_file)
    epoch = configuration.runtime.epoch_seconds
    return run_alone(lambda: decisions_to_clickhouse(configuration, drain=drain.requested), recovery, epoch)
