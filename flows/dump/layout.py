"""What a dump is, and how one is opened.

A dump is a folder. Normal layout: ``<role>/<partition>.jsonl[.gz|.zst]`` or ``<role>/<partition>.parquet`` for the
roles market, signals, fills, overlay and control, ``dump.json`` (see :class:`flows.dump.manifest.Manifest`) and
``instruments.json``. Any other folder with envelope files, as kcat writes them, is a foreign dump: it is split into
normal layout once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from flows.dump.foreign import split_foreign
from flows.dump.manifest import MANIFEST, Instrument, Manifest, PartitionInfo, read_instruments, read_manifest
from flows.dump.reader import read_partition
from flows.dump.records import Records
from flows.errors import InvalidInput, MalformedDump


@dataclass(frozen=True, slots=True)
class Dump:
    """An opened dump in normal layout."""

    folder: Path
    manifest: Manifest

    @property
    def roles(self) -> list[str]:
        """Roles that the dump has a topic for, in the order of ``ROLES``."""
        return list(self.manifest.topics)

    def partitions(self, role: str) -> list[PartitionInfo]:
        """Partitions of a role in order; empty when the dump has no such topic."""
        topic = self.manifest.topics.get(role)
        return topic.partitions if topic is not None else []

    def records(self, role: str | None = None) -> int:
        """How many records a role, or the whole dump, holds."""
        return sum(info.records for name in ([role] if role else self.roles) for info in self.partitions(name))

    def read(self, role: str, partition: int, start: int = 0, *, values_only: bool = False) -> Iterator[Records]:
        """Runs of records of a partition from record *number* ``start`` (not offset) on."""
        infos = self.partitions(role)
        if not 0 <= partition < len(infos):
            raise InvalidInput(f"{self.folder}: {role} has {len(infos)} partitions, {partition} was asked for")
        return read_partition(self.folder / infos[partition].file, start, values_only=values_only)

    def instruments(self) -> list[Instrument]:
        """The dump's instruments, sorted by symbol; empty when it brings none."""
        return read_instruments(self.folder)


def open_dump(
    path: Path,
    workspace: Path | None = None,
    topics: Mapping[str, str | None] | None = None,
    *,
    partitions: Mapping[str, int] | None = None,
    tolerate_torn_tail: bool = False,
) -> Dump:
    """Opens a dump, splitting a foreign one into ``workspace`` first (once; the split is reused while files are equal).

    Args:
        path: the dump's folder, or a single envelope file.
        workspace: folder for what a split writes; needed for foreign dumps alone.
        topics: broker topic name → role, or None to leave that topic out. A topic named like a role needs no entry.
        partitions: partition counts by role, where a foreign dump's last partitions may be empty.
        tolerate_torn_tail: leave out a cut-off last line of a foreign file, with a warning.

    Raises InvalidInput for a path that is no dump, MalformedDump naming file and line for a bad record.
    """
    if not path.exists():
        raise InvalidInput(f"dump {path} does not exist; make one with weir import or weir record")
    if path.is_dir() and (path / MANIFEST).exists():
        return _checked(Dump(path, read_manifest(path)))
    if workspace is None:
        raise InvalidInput(f"{path} has no {MANIFEST}: a foreign dump needs a workspace to be split into")
    folder = split_foreign(path, workspace, topics or {}, partitions or {}, tolerate_torn_tail=tolerate_torn_tail)
    return Dump(folder, read_manifest(folder))


def _checked(dump: Dump) -> Dump:
    """The dump, when every file that its manifest names is there."""
    for role in dump.roles:
        for info in dump.partitions(role):
            if not (dump.folder / info.file).is_file():
                raise MalformedDump(
                    f"{dump.folder / info.file} is missing, but {MANIFEST} names it; copy the dump whole"
                )
    return dump
