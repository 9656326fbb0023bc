"""The source gives every record once and in order, however it is cut and wherever it resumes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from bytewax import operators as op
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.dump.layout import Dump
from flows.dump.manifest import Manifest, PartitionInfo, TopicInfo
from flows.dump.records import Records
from flows.dump.slabs import END, slab_borders
from flows.dump.source import DumpSource, DumpState
from flows.errors import InputLost, InvalidInput, SnapshotIncompatible
from operators.frames import RecordBlock
from tests.flows.dump.samples import counted, run_flow, write_dump


def slabs_of(
    source: DumpSource, part: str, state: DumpState | None = None
) -> list[tuple[list[RecordBlock], DumpState]]:
    """All slabs of one partition, each with the snapshot after it."""
    partition = source.build_part("in", part, state)
    slabs: list[tuple[list[RecordBlock], DumpState]] = []
    while True:
        try:
            blocks = partition.next_batch()
        except StopIteration:
            return slabs
        slabs.append((blocks, partition.snapshot()))


def rows(slabs: list[tuple[list[RecordBlock], DumpState]]) -> list[tuple[int, int, bytes]]:
    """Every record of the slabs as (offset, timestamp, payload)."""
    return [
        row
        for blocks, _ in slabs
        for block in blocks
        for row in zip(block.offsets.tolist(), block.timestamps.tolist(), block.payloads, strict=True)
    ]


_times = st.lists(st.integers(0, 50), max_size=60)


@given(
    partitions=st.lists(_times, min_size=1, max_size=3),
    borders=st.sets(st.integers(-1, 60), max_size=8),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4),
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_cuts_change_nothing(
    partitions: list[list[int]], borders: set[int], sizes: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("d") / "dump"
    dump = write_dump(folder, {("market", p): counted(times) for p, times in enumerate(partitions)}, "jsonl")
    limits = [*sorted(borders), END]
    source = DumpSource(dump, "market", limits, ragged=sizes)
    for part, times in zip(source.list_parts(), partitions, strict=True):
        slabs = slabs_of(source, part)
        assert len(slabs) == len(limits), "every partition has the same number of slabs"
        assert rows(slabs) == [(i, ts, str(i).encode()) for i, ts in enumerate(times)]
        latest = -1
        for (blocks, _), border in zip(slabs, limits, strict=True):
            latest = max([latest, *rows_times(blocks)])
            assert latest <= border, "no record beyond a slab's border"
        positions = [(block.start, block.next) for blocks, _ in slabs for block in blocks]
        assert all(before[1] == after[0] for before, after in pairwise(positions))
        for at, (_, state) in enumerate(slabs):
            assert rows(slabs_of(source, part, state)) == rows(slabs[at + 1 :]), "resume goes on in the same slabs"
            assert len(slabs_of(source, part, state)) == len(limits) - at - 1


def rows_times(blocks: list[RecordBlock]) -> list[int]:
    """Timestamps of all records of the blocks."""
    return [ts for block in blocks for ts in block.timestamps.tolist()]


@pytest.fixture
def dump(tmp_path: Path) -> Dump:
    """Two market partitions, of which the second is silent in between, and a control topic with a tombstone."""
    control = Records.of([4, 8], [2_000, 9_000], [b"kill", None])
    busy = counted(list(range(10_000)))
    return write_dump(
        tmp_path / "dump", {("market", 0): busy, ("market", 1): counted([0, 9_999]), ("control", 0): control}
    )


@pytest.mark.parametrize("batch", [1, 7, 1000, 10_000])
def test_no_block_is_larger_than_the_batch(dump: Dump, batch: int) -> None:
    source = DumpSource(dump, "market", slab_borders(dump.manifest, 3000), batch=batch)
    sizes = [len(block.payloads) for blocks, _ in slabs_of(source, "market-0") for block in blocks]
    assert max(sizes) <= batch
    assert sum(sizes) == 10_000


def test_slabs_hold_about_as_many_records_as_asked(dump: Dump) -> None:
    borders = slab_borders(dump.manifest, 1000)
    sizes = [
        sum(len(b.payloads) for b in blocks) for blocks, _ in slabs_of(DumpSource(dump, "market", borders), "market-0")
    ]
    assert max(sizes) <= 1100
    assert len(sizes) >= 9


def test_an_empty_slab_is_a_beat(dump: Dump) -> None:
    slabs = slabs_of(DumpSource(dump, "market", slab_borders(dump.manifest, 1000)), "market-1")
    middle = slabs[len(slabs) // 2][0]
    assert [(block.start, block.next, block.payloads) for block in middle] == [(1, 1, [])]


def test_positions_run_from_the_logs_own_beginning_and_a_tombstone_is_an_empty_value(dump: Dump) -> None:
    ((blocks, _),) = slabs_of(DumpSource(dump, "control", [END]), "control-0")
    assert [(block.start, block.next, block.payloads) for block in blocks] == [(4, 9, [b"kill", b""])]


def test_one_wrong_timestamp_does_not_put_all_else_into_one_slab() -> None:
    info = PartitionInfo(file="", records=640, min_ts=0, max_ts=10**18, stride=64, passed=[*range(1, 10), 10**18])
    manifest = Manifest(topics={"market": TopicInfo(topic="market", partitions=[info])})
    assert slab_borders(manifest, 128) == [2, 4, 6, 8, 10**18, END]


def test_other_borders_after_a_resume_lose_nothing(dump: Dump) -> None:
    first = slabs_of(DumpSource(dump, "market", slab_borders(dump.manifest, 1000)), "market-0")
    other = DumpSource(dump, "market", slab_borders(dump.manifest, 3333))
    assert rows(slabs_of(other, "market-0", first[4][1])) == rows(first[5:])


def test_a_drain_ends_the_source_at_its_next_poll(dump: Dump) -> None:
    asked: list[bool] = []
    source = DumpSource(dump, "market", slab_borders(dump.manifest, 1000), drain=lambda: bool(asked))
    partition = source.build_part("in", "market-0", None)
    partition.next_batch()
    state = partition.snapshot()
    asked.append(True)
    with pytest.raises(StopIteration):
        partition.next_batch()
    assert partition.snapshot() == state


@pytest.mark.parametrize(
    ("change", "error"),
    [({"version": 99}, SnapshotIncompatible), ({"partition": 1}, SnapshotIncompatible), ({"index": 10**6}, InputLost)],
)
def test_a_snapshot_that_does_not_fit_is_refused(dump: Dump, change: dict[str, Any], error: type[Exception]) -> None:
    source = DumpSource(dump, "market", [END])
    state = source.build_part("in", "market-0", None).snapshot()
    with pytest.raises(error, match="market"):
        source.build_part("in", "market-0", state | change)


@pytest.mark.parametrize("borders", [[], [5], [5, 5, END], [7, 5, END]])
def test_borders_that_would_lose_records_are_refused(dump: Dump, borders: list[int]) -> None:
    with pytest.raises(InvalidInput, match="slab borders"):
        DumpSource(dump, "market", borders)


def test_a_dataflow_reads_all_partitions(dump: Dump) -> None:
    seen: list[RecordBlock] = []
    flow = Dataflow("read")
    source = DumpSource(dump, "market", slab_borders(dump.manifest, 1000), batch=100)
    op.output("out", op.input("in", flow, source), TestingSink(seen))
    run_flow(flow)
    assert sum(len(block.payloads) for block in seen) == 10_002
