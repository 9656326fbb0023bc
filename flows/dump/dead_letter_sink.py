"""Dead letters into files: one part for each source partition, merged by :mod:`flows.dump.finish`."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from flows.dump.line_file import LineFile
from flows.errors import InvalidInput, SnapshotIncompatible
from operators.frames import Beat, DeadLetterRow, DeadLetters

STATE_VERSION = 1

#: ``{"version", "part", "end"}``: byte at which the next line begins.
DeadLetterState: TypeAlias = dict[str, Any]

_ENCODE = msgspec.json.Encoder().encode


def dead_letter_key(topic: str, partition: int) -> str:
    """Key of a source partition's dead letters, which is its part of the sink too; sorts by topic and number."""
    return f"{topic}-{partition:05d}"


def dead_letter_path(out: Path, key: str) -> Path:
    """File of one source partition's dead letters."""
    return out / "parts" / f"dead_letters-{key}.jsonl"


def dead_letter_line(row: DeadLetterRow) -> bytes:
    """One line; ``payload`` is text, or stands in ``payload_base64`` where it is no UTF-8. ``timestamp`` is in ns."""
    document: dict[str, Any] = {
        "reason": row.reason,
        "error": row.error,
        "topic": row.topic,
        "partition": row.partition,
        "offset": row.offset,
        "timestamp": row.timestamp,
    }
    try:
        document["payload"] = row.payload.decode()
    except UnicodeDecodeError:
        document["payload_base64"] = base64.b64encode(row.payload).decode()
    return _ENCODE(document) + b"\n"


class DeadLetterPart(StatefulSinkPartition["DeadLetters | Beat", DeadLetterState]):
    """Dead letters of one source partition. Nobody acts on them, so what lies beyond a snapshot is written again."""

    def __init__(self, out: Path, key: str, recovery: bool, state: DeadLetterState | None) -> None:
        self._key, self._recovery = key, recovery
        self._file = LineFile(dead_letter_path(out, key), keep=recovery)
        if state is not None and (state.get("version"), state.get("part")) != (STATE_VERSION, key):
            raise SnapshotIncompatible(
                f"dead letter snapshot of {state.get('part')!r} has version {state.get('version')!r};"
                f" this code resumes version {STATE_VERSION} of {key!r};"
                " resume with the code that wrote it, or start on a new recovery folder"
            )
        self._file.cut(state["end"] if state is not None else 0)

    def write_batch(self, values: list[DeadLetters | Beat]) -> None:
        """Appends rows in the order in which they come, which is offset order."""
        self._file.append(
            [dead_letter_line(row) for letters in values if not isinstance(letters, Beat) for row in letters.rows]
        )

    def snapshot(self) -> DeadLetterState:
        """Where the next line begins."""
        if self._recovery:
            self._file.sync()
        return {"version": STATE_VERSION, "part": self._key, "end": self._file.end}

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


class FileDeadLetterSink(FixedPartitionedSink["DeadLetters | Beat", DeadLetterState]):
    """Dead letters of all source partitions, keyed by :func:`dead_letter_key`.

    Args:
        out: the run's folder.
        partitions: (role, partition) of every source partition.
        recovery: the flow keeps snapshots; see :class:`flows.dump.file_sink.FileDecisionSink`.
    """

    def __init__(self, out: Path, partitions: Sequence[tuple[str, int]], *, recovery: bool) -> None:
        self._out, self._recovery = out, recovery
        self._keys = sorted(dead_letter_key(topic, partition) for topic, partition in partitions)

    def list_parts(self) -> list[str]:
        """One part for each source partition."""
        return list(self._keys)

    def part_fn(self, item_key: str) -> int:
        """A source partition's own part; raises InvalidInput for one that the sink was not told of."""
        try:
            return self._keys.index(item_key)
        except ValueError as error:
            raise InvalidInput(f"source partition {item_key!r} is not among {', '.join(self._keys)}") from error

    def build_part(self, step_id: str, for_part: str, resume_state: DeadLetterState | None) -> DeadLetterPart:
        """Opens a source partition's file."""
        return DeadLetterPart(self._out, for_part, self._recovery, resume_state)
