"""The recovery folder: one cluster at a time, and what it was last written by (design, "Edges", "Recovery").

``run.json`` says which configuration and code wrote the snapshots and whether the run ended cleanly. After an unclean
stop the committed tail may hold more than the snapshot does, so what repeats it must be the same configuration and
code.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from flows.errors import ClusterLocked, InvalidInput, SnapshotIncompatible, WeirError

LOCK_FILE: Final = "cluster.lock"
MARKER_FILE: Final = "run.json"
MARKER_VERSION: Final = 1
PARTITIONS_FOLDER: Final = "snapshots"
#: A whole recovery folder that takes this one's place: the same state for another configuration.
NEXT_FOLDER: Final = "next"
#: A recovery folder needs at least this much room to start with, in bytes.
NEEDED_BYTES: Final = 8 << 20


class Marker(Struct, frozen=True, kw_only=True):
    """Who wrote the snapshots. ``clean``: the run ended in order and its last snapshot is whole.

    ``market_partitions`` is the number of key groups of the snapshot.
    """

    version: int = MARKER_VERSION
    config_hash: str
    code_version: str
    market_partitions: int | None = None
    clean: bool = False


class RecoveryFolder:
    """A recovery folder that this process holds the lock of; use it as a context.

    The lock is on an open file, which children inherit: it is free again only when the last process of the cluster is
    gone, also when the one that took it was killed.

    Args:
        path: the folder; made when it does not exist.
        partitions: recovery partitions of a *new* folder.

    Raises:
        ClusterLocked: another cluster has it; names its process and host.
        WeirError: the folder cannot be made, or its disk is full.
    """

    def __init__(self, path: Path, partitions: int) -> None:
        self.path = path
        self._partitions = partitions
        self._descriptor: int | None = None

    @property
    def snapshots(self) -> Path:
        """Where bytewax keeps its partitions."""
        return self.path / PARTITIONS_FOLDER

    @property
    def next(self) -> Path:
        """Where the folder is made that :meth:`adopt_next` puts in this one's place."""
        return self.path / NEXT_FOLDER

    @property
    def descriptor(self) -> int:
        """The lock's open file, to be inherited by every process of the cluster."""
        if self._descriptor is None:
            raise RuntimeError("the recovery folder is not locked")
        return self._descriptor

    def __enter__(self) -> RecoveryFolder:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock()
        except OSError as error:
            raise InvalidInput(
                f"recovery folder {self.path}: {error.strerror}; name a folder that can be written"
            ) from error
        try:
            self._make_partitions()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _lock(self) -> None:
        descriptor = os.open(self.path / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "an unknown process"
            os.close(descriptor)
            raise ClusterLocked(
                f"recovery folder {self.path} is in use by {holder}; stop that cluster first (SIGTERM),"
                " or give this one a recovery folder of its own"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        self._descriptor = descriptor

    def _make_partitions(self) -> None:
        free = shutil.disk_usage(self.path).free
        if free < NEEDED_BYTES:
            raise WeirError(
                f"recovery folder {self.path}: no space left on its disk ({free} bytes free, at least {NEEDED_BYTES}"
                " needed); free some and start again"
            )
        if self.snapshots.is_dir():
            return
        if self._replaced.is_dir() and (self.next / PARTITIONS_FOLDER).is_dir():
            self._finish_adoption()
            return
        from bytewax import _bytewax as runtime

        init_db_dir: Callable[[Path, int], None] = runtime.init_db_dir
        # Made beside and renamed, so that a crash in between leaves no half set of partitions.
        making = self.path / f"{PARTITIONS_FOLDER}.new"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir()
        init_db_dir(making, self._partitions)
        making.rename(self.snapshots)
        (self.path / MARKER_FILE).unlink(missing_ok=True)

    @property
    def _replaced(self) -> Path:
        return self.path / f"{PARTITIONS_FOLDER}.replaced"

    def adopt_next(self) -> None:
        """Takes over snapshots, marker and documents of the whole folder in :attr:`next`.

        The first rename decides: after it a crash leaves what the next start finishes, before it nothing has happened.
        """
        shutil.rmtree(self._replaced, ignore_errors=True)
        self.snapshots.rename(self._replaced)
        self._finish_adoption()

    def _finish_adoption(self) -> None:
        for document in sorted(self.next.glob("*.json")):
            document.replace(self.path / document.name)
        (self.next / PARTITIONS_FOLDER).rename(self.snapshots)
        _sync(self.path)
        shutil.rmtree(self._replaced, ignore_errors=True)
        shutil.rmtree(self.next, ignore_errors=True)

    def marker(self) -> Marker | None:
        """What the last run left, None for a new folder; raises SnapshotIncompatible when it cannot be read."""
        path = self.path / MARKER_FILE
        try:
            found = msgspec.json.decode(path.read_bytes(), type=Marker)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise SnapshotIncompatible(f"{path}: {error}; start with a new recovery folder") from error
        if found.version != MARKER_VERSION:
            raise SnapshotIncompatible(
                f"{path}: version {found.version} is unknown, this code reads {MARKER_VERSION};"
                " resume with the code that wrote it"
            )
        return found

    def begin(self, config_hash: str, code_version: str, market_partitions: int | None = None) -> None:
        """Says that a run with this configuration and code goes on from here; until :meth:`end` it counts as unclean.

        Raises SnapshotIncompatible when the last run ended uncleanly with another configuration or code, or when the
        number of key groups is another one.
        """
        last = self.marker()
        if last is not None:
            if not last.clean:
                self._demand("config_hash", last.config_hash, config_hash, "start with the configuration of that run")
                self._demand("code version", last.code_version, code_version, "start with the code of that run")
            if None not in (last.market_partitions, market_partitions) and last.market_partitions != market_partitions:
                raise SnapshotIncompatible(
                    f"recovery folder {self.path} holds {last.market_partitions} key groups, the configuration says"
                    f" {market_partitions}; run: weir state repartition"
                )
        self._write(
            Marker(config_hash=config_hash, code_version=code_version, market_partitions=market_partitions, clean=False)
        )

    def _demand(self, what: str, before: str, now: str, fix: str) -> None:
        if before != now:
            raise SnapshotIncompatible(
                f"recovery folder {self.path}: the last run did not end cleanly, so its {what} is needed to go on:"
                f" it was {before}, now it is {now}; {fix}, stop it with SIGTERM, then change it"
            )

    def end(self) -> None:
        """Says that the run ended cleanly."""
        last = self.marker()
        if last is not None:
            self._write(msgspec.structs.replace(last, clean=True))

    def _write(self, marker: Marker) -> None:
        path, beside = self.path / MARKER_FILE, self.path / f"{MARKER_FILE}.new"
        with beside.open("wb") as file:
            file.write(msgspec.json.encode(marker))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        _sync(self.path)


def _sync(path: Path) -> None:
    """Makes renames in a folder last."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
