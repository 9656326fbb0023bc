"""Splitting a foreign dump: envelope files in which topics and partitions may be mixed, as kcat writes them."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path

from flows.dump.envelope import Envelope, records_of
from flows.dump.files import JSONL_ENDINGS
from flows.dump.manifest import INSTRUMENTS, MANIFEST, Manifest, read_instruments, read_manifest
from flows.dump.reader import read_envelopes
from flows.dump.records import ROLES
from flows.dump.writer import DumpWriter
from flows.errors import InvalidInput, MalformedDump

_LOG = logging.getLogger(__name__)


def split_foreign(
    path: Path,
    workspace: Path,
    topics: Mapping[str, str | None],
    partitions: Mapping[str, int],
    *,
    tolerate_torn_tail: bool = False,
) -> Path:
    """Writes ``path`` in normal layout below ``workspace`` and returns that folder; see :func:`layout.open_dump`.

    Memory stays bounded by the writer's buffers. The folder's name is taken from names, sizes and change times of the
    files and from the arguments, so an unchanged dump is split once.
    """
    for topic, role in topics.items():
        if role is not None and role not in ROLES:
            raise InvalidInput(f"topics: {topic}: role {role!r} is unknown; use one of {', '.join(ROLES)}")
    files = _envelope_files(path)
    fingerprint = _fingerprint(files, sorted(topics.items()), sorted(partitions.items()), tolerate_torn_tail)
    folder = workspace / f"dump-{fingerprint[:16]}"
    if (folder / MANIFEST).exists() and read_manifest(folder).fingerprint == fingerprint:
        return folder
    unfinished = workspace / f"dump-{fingerprint[:16]}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    splitter = _Splitter(unfinished, topics, Manifest(partitioner=None, source=str(path), fingerprint=fingerprint))
    for file in files:
        for number, lines in read_envelopes(file, tolerate_torn_tail=tolerate_torn_tail):
            splitter.add(file, number, lines)
    splitter.close(path, partitions)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    return folder


def _envelope_files(path: Path) -> list[Path]:
    files = sorted(p for p in path.rglob("*") if p.name.endswith(JSONL_ENDINGS)) if path.is_dir() else [path]
    if not files:
        raise InvalidInput(f"{path} holds neither {MANIFEST} nor any file ending in {', '.join(JSONL_ENDINGS)}")
    return files


def _fingerprint(files: list[Path], *arguments: object) -> str:
    digest = hashlib.sha256(repr(arguments).encode())
    for file in files:
        status = file.stat()
        digest.update(f"{file.resolve()}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return digest.hexdigest()


class _Splitter:
    """Sends envelopes to the partition writers of their roles."""

    def __init__(self, folder: Path, topics: Mapping[str, str | None], manifest: Manifest) -> None:
        self._roles: dict[str, str | None] = {**{role: role for role in ROLES}, **topics}
        self._names: dict[str, str] = {}
        self._writer = DumpWriter(folder, manifest, topics=self._names)
        self._left_out: dict[str, int] = {}

    def add(self, file: Path, number: int, lines: list[Envelope]) -> None:
        """Sorts one run of lines into partitions; order within a partition is kept."""
        groups: dict[tuple[str, int], list[Envelope]] = {}
        for line in lines:
            groups.setdefault((line.topic, line.partition), []).append(line)
        for (topic, partition), group in groups.items():
            role = self._role(topic, file)
            if role is None:
                self._left_out[topic] = self._left_out.get(topic, 0) + len(group)
                continue
            try:
                self._writer.append(role, partition, records_of(group))
            except (ValueError, MalformedDump) as error:
                raise MalformedDump(f"{file}: in the lines from {number} on: {error}") from error

    def _role(self, topic: str, file: Path) -> str | None:
        if topic not in self._roles:
            raise InvalidInput(
                f"{file}: topic {topic!r} has no role; map it to one of {', '.join(ROLES)} (topics), or leave it out"
            )
        role = self._roles[topic]
        if role is not None and self._names.setdefault(role, topic) != topic:
            raise InvalidInput(
                f"{file}: topics {self._names[role]!r} and {topic!r} both have the role {role};"
                " a dump holds one topic of each role"
            )
        return role

    def close(self, path: Path, partitions: Mapping[str, int]) -> None:
        """Ends the split; instruments that stand beside the files come along."""
        for topic, count in sorted(self._left_out.items()):
            _LOG.warning("%s: %d records of topic %s left out, as asked", path, count, topic)
        beside = path if path.is_dir() else path.parent
        instruments = read_instruments(beside) if (beside / INSTRUMENTS).exists() else None
        manifest = self._writer.close(instruments, dict(partitions))
        if not manifest.topics:
            raise InvalidInput(f"{path}: not one record of a topic with a role")
