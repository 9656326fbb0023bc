"""Segments: journal files by UTC day of event time, each ended by a footer that Ed25519 signs (spec 11).

A footer is the last line of its file, ``{"footer":{...},"key_id":...,"signature":...}``. It states how many lines there
are, what they hash to, and for each portfolio where its chain begins and ends here; and the footer before it, so that
no whole segment can be left out. Lines of a segment are in the order of (cycle, portfolio).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from flows.journal.keys import KeyRing, SealKey
from flows.journal.seals import is_signed, sign
from schemas.canonical import canonical_json, sha256_hex

#: Version of the footer.
FOOTER_VERSION: Final = 1
FOOTER_START: Final = b'{"footer":'
_PURPOSE: Final = b"weir-segment-v1"
_NAME: Final = re.compile(r"journal-(\d{4}-\d\d-\d\d)-(\d{6})\.jsonl(\.gz|\.zst)?")
_DAY_NS: Final = 86_400_000_000_000


class PortfolioRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One portfolio's part of a segment: ``count`` decisions from ``first`` to ``last``, whose hash is ``head``.

    ``previous`` is what ``first`` names as its predecessor; ``key_id`` signed ``last``, None where it is unsigned.
    """

    count: int
    first: int
    head: str
    key_id: str | None
    last: int
    portfolio: str
    previous: str


class Footer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A segment's end. ``lines_sha256`` is over its lines with their newlines, ``number`` counts segments from 1, and
    ``previous_segment`` is the hash of the footer before it."""

    count: int
    day: str
    first_cycle: int
    last_cycle: int
    lines_sha256: str
    number: int
    portfolios: list[PortfolioRow]
    previous_segment: str
    v: int


class _Sealed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    footer: msgspec.Raw
    key_id: str | None = None
    signature: str | None = None


class _Stamp(Struct, frozen=True):
    footer: msgspec.Raw
    key_id: str | None
    signature: str | None


@dataclass(frozen=True, slots=True)
class SealedFooter:
    """A footer as it stands in its file: ``raw`` are its bytes, which the signature is over."""

    footer: Footer
    raw: bytes
    key_id: str | None
    signature: str | None

    @property
    def hash(self) -> str:
        """What the next footer names."""
        return sha256_hex(self.raw)

    def is_signed(self, key: SealKey) -> bool:
        """Whether ``key`` signed it."""
        return self.signature is not None and is_signed(key, _PURPOSE, self.raw, self.signature)


def seal(footer: Footer, keys: KeyRing) -> bytes:
    """A footer line with its newline, signed where there is a private key."""
    raw, key = canonical_json(footer), keys.sealing_key()
    stamp = _Stamp(msgspec.Raw(raw), None, None) if key is None else (
        _Stamp(msgspec.Raw(raw), key.id, sign(key, _PURPOSE, raw))
    )  # fmt: skip
    return canonical_json(stamp) + b"\n"


def parse_footer(line: bytes) -> SealedFooter:
    """A footer line; raises ValueError when it is none."""
    try:
        sealed = msgspec.json.decode(line, type=_Sealed)
        raw = bytes(sealed.footer)
        return SealedFooter(msgspec.json.decode(raw, type=Footer), raw, sealed.key_id, sealed.signature)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def is_footer(line: bytes) -> bool:
    """Whether a line says that it is a footer."""
    return line.startswith(FOOTER_START)


def segment_name(day: str, number: int, ending: str = "") -> str:
    """File name of a segment; names sort in the order of segments."""
    return f"journal-{day}-{number:06}.jsonl{ending}"


def segment_number(path: Path) -> int | None:
    """The number in a segment's file name, None for other files."""
    match = _NAME.fullmatch(path.name)
    return None if match is None else int(match.group(2))


def segment_files(folder: Path) -> list[Path]:
    """Segments in ``folder`` in their order."""
    numbered = [(number, path) for path in folder.iterdir() if (number := segment_number(path)) is not None]
    return [path for _, path in sorted(numbered, key=lambda item: (item[0], item[1].name))]


def day_of(cycle: int) -> str:
    """UTC date of a cycle, which is named by its end: one that ends at midnight belongs to the day that it ends."""
    return datetime.fromtimestamp((cycle - 1) // _DAY_NS * 86_400, UTC).date().isoformat()


class SegmentSum:
    """Counts and hashes the lines of a segment: what its footer states.

    Attributes:
        count: lines so far.
        rows: by portfolio.
    """

    def __init__(self) -> None:
        self.count = 0
        self.rows: dict[str, PortfolioRow] = {}
        self.first_cycle = 0
        self.last_cycle = 0
        self._lines = hashlib.sha256()

    def add_bytes(self, line: bytes) -> None:
        """Any line, without its newline."""
        self.count += 1
        self._lines.update(line)
        self._lines.update(b"\n")

    def add(self, portfolio: str, sequence: int, previous: str, body_hash: str, cycle: int, key_id: str | None) -> None:
        """What the line that was just added says."""
        row = self.rows.get(portfolio)
        self.rows[portfolio] = PortfolioRow(
            count=1 if row is None else row.count + 1,
            first=sequence if row is None else row.first,
            head=body_hash,
            key_id=key_id,
            last=sequence,
            portfolio=portfolio,
            previous=previous if row is None else row.previous,
        )
        self.first_cycle = min(self.first_cycle, cycle) if self.first_cycle else cycle
        self.last_cycle = max(self.last_cycle, cycle)

    def footer(self, day: str, number: int, previous_segment: str) -> Footer:
        """The segment's end."""
        return Footer(
            count=self.count,
            day=day,
            first_cycle=self.first_cycle,
            last_cycle=self.last_cycle,
            lines_sha256=self.lines_sha256(),
            number=number,
            portfolios=[row for _, row in sorted(self.rows.items())],
            previous_segment=previous_segment,
            v=FOOTER_VERSION,
        )

    def lines_sha256(self) -> str:
        """Hash over the lines so far."""
        return self._lines.hexdigest()


def heads_after(footers: Iterable[SealedFooter]) -> dict[str, PortfolioRow]:
    """The last row of each portfolio over footers in their order."""
    return {row.portfolio: row for sealed in footers for row in sealed.footer.portfolios}
