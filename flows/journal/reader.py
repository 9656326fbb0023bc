"""Streams journal and order lines from a file (plain, .gz, .zst), a run's folder, or standard input, in flat memory."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import zstandard

from flows.errors import InvalidInput, WeirError
from flows.journal.line import JournalLine, MalformedLine, parse_line
from flows.journal.segment import is_footer, segment_files

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: Stands for standard input where a path is expected.
STANDARD_INPUT: Final = Path("-")
DECISIONS: Final = "decisions.jsonl"
ORDERS: Final = "orders.jsonl"
DEAD_LETTERS: Final = "dead_letters.jsonl"
_ENDINGS: Final = ("", ".gz", ".zst")
_BUFFER: Final = 1 << 20
_GZIP_MAGIC: Final = b"\x1f\x8b"
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"


class JournalUnusable(InvalidInput):
    """There is nothing to judge: no such file, not a journal at all. Exit code 2."""


class JournalDamaged(WeirError):
    """A line is no journal line, or the file ends in the middle of one; run ``weir verify`` for the whole verdict."""


class TruncatedStream(Exception):
    """The compressed stream or the last line ends too early; ``rest`` is what there is of that line."""

    rest: bytes = b""


def find_file(path: Path, name: str) -> Path | None:
    """``path`` itself, or the one file ``name`` with any ending in the folder ``path``; None where it has none.

    Raises:
        JournalUnusable: the path does not exist, or the folder holds the file twice.
    """
    if path == STANDARD_INPUT or path.is_file():
        return path
    if not path.is_dir():
        raise JournalUnusable(f"{path}: no such file or folder")
    found = [path / (name + ending) for ending in _ENDINGS if (path / (name + ending)).is_file()]
    if len(found) > 1:
        names = ", ".join(p.name for p in found)
        raise JournalUnusable(f"{path}: holds {names}; name the one that is meant")
    return found[0] if found else None


def decisions_file(path: Path) -> Path:
    """The decision journal at ``path``; raises :class:`JournalUnusable` where there is none."""
    found = find_file(path, DECISIONS)
    if found is None:
        raise JournalUnusable(f"{path}: holds no {DECISIONS}[.gz|.zst]; name a run's --out folder or a journal file")
    return found


def journal_files(path: Path) -> list[Path]:
    """The files of the journal at ``path`` in their order: a folder's segments, else the one file or ``-``.

    Raises:
        JournalUnusable: there is none.
    """
    if path != STANDARD_INPUT and path.is_dir():
        segments = segment_files(path)
        if segments:
            return segments
    return [decisions_file(path)]


@contextmanager
def open_stream(path: Path) -> Iterator[IO[bytes]]:
    """The decompressed bytes of ``path`` (``-`` is standard input); compression is told by content, not by name."""
    try:
        buffered = (
            _standard_input() if path == STANDARD_INPUT else io.BufferedReader(path.open("rb", buffering=0), _BUFFER)
        )
    except OSError as error:
        raise JournalUnusable(f"{path}: cannot be read: {error.strerror}") from None
    try:
        magic = buffered.peek(4)[:4]
        if magic.startswith(_GZIP_MAGIC):
            yield io.BufferedReader(gzip.GzipFile(fileobj=buffered), _BUFFER)
        elif magic == _ZSTD_MAGIC:
            yield io.BufferedReader(_ZstdFrames(buffered), _BUFFER)
        else:
            yield buffered
    finally:
        if path != STANDARD_INPUT:
            buffered.close()


class _ZstdFrames(io.RawIOBase):
    """Decompresses frame after frame, and raises EOFError in the middle of one: zstandard's own reader just ends."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._within = False
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer)
        while not self._ready:
            compressed = self._frame.unused_data if self._frame.eof else b""
            compressed = compressed or self._source.read(_BUFFER)
            if not compressed:
                if self._within:
                    raise EOFError("a zstd frame has no end")
                return 0
            if self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._ready = memoryview(self._frame.decompress(compressed))
            self._within = not self._frame.eof
        count = min(len(view), len(self._ready))
        view[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count


def _standard_input() -> io.BufferedReader:
    stream = sys.stdin.buffer
    return stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(io.BytesIO(stream.read()))


def raw_lines(path: Path) -> Iterator[bytes]:
    """Every line without its newline; empty lines are left out.

    Raises:
        TruncatedStream: after the last whole line, when the file ends in the middle of a line or compressed frame.
        JournalUnusable: the file cannot be read at all.
    """
    with open_stream(path) as stream:
        try:
            for line in stream:
                if not line.endswith(b"\n"):
                    torn = TruncatedStream(f"{path}: the last line has no end ({len(line)} bytes)")
                    torn.rest = line
                    raise torn
                if len(line) > 1:
                    yield line[:-1]
        except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
            raise TruncatedStream(f"{path}: the compressed stream breaks off: {error}") from None
        except OSError as error:
            raise JournalUnusable(f"{path}: cannot be read: {error}") from None


def decision_lines(path: Path) -> Iterator[bytes]:
    """Every line of the journal at ``path`` but the footers of its segments; raises as :func:`raw_lines`."""
    for source in journal_files(path):
        for raw in raw_lines(source):
            if not is_footer(raw):
                yield raw


def read_decisions(path: Path) -> Iterator[JournalLine]:
    """Every decision at ``path`` (file, run folder, folder of segments or ``-``) in file order.

    Raises:
        JournalDamaged: a line cannot be parsed or the file breaks off; names file and line.
        JournalUnusable: see :func:`decisions_file`.
    """
    for source in journal_files(path):
        yield from _decisions_of(source)


def _decisions_of(source: Path) -> Iterator[JournalLine]:
    number = 0
    try:
        for number, line in enumerate(raw_lines(source), 1):
            if is_footer(line):
                continue
            try:
                yield parse_line(line, number)
            except MalformedLine as error:
                raise JournalDamaged(f"{source} line {number}: {error}; run: weir verify {source}") from None
    except TruncatedStream as error:
        raise JournalDamaged(f"{error} after line {number}; run: weir verify {source}") from None
