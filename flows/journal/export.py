"""Writes a journal as daily segments with signed footers, from a run's file, the decisions topic or ClickHouse.

May be repeated at will: it goes on after the last segment that has a footer, and refuses to continue a chain that the
segments do not know.
"""

from __future__ import annotations

import heapq
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import IO, Final

from flows.dump.files import open_write
from flows.errors import InvalidInput
from flows.journal.anchors import Anchor, append_anchors
from flows.journal.keys import KeyRing
from flows.journal.line import JournalLine, MalformedLine, parse_line
from flows.journal.reader import JournalDamaged
from flows.journal.retention import last_footer, retire, retired_footers
from flows.journal.segment import (
    PortfolioRow,
    SealedFooter,
    SegmentSum,
    day_of,
    heads_after,
    parse_footer,
    seal,
    segment_files,
    segment_name,
)
from schemas.decision import GENESIS

#: A segment ends here even within its day.
SEGMENT_BYTES: Final = 256 << 20


class LastDay(StrEnum):
    """What becomes of the days that some portfolio may still add to: a day is over when every portfolio has a decision
    of a later one."""

    CLOSE = "close"
    OPEN = "open"
    OMIT = "omit"


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How to write segments.

    Attributes:
        compression: "", ".gz" or ".zst".
        last_day: close the newest day with a footer, leave it unterminated, or leave it out.
        segment_bytes: a segment ends at this size, before compression.
        anchors: file to which the heads at the end of each segment with a footer are appended.
        keep_days: remove segments older than this (their footers stay); None keeps all.
    """

    compression: str = ".zst"
    last_day: LastDay = LastDay.CLOSE
    segment_bytes: int = SEGMENT_BYTES
    anchors: Path | None = None
    keep_days: int | None = None


@dataclass(slots=True)
class ExportReport:
    """What was written: file names of new segments, the one without a footer, and of removed ones."""

    decisions: int = 0
    segments: list[str] = field(default_factory=list)
    unterminated: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    heads: dict[str, Anchor] = field(default_factory=dict)
    anchored: int = 0
    signed: bool = False


def export(lines: Iterable[bytes], folder: Path, keys: KeyRing, options: ExportOptions | None = None) -> ExportReport:
    """Writes the decisions that ``folder`` does not hold yet.

    Args:
        lines: journal lines; those of a portfolio in the order of its sequence, portfolios in any order.
        folder: where segments lie; made where it is missing.
        keys: its private Ed25519 key signs footers and anchors; without one they are unsigned.

    Raises:
        JournalDamaged: a chain is broken, or does not continue that of the segments.
        InvalidInput: the folder cannot be used.
    """
    options = options or ExportOptions()
    if options.compression not in ("", ".gz", ".zst"):
        raise InvalidInput(f"compression {options.compression!r}: use .zst, .gz or none")
    folder.mkdir(parents=True, exist_ok=True)
    footers = _footers(folder, keys)
    report = ExportReport(signed=keys.sealing_key() is not None)
    with ExitStack() as stack:
        spools = _spool(lines, heads_after(footers), lambda: stack.enter_context(tempfile.TemporaryFile()))
        segments = _Segments(folder, keys, options, footers[-1] if footers else None, report)
        _write(segments, spools, options)
    _sync(folder)
    if options.anchors is not None:
        report.anchored = append_anchors(options.anchors, segments.ends, keys)
    if options.keep_days is not None:
        report.removed = [path.name for path in retire(folder, options.keep_days, keys)]
    return report


def _footers(folder: Path, keys: KeyRing) -> list[SealedFooter]:
    """Those of the retired segments and of the present ones; an unterminated segment is written anew."""
    footers = retired_footers(folder, keys)
    numbers = {sealed.footer.number for sealed in footers}
    for path in segment_files(folder):
        sealed = last_footer(path)
        if sealed is None:
            path.unlink()
        elif sealed.footer.number not in numbers:
            footers.append(sealed)
    for before, after in pairwise(footers):
        if after.footer.previous_segment != before.hash:
            raise JournalDamaged(
                f"{folder}: segment {after.footer.number} does not continue segment {before.footer.number}; see: weir"
                f" journal verify {folder}"
            )
    return footers


# ---------------------------------------------------------------- spools
@dataclass(slots=True)
class _Spool:
    """One portfolio's new lines in a temporary file, checked to be one chain."""

    file: IO[bytes]
    sequence: int
    previous: str
    last_cycle: int = 0

    def take(self, line: JournalLine, raw: bytes) -> None:
        """The portfolio's next line; those that are known already are passed over."""
        if line.sequence <= self.sequence:
            if line.sequence == self.sequence and line.hash != self.previous:
                raise JournalDamaged(
                    self._differs(line, f"has hash {line.hash}, the segments end with {self.previous}")
                )
            return
        if not line.is_intact() or (line.sequence, line.previous) != (self.sequence + 1, self.previous):
            text = f"does not continue decision {self.sequence} ({self.previous})"
            raise JournalDamaged(self._differs(line, text))
        self.file.write(raw + b"\n")
        self.sequence, self.previous, self.last_cycle = line.sequence, line.hash, line.cycle

    @staticmethod
    def _differs(line: JournalLine, text: str) -> str:
        return (
            f"decision {line.sequence} of portfolio {line.portfolio} {text}; nothing is exported from a broken journal,"
            " see what is wrong with: weir verify"
        )

    def lines(self) -> Iterator[tuple[JournalLine, bytes]]:
        """What was taken, in order."""
        self.file.seek(0)
        for raw in self.file:
            yield parse_line(raw), raw[:-1]


