"""Rewrites the snapshots of a cleanly stopped cluster into a new recovery folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from flows.errors import InvalidInput, SnapshotIncompatible
from flows.process.recovery_folder import MARKER_FILE, Marker, RecoveryFolder
from flows.process.seeding import States, write_states
from flows.process.snapshot_rows import newest_rows, partition_files


def read_states(folder: Path) -> dict[str, dict[str, Any]]:
    """State by key, by step id; raises InvalidInput or SnapshotIncompatible when there are none to be read."""
    states: dict[str, dict[str, Any]] = {}
    for row in newest_rows(folder):
        states.setdefault(row.step, {})[row.key] = row.state
    return states


def rewrite(
    old: Path, new: Path, transform: Callable[[dict[str, dict[str, Any]]], States], marker: Callable[[Marker], Marker]
) -> None:
    """Writes the states of ``old``, as ``transform`` gives them back, into the new recovery folder ``new``.

    ``old`` is left as it is. The new folder counts as cleanly stopped, with the marker that ``marker`` makes of the
    old one.

    Raises:
        InvalidInput: ``old`` is no recovery folder, or ``new`` exists and holds something.
        ClusterLocked: a cluster runs on either.
        SnapshotIncompatible: ``old`` was not stopped cleanly, or ``transform`` cannot use a state.
    """
    partitions = len(partition_files(old))
    if new.exists() and (not new.is_dir() or any(new.iterdir())):
        raise InvalidInput(f"{new} is not empty; snapshots are rewritten into a new folder")
    with RecoveryFolder(old, partitions) as source:
        last = source.marker()
        if last is None or not last.clean:
            raise SnapshotIncompatible(
                f"{old / MARKER_FILE}: the cluster was not stopped cleanly; start it again as it was,"
                " then stop it with SIGTERM"
            )
        states = transform(read_states(old))
        with RecoveryFolder(new, partitions) as target:
            write_states(target, states)
            changed = msgspec.structs.replace(marker(last), clean=False)
            target.begin(changed.config_hash, changed.code_version, changed.market_partitions)
            target.end()
