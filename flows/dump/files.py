"""Files that may be compressed: the ending says how."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import IO, Any, cast

import zstandard

#: Endings of envelope files.
JSONL_ENDINGS = (".jsonl", ".jsonl.gz", ".jsonl.zst")

_BLOCK = 1 << 17


def open_read(path: Path) -> io.BufferedIOBase:
    """Opens a plain, .gz or .zst file to read its content; members and frames that follow each other are joined.

    Reading raises EOFError where the file ends in the middle of its compressed data, OSError where that is damaged.
    """
    if path.name.endswith(".gz"):
        return gzip.GzipFile(path, "rb")
    if path.name.endswith(".zst"):
        return io.BufferedReader(_ZstdFile(path), _BLOCK)
    return path.open("rb")


class _ZstdFile(io.RawIOBase):
    """Content of a .zst file. The library's own reader takes a file that was cut off for a whole one."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._begun = False
        self._packed = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        """True: there is nothing else to do with it."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills ``buffer`` as far as one block goes; 0 at the end."""
        while not self._ready:
            if not self._packed:
                self._packed = self._file.read(_BLOCK)
            if not self._packed:
                if self._begun:
                    raise EOFError("the file ends in the middle of a zstd frame")
                return 0
            self._unpack()
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _unpack(self) -> None:
        try:
            self._ready = memoryview(self._frame.decompress(self._packed))
        except zstandard.ZstdError as error:
            raise OSError(f"damaged zstd data: {error}") from error
        self._begun = not self._frame.eof
        self._packed = self._frame.unused_data
        if self._frame.eof:
            self._frame = zstandard.ZstdDecompressor().decompressobj()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
        super().close()


def open_write(path: Path) -> IO[bytes]:
    """Creates a plain, .gz or .zst file; equal content makes equal bytes (no time stamp in the gzip header)."""
    if path.name.endswith(".gz"):
        return cast(IO[bytes], gzip.GzipFile(path, "wb", compresslevel=6, mtime=0))
    if path.name.endswith(".zst"):
        writer = zstandard.ZstdCompressor(level=3).stream_writer(path.open("wb"), closefd=True)
        return cast(IO[bytes], writer)
    return path.open("wb")
