"""Retention: old segments go, their signed footers stay, so that what remains can still be verified from the start."""

from __future__ import annotations

import os
from collections import deque
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from flows.journal.keys import KeyRing
from flows.journal.segment import SealedFooter, is_footer, parse_footer, segment_files

#: Footers of the segments that were removed, in their order.
RETIRED: Final = "retired.jsonl"


def retired_footers(folder: Path, keys: KeyRing) -> list[SealedFooter]:
    """The footers of removed segments, each naming the one before it.

    Raises:
        JournalUnusable: the file cannot be trusted: a line is no footer, not signed by a known key, or out of order.
    """
    from flows.journal.reader import JournalUnusable, TruncatedStream, raw_lines

    path = folder / RETIRED
    if not path.is_file():
        return []
    footers: list[SealedFooter] = []
    try:
        for number, raw in enumerate(raw_lines(path), 1):
            sealed = parse_footer(raw)
            if keys.seals:
                key = keys.seal(sealed.key_id)
                if key is None or not sealed.is_signed(key):
                    raise ValueError(f"line {number} is not signed by a known key")
            follows = footers[-1].footer.number + 1 if footers else 1
            if sealed.footer.number != follows or (footers and sealed.footer.previous_segment != footers[-1].hash):
                raise ValueError(f"line {number} does not continue the footer before it")
            footers.append(sealed)
    except (ValueError, TruncatedStream) as error:
        raise JournalUnusable(f"{path}: {error}; put the file back as the export wrote it") from None
    return footers


def retire(folder: Path, keep_days: int, keys: KeyRing) -> list[Path]:
    """Removes segments whose day is more than ``keep_days`` before the newest segment's; returns what was removed.

    Days are of event time, so that it does not depend on when it is called. A segment is removed only after its footer
    is on disk in ``retired.jsonl``; one without a footer stays, and so does all after it.
    """
    files = segment_files(folder)
    known = {sealed.hash for sealed in retired_footers(folder, keys)}
    ends = [(path, last_footer(path)) for path in files]
    days = [sealed.footer.day for _, sealed in ends if sealed is not None]
    if not days:
        return []
    limit = (date.fromisoformat(max(days)) - timedelta(days=keep_days)).isoformat()
    removed: list[Path] = []
    for path, sealed in ends:
        if sealed is None or sealed.footer.day >= limit:
            break
        if sealed.hash not in known:
            _append(folder / RETIRED, _footer_line(path))
        path.unlink()
        removed.append(path)
    return removed


def last_footer(path: Path) -> SealedFooter | None:
    """The footer that ends a segment, None where it has none; the whole file is read."""
    line = _footer_line(path)
    return parse_footer(line) if line else None


def _footer_line(path: Path) -> bytes:
    from flows.journal.reader import TruncatedStream, raw_lines

    try:
        last = deque(raw_lines(path), maxlen=1)
    except TruncatedStream:
        return b""
    return last[0] if last and is_footer(last[0]) else b""


def _append(path: Path, line: bytes) -> None:
    with path.open("ab") as file:
        file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())
