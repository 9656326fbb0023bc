"""Writing a dump in normal layout: used by import, record, seal and the splitting of foreign dumps."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flows.dump.envelope import encode_lines
from flows.dump.files import open_write
from flows.dump.manifest import Instrument, Manifest, PartitionInfo, TopicInfo, write_instruments, write_manifest
from flows.dump.records import ROLES, Headers, Records
from flows.errors import InvalidInput, MalformedDump
from operators.frames import BEGINNING, Int64

Form = Literal["parquet", "jsonl", "jsonl.gz", "jsonl.zst"]
Compression = Literal["zstd", "lz4"]

#: Rows of one Parquet row group: what a reader holds of each partition. More rows made reading no faster.
ROW_GROUP = 16_384
#: Payload bytes that wait in all partitions together before they are written.
_BUFFER_BYTES = 64 << 20
#: Samples kept of one partition: enough for slabs of some thousand records in 50 million.
_SAMPLES = 8192
_SCHEMA = pa.schema(
    [
        ("offset", pa.int64()),
        ("timestamp", pa.int64()),
        ("key", pa.binary()),
        ("payload", pa.binary()),
        ("headers", pa.binary()),
    ]
)


class _Samples:
    """Running maximum of timestamps at every ``stride`` records; the stride doubles when there are too many."""

    def __init__(self) -> None:
        self.stride = 64
        self.passed: list[int] = []
        self._count = 0
        self._latest = BEGINNING

    def add(self, timestamps: Int64) -> None:
        """Samples the timestamps of the next records."""
        running = np.maximum.accumulate(np.maximum(timestamps, self._latest))
        first = self.stride - 1 - self._count % self.stride
        self.passed += running[first :: self.stride].tolist()
        self._count += len(timestamps)
        self._latest = int(running[-1])
        while len(self.passed) > _SAMPLES:
            self.passed = self.passed[1::2]
            self.stride *= 2


class PartitionWriter:
    """One partition file; checks that offsets increase."""

    def __init__(
        self, folder: Path, role: str, topic: str, partition: int, form: Form, compression: Compression
    ) -> None:
        self.info = PartitionInfo(file=f"{role}/{partition}.{form}")
        self._topic, self._partition, self._role = topic, partition, role
        self._path = folder / self.info.file
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._samples = _Samples()
        self._waiting: list[Records] = []
        self._rows = 0
        self.bytes = 0
        self._lines: IO[bytes] | None = None
        self._parquet: pq.ParquetWriter | None = None
        if form == "parquet":
            self._parquet = pq.ParquetWriter(
                self._path, _SCHEMA, compression=compression, use_dictionary=False, write_statistics=False
            )
        else:
            self._lines = open_write(self._path)

    def append(self, records: Records) -> None:
        """Adds records; raises MalformedDump when offsets do not increase."""
        if not len(records):
            return
        info = self.info
        steps = np.diff(records.offsets, prepend=info.next_offset - 1 if info.records else records.offsets[0] - 1)
        if (steps <= 0).any():
            wrong = int(np.argmax(steps <= 0))
            offset = int(records.offsets[wrong])
            raise MalformedDump(
                f"{self._topic} partition {self._partition}: offset {offset} stands after {offset - int(steps[wrong])};"
                " a partition's records must be in log order, each once"
            )
        lowest, highest = int(records.timestamps.min()), int(records.timestamps.max())
        info.min_ts = min(info.min_ts, lowest) if info.records else lowest
        info.max_ts = max(info.max_ts, highest) if info.records else highest
        if not info.records:
            info.first_offset = int(records.offsets[0])
        info.next_offset = int(records.offsets[-1]) + 1
        info.records += len(records)
        self._samples.add(records.timestamps)
        self._waiting.append(records)
        self._rows += len(records)
        self.bytes += sum(len(payload) for payload in records.payloads if payload is not None)
        if self._rows >= ROW_GROUP:
            self.flush()

    def flush(self) -> None:
        """Writes what waits."""
        if not self._waiting:
            return
        if self._lines is not None:
            for records in self._waiting:
                self._lines.write(encode_lines(self._topic, self._partition, records))
        if self._parquet is not None:
            self._parquet.write_table(pa.concat_tables([_table(r) for r in self._waiting]), row_group_size=ROW_GROUP)
        self._waiting, self._rows, self.bytes = [], 0, 0

    def close(self) -> PartitionInfo:
        """Ends the file and says what it holds."""
        self.flush()
        if self._parquet is not None:
            self._parquet.close()
        if self._lines is not None:
            self._lines.close()
        self.info.stride, self.info.passed = self._samples.stride, self._samples.passed
        return self.info


def _encoded_headers(headers: list[Headers | None] | None, count: int) -> list[bytes | None]:
    if headers is None:
        return [None] * count
    return [msgspec.json.encode(one) if one else None for one in headers]


def _table(records: Records) -> pa.Table:
    count = len(records)
    keys: list[bytes | None] = records.keys if records.keys is not None else [None] * count
    return pa.Table.from_arrays(
        [
            pa.array(records.offsets),
            pa.array(records.timestamps),
            pa.array(keys, pa.binary()),
            pa.array(records.payloads, pa.binary()),
            pa.array(_encoded_headers(records.headers, count), pa.binary()),
        ],
        schema=_SCHEMA,
    )


class DumpWriter:
    """Writes a dump; ``close`` writes the manifest, without which the folder is no dump.

    ``topics`` gives broker names by role where they differ from the role. Raises InvalidInput when the folder already
    holds something, or for an unknown role.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        *,
        form: Form = "parquet",
        compression: Compression = "zstd",
        topics: dict[str, str] | None = None,
    ) -> None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InvalidInput(f"{folder} is not empty; a dump is written to a new folder")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.manifest = folder, manifest
        self._form, self._compression = form, compression
        self._topics = {} if topics is None else topics
        self._partitions: dict[tuple[str, int], PartitionWriter] = {}

    def partition(self, role: str, partition: int) -> PartitionWriter:
        """The writer of one partition; creates its file, so that an empty partition exists too."""
        if role not in ROLES:
            raise InvalidInput(f"role {role!r} is unknown; a dump has {', '.join(ROLES)}")
        if partition < 0:
            raise InvalidInput(f"{role}: partition {partition} is negative")
        place = (role, partition)
        if place not in self._partitions:
            topic = self._topics.get(role, role)
            self._partitions[place] = PartitionWriter(
                self.folder, role, topic, partition, self._form, self._compression
            )
        return self._partitions[place]

    def append(self, role: str, partition: int, records: Records) -> None:
        """Adds records to one partition; memory stays bounded whatever the number of partitions."""
        self.partition(role, partition).append(records)
        if sum(one.bytes for one in self._partitions.values()) > _BUFFER_BYTES:
            for one in self._partitions.values():
                one.flush()

    def close(self, instruments: list[Instrument] | None = None, partitions: dict[str, int] | None = None) -> Manifest:
        """Ends every file and writes instruments and manifest.

        ``partitions`` states how many partitions a role has where trailing ones may be empty.
        """
        counts = {role: max(p for r, p in self._partitions if r == role) + 1 for role, _ in self._partitions}
        for role, count in (partitions or {}).items():
            counts[role] = max(counts.get(role, 0), count)
        for role in sorted(counts, key=ROLES.index):
            infos = [self.partition(role, number).close() for number in range(counts[role])]
            self.manifest.topics[role] = TopicInfo(topic=self._topics.get(role, role), partitions=infos)
        if instruments is not None:
            write_instruments(self.folder, instruments)
        write_manifest(self.folder, self.manifest)
        return self.manifest
