"""Reading one partition file, in either form, as columns."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flows.dump.envelope import Envelope, decode_line, decode_lines, records_of
from flows.dump.files import open_read
from flows.dump.records import Headers, Records
from flows.errors import MalformedDump
from operators.frames import Int64
from operators.payloads import Payloads

_CHUNK = 1 << 18
_LOG = logging.getLogger(__name__)


def read_partition(path: Path, start: int = 0, *, values_only: bool = False) -> Iterator[Records]:
    """Runs of records of one partition file from record number ``start`` on.

    ``values_only`` leaves keys and headers out and gives a
    tombstone as an empty payload, which saves time. Memory is bounded by one row group or
    one chunk of lines. Raises MalformedDump naming file and line or row group.
    """
    if path.suffix == ".parquet":
        yield from _read_parquet(path, start, values_only)
        return
    position = 0
    for _, lines in read_envelopes(path):
        after = position + len(lines)
        if after > start:
            yield _columns(path, lines[max(0, start - position) :], max(start, position), values_only)
        position = after


def _columns(path: Path, lines: list[Envelope], record: int, values_only: bool) -> Records:
    try:
        return records_of(lines, values_only=values_only)
    except ValueError as error:
        raise MalformedDump(f"{path}: after record {record}: {error}") from error


def _read_parquet(path: Path, start: int, values_only: bool) -> Iterator[Records]:
    columns = ["offset", "timestamp", "payload"] if values_only else None
    try:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if start >= rows:
                    start -= rows
                    continue
                table = file.read_row_group(group, columns=columns, use_threads=False)
                yield _from_table(table.slice(start) if start else table, values_only)
                start = 0
    except (pa.ArrowException, msgspec.MsgspecError, KeyError, OSError, TypeError) as error:
        raise MalformedDump(f"{path}: {error}; expected columns offset, timestamp, payload (key, headers)") from error


def _from_table(table: pa.Table, values_only: bool) -> Records:
    names = table.column_names
    payload = table.column("payload")
    if not pa.types.is_binary(payload.type):
        raise TypeError(f"payload is {payload.type}, not binary")
    return Records(
        _whole_numbers(table.column("offset")),
        _whole_numbers(table.column("timestamp")),
        _in_one_buffer(payload) if values_only else cast("list[bytes | None]", payload.to_pylist()),
        _optional(table.column("key")) if "key" in names else None,
        _decoded_headers(table.column("headers")) if "headers" in names else None,
    )


def _in_one_buffer(column: pa.ChunkedArray) -> Payloads:
    """A binary column without an object for each value; a tombstone is empty."""
    if column.null_count:
        column = column.fill_null(b"")
    array = pa.concat_arrays(column.cast(pa.large_binary()).chunks or [pa.array([], pa.large_binary())])
    _, bounds, data = array.buffers()
    if len(array) == 0 or data is None:
        return Payloads(b"", np.zeros(len(array) + 1, np.int64))
    found = np.frombuffer(bounds, np.int64, len(array) + 1, 8 * array.offset)
    return Payloads(data, found.copy())


def _whole_numbers(column: Any) -> Int64:
    """The column without a copy. Arrow's own ``to_numpy`` loads pandas, which takes longer than many a replay."""
    return np.asarray(np.from_dlpack(column.combine_chunks()), np.int64)


def _optional(column: Any) -> list[bytes | None] | None:
    return None if column.null_count == len(column) else cast("list[bytes | None]", column.to_pylist())


def _decoded_headers(column: Any) -> list[Headers | None] | None:
    raw = _optional(column)
    if raw is None:
        return None
    return [None if one is None else msgspec.json.decode(one, type=Headers) for one in raw]


def read_envelopes(path: Path, *, tolerate_torn_tail: bool = False) -> Iterator[tuple[int, list[Envelope]]]:
    """Envelopes of a .jsonl[.gz|.zst] file in runs, each with the number of its first line (from 1).

    A last line that is cut off is an error like any other bad line, unless ``tolerate_torn_tail``: then it is left out
    with a warning. Raises MalformedDump naming file and line.
    """
    number = 1
    for chunk, last in _chunks(path, tolerate_torn_tail):
        lines, count = _decoded(path, chunk, number, torn_allowed=last and tolerate_torn_tail)
        yield number, lines
        number += count


def _chunks(path: Path, tolerate_torn_tail: bool) -> Iterator[tuple[bytes, bool]]:
    """Runs of whole lines, and whether they are the end of a file that does not end with a newline."""
    rest = b""
    with open_read(path) as file:
        while True:
            try:
                data = file.read1(_CHUNK)
            except (EOFError, OSError, zlib.error) as error:
                if not tolerate_torn_tail or not isinstance(error, EOFError):
                    raise MalformedDump(f"{path}: cannot be unpacked: {error}") from error
                _LOG.warning("%s ends in the middle of its compressed data; what can be read is used", path)
                data = b""
            if not data:
                break
            whole = data.rfind(b"\n") + 1
            if whole:
                yield rest + data[:whole], False
                rest = data[whole:]
            else:
                rest += data
    if rest:
        yield rest, True


def _decoded(path: Path, chunk: bytes, number: int, *, torn_allowed: bool) -> tuple[list[Envelope], int]:
    try:
        lines = decode_lines(chunk)
        return lines, chunk.count(b"\n")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _decoded_singly(path, chunk, number, torn_allowed)


def _decoded_singly(path: Path, chunk: bytes, number: int, torn_allowed: bool) -> tuple[list[Envelope], int]:
    """Line by line, to name the bad one or to let raw bytes pass."""
    lines: list[Envelope] = []
    raw = chunk.split(b"\n")
    for at, line in enumerate(raw):
        if not line.strip():
            continue
        try:
            lines.append(decode_line(line))
        except ValueError as error:
            if torn_allowed and at == len(raw) - 1:
                _LOG.warning("%s:%d: torn last line left out (%d bytes)", path, number + at, len(line))
                break
            hint = "; a torn tail can be left out (--tolerate-torn-tail)" if at == len(raw) - 1 else ""
            raise MalformedDump(f"{path}:{number + at}: no kcat -J envelope: {error}{hint}") from error
    return lines, len(raw) - 1
