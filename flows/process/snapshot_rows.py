"""The rows of bytewax's recovery partitions: one state a step and key, in SQLite files (design, "Recovery").

Only for a cluster that has stopped cleanly: then every key's newest row is its state.
"""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from flows.errors import InvalidInput, SnapshotIncompatible
from flows.process.recovery_folder import MARKER_FILE, PARTITIONS_FOLDER


class StateRow(NamedTuple):
    """The newest state of a step's key; ``file`` holds it, written in ``epoch``."""

    file: Path
    step: str
    key: str
    epoch: int
    state: Any


class Described(Struct, frozen=True, kw_only=True):
    """What ``weir state show`` tells; ``states`` counts keys by step."""

    marker: dict[str, Any]
    states: dict[str, int]


def partition_files(folder: Path) -> list[Path]:
    """The SQLite files of a recovery folder; raises InvalidInput when it is none."""
    files = sorted((folder / PARTITIONS_FOLDER).glob("part-*.sqlite3"))
    if not files:
        raise InvalidInput(f"{folder} is no recovery folder: there is no {PARTITIONS_FOLDER}/part-*.sqlite3 in it")
    return files


def newest_rows(folder: Path, *, decode: bool = True) -> Iterator[StateRow]:
    """The newest row of every step and key, by file, step and key; states that ended are left out.

    Raises SnapshotIncompatible for a file that is no recovery partition.
    """
    query = (
        "SELECT step_id, state_key, snap_epoch, ser_change FROM snaps AS s WHERE snap_epoch ="
        " (SELECT max(snap_epoch) FROM snaps WHERE step_id = s.step_id AND state_key = s.state_key)"
        " AND ser_change IS NOT NULL ORDER BY step_id, state_key"
    )
    for file in partition_files(folder):
        try:
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
                rows = connection.execute(query).fetchall()
        except sqlite3.DatabaseError as error:
            raise SnapshotIncompatible(f"{file}: {error}; restore it or start with a new recovery folder") from error
        for step, key, epoch, change in rows:
            # bytewax pickles; the folder is written by this cluster alone and locked by it.
            yield StateRow(file, step, key, epoch, pickle.loads(change) if decode else None)


def describe(folder: Path) -> Described:
    """Marker and number of states by step of a recovery folder."""
    states: dict[str, int] = {}
    for row in newest_rows(folder, decode=False):
        states[row.step] = states.get(row.step, 0) + 1
    path = folder / MARKER_FILE
    marker: dict[str, Any] = msgspec.json.decode(path.read_bytes()) if path.exists() else {}
    return Described(marker=marker, states=dict(sorted(states.items())))
