"""An append-only file of lines that survives kill -9: what a sink of files is built on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from flows.errors import DivergedFromLog

_BLOCK = 1 << 16


class LineFile:
    """Whole lines, appended.

    Args:
        path: the file; its folder is made.
        keep: go on with an existing file, of which a torn last line is cut; else it is written anew.
    """

    def __init__(self, path: Path, *, keep: bool) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if not keep:
            # Removed, not emptied: an earlier merge may have linked it.
            path.unlink(missing_ok=True)
        self._file = path.open("ab")
        if keep:
            _sync_folder(path.parent)
        self.end = _cut_torn_line(path)
        self._unsynced = False

    def append(self, lines: list[bytes]) -> None:
        """Appends lines, each given with its newline, and hands them to the operating system in one write."""
        if lines:
            data = b"".join(lines)
            self._file.write(data)
            self._file.flush()
            self.end += len(data)
            self._unsynced = True

    def sync(self) -> None:
        """Returns when everything appended is on disk."""
        if self._unsynced:
            os.fsync(self._file.fileno())
            self._unsynced = False

    def cut(self, end: int) -> None:
        """Drops what lies beyond byte ``end``; raises DivergedFromLog when the file is shorter than that."""
        self.check_length(end)
        self._file.truncate(end)
        self.end = end

    def check_length(self, end: int) -> None:
        """Raises DivergedFromLog when the file ends before byte ``end``, which a snapshot knows to be written."""
        if self.end < end:
            raise DivergedFromLog(
                f"{self.path} ends at byte {self.end}, but the snapshot knows {end} bytes to be written:"
                " the file was changed or replaced; resume with the --out folder that belongs to the recovery folder"
            )

    def lines_from(self, start: int) -> Iterator[bytes]:
        """Lines from byte ``start`` on, with their newlines."""
        with self.path.open("rb") as file:
            file.seek(start)
            yield from file

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _sync_folder(folder: Path) -> None:
    """Makes a new file's name durable: without it, a synced file can be lost with its name."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cut_torn_line(path: Path) -> int:
    """Cuts what follows the last newline and returns the file's length."""
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        start = end
        while start > 0:
            start = max(0, start - _BLOCK)
            file.seek(start)
            newline = file.read(min(_BLOCK, end - start)).rfind(b"\n")
            if newline >= 0:
                start += newline + 1
                break
        if start < end:
            file.truncate(start)
        return start
