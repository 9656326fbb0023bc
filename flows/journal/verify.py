"""Checks a journal offline: hashes, chains, signatures, segment ends, and that each order stands in exactly one
decision (spec 11).

The hash is taken over the body's bytes as they stand in the file. Unsigned, wrong key, flipped, dropped, reordered,
repeated and truncated are told apart; that nothing was cut off at the end can only be shown by a footer, an anchor or a
``head``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from flows.exit_codes import ExitCode
from flows.journal.anchors import Anchor
from flows.journal.chain import ChainCheck
from flows.journal.findings import Finding, Verdict
from flows.journal.keys import KeyRing
from flows.journal.line import JournalLine, MalformedLine, parse_line
from flows.journal.order_check import OrderCheck
from flows.journal.reader import (
    DECISIONS,
    ORDERS,
    STANDARD_INPUT,
    JournalUnusable,
    TruncatedStream,
    find_file,
    journal_files,
    raw_lines,
)
from flows.journal.retention import retired_footers
from flows.journal.segment import heads_after, is_footer, segment_number
from flows.journal.segment_check import SegmentCheck
from flows.journal.signature_check import SignatureCheck


class Outcome(StrEnum):
    """The verdict on the whole."""

    OK = "ok"
    BROKEN = "broken"
    UNUSABLE = "unusable"


_EXIT_CODES = {Outcome.OK: ExitCode.OK, Outcome.BROKEN: ExitCode.FAILED, Outcome.UNUSABLE: ExitCode.USAGE}


@dataclass(frozen=True, slots=True)
class Head:
    """The last decision of a portfolio."""

    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class Demands:
    """What a journal must have beyond unbroken chains.

    Attributes:
        signatures: every decision is signed with a known HMAC key, or covered by a signed footer.
        footers: every file ends with a footer, and lines are in the order of (cycle, portfolio).
        live: the last file may have none yet.
        partial: the journal may begin within its chains.
    """

    signatures: bool = False
    footers: bool = False
    live: bool = False
    partial: bool = False


@dataclass(slots=True)
class Verification:
    """What :func:`verify` found.

    Attributes:
        outcome: ok, broken or unusable.
        findings: the first fault of each portfolio, then those of the orders; empty when ok.
        decisions, orders: how many were read.
        heads: last decision by portfolio, to be anchored elsewhere.
        orders_checked: whether there was an orders file to check.
        signed, unsigned, verified: decisions with a signature, without, and with one that a known key made.
        segments, sealed: footers, and those that a known key signed.
        keys: by portfolio, (first sequence, key id) of each key in its turn; None is unsigned.
        anchors: how many anchored decisions were compared.
    """

    outcome: Outcome
    findings: list[Finding] = field(default_factory=list)
    decisions: int = 0
    orders: int = 0
    heads: dict[str, Head] = field(default_factory=dict)
    orders_checked: bool = False
    signed: int = 0
    unsigned: int = 0
    verified: int = 0
    segments: int = 0
    sealed: int = 0
    keys: dict[str, list[tuple[int, str | None]]] = field(default_factory=dict)
    anchors: int = 0

    @property
    def exit_code(self) -> ExitCode:
        """0 ok, 1 broken, 2 unusable."""
        return _EXIT_CODES[self.outcome]


def verify(
    path: Path,
    *,
    orders: Path | None = None,
    heads: Mapping[str, Head] | None = None,
    check_orders: bool = True,
    keys: KeyRing | None = None,
    demands: Demands | None = None,
    anchors: Sequence[Anchor] = (),
) -> Verification:
    """Verifies the journal at ``path``; never raises for what a journal may hold.

    Args:
        path: a run's folder, a folder of segments, a journal file, or ``-`` for standard input.
        orders: the orders file; by default the one in the run's folder, if any.
        heads: anchored last decisions by portfolio: a chain that ends before one is truncated.
        check_orders: False leaves the orders out.
        keys: HMAC keys for the decisions' signatures, Ed25519 keys for those of footers.
        demands: what the journal must have; by default unbroken chains alone.
        anchors: decisions that are known from elsewhere.
    """
    known = [*anchors]
    known += [Anchor(cycle=0, hash=h.hash, portfolio=p, sequence=h.sequence) for p, h in sorted((heads or {}).items())]
    try:
        files = journal_files(path)
        orders_path = _orders_file(path, orders) if check_orders else None
        return _Reading(files, keys or KeyRing(), demands or Demands(), known, orders_path).verify()
    except JournalUnusable as error:
        return Verification(Outcome.UNUSABLE, [Finding(Verdict.UNUSABLE, str(error))])


def _orders_file(path: Path, orders: Path | None) -> Path | None:
    if orders is not None:
        return find_file(orders, ORDERS)
    return None if path == STANDARD_INPUT or not path.is_dir() else find_file(path, ORDERS)


class _Reading:
    """One pass over the files of a journal."""

    def __init__(
        self, files: Sequence[Path], keys: KeyRing, demands: Demands, anchors: Sequence[Anchor], orders: Path | None
    ) -> None:
        if all(segment_number(file) is not None for file in files):
            # Segments have ends whoever asks.
            demands = replace(demands, footers=True)
        self._files, self._keys, self._demands, self._anchors = files, keys, demands, anchors
        retired = [] if files[0] == STANDARD_INPUT else retired_footers(files[0].parent, keys)
        rows = heads_after(retired) if demands.footers or retired else {}
        self._chain = ChainCheck(
            {name: (row.last, row.head) for name, row in rows.items()},
            partial=demands.partial,
            anchors={(a.portfolio, a.sequence): a.hash for a in anchors},
        )
        # A signed footer vouches for every byte of its segment: who cannot check one signature checks the other.
        self._by_footers = demands.footers and bool(keys.seals) and not keys.hmac
        self._signatures = SignatureCheck(
            keys, required=demands.signatures and not self._by_footers, partial=demands.partial
        )
        for name, row in rows.items():
            self._signatures.begin(name, row.last, row.key_id)
        self._segments = SegmentCheck(
            self._chain, keys, before=retired[-1] if retired else None, partial=demands.partial
        )
        self._orders = OrderCheck(orders) if orders is not None else None

    def verify(self) -> Verification:
        """Reads everything and judges it."""
        for place, source in enumerate(self._files):
            self._read(source, last=place == len(self._files) - 1)
        chain, signatures = self._chain, self._signatures
        if chain.decisions == 0 and chain.malformed_lines:
            raise JournalUnusable(f"{self._files[0]}: no line is a decision; is it a {DECISIONS}?")
        if self._demands.signatures and signatures.signed and not (self._keys.hmac or self._by_footers):
            raise JournalUnusable(
                f"{self._files[0]}: decisions are signed, and no key is given to check them with: give --keys"
            )
        found = {portfolio: Head(*last) for portfolio, last in chain.last().items()}
        for anchor in self._anchors:
            chain.compare_head(anchor.portfolio, anchor.sequence, anchor.hash)
        findings = signatures.settle(chain.findings())
        if self._orders is not None:
            findings += self._orders.finish()
        return Verification(
            Outcome.BROKEN if findings else Outcome.OK,
            findings,
            chain.decisions,
            0 if self._orders is None else self._orders.orders,
            found,
            self._orders is not None,
            signatures.signed,
            signatures.unsigned,
            signatures.verified,
            self._segments.segments,
            self._segments.sealed,
            signatures.used,
            len(self._anchors),
        )

    def _read(self, source: Path, *, last: bool) -> None:
        self._chain.file = str(source)
        self._segments.begin_file()
        number, torn = 0, False
        try:
            for number, raw in enumerate(raw_lines(source), 1):
                self._take(raw, number)
        except TruncatedStream as error:
            torn = True
            self._chain.truncated(number + 1, str(error), error.rest)
        if not self._demands.footers or torn or self._segments.terminated:
            return
        if self._demands.live and last:
            self._segments.open_end()
        else:
            self._segments.unterminated(number)

    def _take(self, raw: bytes, number: int) -> None:
        if is_footer(raw):
            if self._demands.footers:
                self._segments.footer(raw, number)
            return
        try:
            line = parse_line(raw, number)
            body = line.body()
        except MalformedLine as error:
            self._chain.malformed(number, str(error), raw)
            if self._demands.footers:
                self._segments.add(raw, None)
            return
        self._judge(line)
        if self._demands.footers:
            self._segments.add(raw, line if line.is_intact() else None)
        if self._orders is not None:
            self._orders.expect(body)

    def _judge(self, line: JournalLine) -> None:
        self._chain.check(line)
        if not line.is_intact():
            return
        fault = self._signatures.check(line)
        if fault is not None:
            self._chain.report(line, *fault)
