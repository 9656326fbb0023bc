"""The dump as a bytewax source: one slab of event time a poll, the same number of slabs for every partition."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeAlias, cast

import numpy as np
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from flows.dump.layout import Dump
from flows.dump.records import Records
from flows.dump.slabs import END
from flows.errors import InputLost, InvalidInput, SnapshotIncompatible
from operators.frames import BEGINNING, RecordBlock

#: Version of a partition's snapshot.
STATE_VERSION = 1

#: ``{"version", "role", "partition", "index", "next", "border"}``: record number and log position of the next record,
#: and the border that was passed last (BEGINNING at the start).
DumpState: TypeAlias = dict[str, Any]


class DumpPartition(StatefulSourcePartition[RecordBlock, DumpState]):
    """One partition of a dump; see :class:`DumpSource`."""

    def __init__(
        self,
        dump: Dump,
        role: str,
        partition: int,
        borders: Sequence[int],
        sizes: Sequence[int],
        drain: Callable[[], bool],
        state: DumpState | None,
    ) -> None:
        self._role, self._partition, self._borders, self._sizes = role, partition, borders, sizes
        self._drain = drain
        info = dump.partitions(role)[partition]
        self._index, self._next, self._passed = 0, info.first_offset, BEGINNING
        if state is not None:
            self._resume(state, info.records)
        self._runs: Iterator[Records] = dump.read(role, partition, self._index, values_only=True)
        self._run: Records | None = None
        self._at = 0
        self._slab = bisect_right(borders, self._passed)
        self._block = 0

    def _resume(self, state: DumpState, records: int) -> None:
        place = f"{self._role} partition {self._partition}"
        if state.get("version") != STATE_VERSION:
            raise SnapshotIncompatible(
                f"source snapshot of {place} has version {state.get('version')!r}, this code reads {STATE_VERSION};"
                " resume with the code that wrote it, or start without the recovery folder"
            )
        if (state["role"], state["partition"]) != (self._role, self._partition):
            raise SnapshotIncompatible(f"snapshot of {state['role']} partition {state['partition']} given to {place}")
        if state["index"] > records:
            raise InputLost(f"{place}: the snapshot stands at record {state['index']}, the dump ends at {records}")
        self._index, self._next, self._passed = state["index"], state["next"], state["border"]

    def next_batch(self) -> list[RecordBlock]:
        """The blocks of exactly one slab; a beat when it is empty.

        Raises StopIteration after the last slab, and as soon as the flow is to drain.
        """
        if self._slab >= len(self._borders) or self._drain():
            raise StopIteration
        border = self._borders[self._slab]
        blocks: list[RecordBlock] = []
        while (run := self._current_run()) is not None:
            stop = self._end_of_slab(run, border)
            while self._at < stop:
                blocks.append(self._block_of(run, stop))
            if stop < len(run):
                break
        self._slab += 1
        self._passed = border
        return blocks or [RecordBlock.beat(self._role, self._partition, self._next)]

    def _current_run(self) -> Records | None:
        """The run of records that is being given out, or the next one; None at the end of the partition."""
        if self._run is None or self._at == len(self._run):
            self._run, self._at = next(self._runs, None), 0
        return self._run

    def _end_of_slab(self, run: Records, border: int) -> int:
        """Where in ``run`` the first record stands whose running maximum of timestamps passes ``border``.

        All records before are within the border, so it is the first that is itself beyond it.
        """
        if border == END:
            return len(run)
        beyond = run.timestamps[self._at :] > border
        return self._at + int(np.argmax(beyond)) if beyond.any() else len(run)

    def _block_of(self, run: Records, stop: int) -> RecordBlock:
        """The next block, up to ``stop`` at most."""
        start = self._at
        self._at = min(stop, start + self._sizes[self._block % len(self._sizes)])
        self._block += 1
        position, self._next = self._next, int(run.offsets[self._at - 1]) + 1
        self._index += self._at - start
        return RecordBlock(
            self._role,
            self._partition,
            position,
            self._next,
            run.offsets[start : self._at],
            run.timestamps[start : self._at],
            cast("Sequence[bytes]", run.payloads[start : self._at]),
        )

    def snapshot(self) -> DumpState:
        """Where the next slab begins."""
        return {
            "version": STATE_VERSION,
            "role": self._role,
            "partition": self._partition,
            "index": self._index,
            "next": self._next,
            "border": self._passed,
        }


class DumpSource(FixedPartitionedSource[RecordBlock, DumpState]):
    """All partitions of one role of a dump.

    Each poll of a partition gives one slab: every record until the first whose timestamp (as a running maximum) passes
    the slab's border, cut into blocks of at most ``batch`` records, or a beat when there is none. All partitions have
    the same number of slabs; run the flow with epoch interval 0 and no partition is ever more than one slab ahead. A
    tombstone comes as an empty payload.

    Args:
        dump: an opened dump.
        role: which topic.
        borders: slab borders common to *all* sources of the flow, from :func:`flows.dump.slabs.slab_borders`.
        batch: largest number of records of one block.
        ragged: block sizes to use in turn instead of ``batch``: for tests that cut deliberately unevenly.
        drain: true when the flow is to stop cleanly.
    """

    def __init__(
        self,
        dump: Dump,
        role: str,
        borders: Sequence[int],
        *,
        batch: int = 10_000,
        ragged: Sequence[int] | None = None,
        drain: Callable[[], bool] = lambda: False,
    ) -> None:
        sizes = list(ragged) if ragged else [batch]
        if min(sizes) < 1:
            raise InvalidInput(f"batch: {min(sizes)} given, at least 1 is needed")
        if not borders or borders[-1] != END or any(a >= b for a, b in pairwise(borders)):
            raise InvalidInput("slab borders must increase strictly and end with END; take them from slab_borders")
        self._dump, self._role, self._borders, self._sizes, self._drain = dump, role, list(borders), sizes, drain

    def list_parts(self) -> list[str]:
        """One part for each partition, named ``market-0``."""
        return [f"{self._role}-{number}" for number in range(len(self._dump.partitions(self._role)))]

    def build_part(self, step_id: str, for_part: str, resume_state: DumpState | None) -> DumpPartition:
        """Opens a partition, at its beginning or where ``resume_state`` says."""
        partition = int(for_part.rpartition("-")[2])
        return DumpPartition(self._dump, self._role, partition, self._borders, self._sizes, self._drain, resume_state)
