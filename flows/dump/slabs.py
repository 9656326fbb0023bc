"""Cutting a dump into slabs of event time (design, "Run-ahead").

Every partition of every role passes the same borders, one slab an epoch, so no partition runs further ahead of the
slowest than one slab. Borders steer memory and recovery alone: results never depend on them.
"""

from __future__ import annotations

from collections.abc import Iterable

from flows.dump.manifest import Manifest, PartitionInfo

#: A border that no timestamp passes: the last slab takes what is left.
END = 2**62

#: Records of all partitions together in one slab: large enough that an epoch's cost does not show.
RECORDS_PER_SLAB = 40_000


def slab_borders(manifest: Manifest, records_per_slab: int = RECORDS_PER_SLAB) -> list[int]:
    """Strictly increasing record timestamps (ns) at which slabs end; the last is :data:`END`.

    About ``records_per_slab`` records of all partitions together lie between two borders, as the samples in the
    manifest tell. A timestamp gone wrong moves no border but its own, because samples are weighed by records. Records
    of one single timestamp are never parted.
    """
    if records_per_slab < 1:
        raise ValueError(f"records_per_slab: {records_per_slab} given, at least 1 is needed")
    infos = [info for topic in manifest.topics.values() for info in topic.partitions]
    samples = sorted(sample for info in infos for sample in _samples(info))
    borders: list[int] = []
    weight = 0
    for timestamp, records in samples:
        weight += records
        if weight >= records_per_slab and (not borders or timestamp > borders[-1]):
            borders.append(timestamp)
            weight = 0
    return [*borders, END]


def _samples(info: PartitionInfo) -> Iterable[tuple[int, int]]:
    """(running maximum of timestamps, records that it stands for)."""
    for timestamp in info.passed:
        yield timestamp, info.stride
    rest = info.records - info.stride * len(info.passed)
    if rest > 0:
        yield info.max_ts, rest
