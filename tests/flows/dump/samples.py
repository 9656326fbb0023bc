"""Records and dumps that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bytewax.testing import run_main
from hypothesis import strategies as st

from flows.dump.layout import Dump, open_dump
from flows.dump.manifest import Manifest
from flows.dump.records import Headers, Records
from flows.dump.writer import DumpWriter, Form

#: Runs a dataflow in this thread; ``run_main`` has no types of its own.
run_flow: Callable[..., None] = run_main

FORMS: list[Form] = ["parquet", "jsonl", "jsonl.gz", "jsonl.zst"]

#: Everything that a log can hold: text, raw bytes, a tombstone, an empty value, headers that repeat or are null.
AWKWARD = Records.of(
    offsets=[5, 6, 9, 10, 11],
    timestamps=[1_700_000_000_000_000_001, 1_700_000_000_000_000_000, 1, 0, 1_700_000_000_123_000_000],
    payloads=[b'{"ts":1}', b"\xff\x00\xfe", None, b"", 'né\u2028\n"\\'.encode()],
    keys=[b"BTCUSDT", None, b"\xff", b"", b"k"],
    headers=[[("a", b"1"), ("a", b"2")], None, [("raw", b"\xff"), ("none", None)], None, [("", b"")]],
)


def write_dump(
    folder: Path, records: dict[tuple[str, int], Records], form: Form = "parquet", manifest: Manifest | None = None
) -> Dump:
    """A dump of ``records`` by (role, partition)."""
    writer = DumpWriter(folder, manifest or Manifest(), form=form)
    for (role, partition), part in records.items():
        writer.partition(role, partition)
        writer.append(role, partition, part)
    writer.close()
    return open_dump(folder)


def plain(records: Records) -> list[tuple[int, int, bytes | None, bytes | None, Headers | None]]:
    """Records as comparable rows."""
    count = len(records)
    keys = records.keys if records.keys is not None else [None] * count
    headers = records.headers if records.headers is not None else [None] * count
    return list(
        zip(records.offsets.tolist(), records.timestamps.tolist(), records.payloads, keys, headers, strict=True)
    )


def read_all(
    dump: Dump, role: str, partition: int, start: int = 0
) -> list[tuple[int, int, bytes | None, bytes | None, Headers | None]]:
    """All records of a partition as comparable rows."""
    return [row for records in dump.read(role, partition, start) for row in plain(records)]


def counted(timestamps: list[int]) -> Records:
    """Records at ``timestamps`` whose payload is their number."""
    count = len(timestamps)
    return Records.of(list(range(count)), timestamps, [str(i).encode() for i in range(count)])


_headers = st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=5)), min_size=1, max_size=3)


@st.composite
def any_records(draw: st.DrawFn) -> Records:
    """Any records that a partition can hold."""
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(1, 1000),
                st.integers(0, 2**62),
                st.none() | st.binary(max_size=30) | st.text(max_size=30).map(str.encode),
                st.none() | st.binary(max_size=8),
                st.none() | _headers,
            ),
            min_size=1,
            max_size=20,
        )
    )
    offsets = [sum(row[0] for row in rows[: i + 1]) for i in range(len(rows))]
    return Records.of(offsets, *[[row[k] for row in rows] for k in range(1, 5)])  # type: ignore[arg-type]