def _spool(lines: Iterable[bytes], heads: dict[str, PortfolioRow], new_file: Callable[[], IO[bytes]]) -> list[_Spool]:
    spools: dict[str, _Spool] = {}
    for number, raw in enumerate(lines, 1):
        try:
            line = parse_line(raw)
        except MalformedLine as error:
            raise JournalDamaged(f"record {number} is no decision: {error}; see: weir verify") from None
        if line.portfolio not in spools:
            head = heads.get(line.portfolio)
            spools[line.portfolio] = _Spool(new_file(), *((head.last, head.head) if head is not None else (0, GENESIS)))
        spools[line.portfolio].take(line, raw)
    return [spool for _, spool in sorted(spools.items())]


# ---------------------------------------------------------------- segments
def _write(segments: _Segments, spools: list[_Spool], options: ExportOptions) -> None:
    written = [spool for spool in spools if spool.last_cycle]
    open_day = "" if options.last_day is LastDay.CLOSE or not written else min(day_of(s.last_cycle) for s in written)
    for line, raw in heapq.merge(*(spool.lines() for spool in spools), key=_place):
        day = day_of(line.cycle)
        closes = not open_day or day < open_day
        if not closes and options.last_day is LastDay.OMIT:
            break
        segments.add(line, raw, day, closes)
    segments.end()


def _place(item: tuple[JournalLine, bytes]) -> tuple[int, str]:
    return item[0].cycle, item[0].portfolio


class _Segments:
    """Writes lines into segment files, a new one for each day and at the size limit."""

    def __init__(
        self, folder: Path, keys: KeyRing, options: ExportOptions, last: SealedFooter | None, report: ExportReport
    ) -> None:
        self._folder, self._keys, self._options, self._report = folder, keys, options, report
        self._number = 1 if last is None else last.footer.number + 1
        self._previous = GENESIS if last is None else last.hash
        self._day = ""
        self._closes = True
        self._size = 0
        self._file: IO[bytes] | None = None
        self._sum = SegmentSum()
        self._cycles: dict[str, int] = {}
        #: heads at the end of each segment that has a footer
        self.ends: list[Anchor] = []

    def add(self, line: JournalLine, raw: bytes, day: str, closes: bool) -> None:
        """The next line in the order of (cycle, portfolio); ``closes``: nothing more can come for its day."""
        if self._file is not None and self._is_full(day, closes):
            self.end()
        if self._file is None:
            self._day, self._closes, self._size, self._sum = day, closes, 0, SegmentSum()
            # It stays open from line to line, until end().
            self._file = open_write(self._hidden())
        self._file.write(raw + b"\n")
        self._size += len(raw) + 1
        self._sum.add_bytes(raw)
        self._sum.add(line.portfolio, line.sequence, line.previous, line.hash, line.cycle, line.envelope.key_id)
        self._cycles[line.portfolio] = line.cycle
        self._report.decisions += 1

    def _is_full(self, day: str, closes: bool) -> bool:
        """An unterminated segment is the last one, however many days and bytes it takes."""
        return closes is not self._closes or (
            closes and (day != self._day or self._size >= self._options.segment_bytes)
        )

    def end(self) -> None:
        """Ends the segment: footer, disk, name, anchors."""
        file, self._file = self._file, None
        if file is None:
            return
        name = segment_name(self._day, self._number, self._options.compression)
        if self._closes:
            footer = seal(self._sum.footer(self._day, self._number, self._previous), self._keys)
            file.write(footer)
            self._previous = parse_footer(footer).hash
            self._number += 1
        file.close()
        _sync(self._hidden())
        os.replace(self._hidden(), self._folder / name)
        (self._report.segments if self._closes else self._report.unterminated).append(name)
        if self._closes:
            self._anchor()

    def _anchor(self) -> None:
        heads = [
            Anchor(cycle=self._cycles[row.portfolio], hash=row.head, portfolio=row.portfolio, sequence=row.last)
            for _, row in sorted(self._sum.rows.items())
        ]
        self._report.heads.update({head.portfolio: head for head in heads})
        self.ends += heads

    def _hidden(self) -> Path:
        """Where a segment is written before it has its name: a crash leaves no half one."""
        return self._folder / f".new{self._options.compression}"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
