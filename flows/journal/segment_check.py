"""Checks segments against their footers: signed, complete, in order, none left out (spec 11)."""

from __future__ import annotations

from flows.journal.chain import ChainCheck
from flows.journal.findings import Finding, Verdict
from flows.journal.keys import KeyRing
from flows.journal.line import JournalLine
from flows.journal.segment import PortfolioRow, SealedFooter, SegmentSum, parse_footer


class SegmentCheck:
    """Takes every line of a journal beside the chain check; a footer ends a segment.

    Args:
        chain: told of faults; a fault that it has found already is not told again as what follows from it.
        keys: where it has Ed25519 keys, each footer must be signed by one.
        before: the last footer before the journal's first line, None where it begins with the first segment.
        partial: the journal may begin with any segment.
    """

    def __init__(
        self, chain: ChainCheck, keys: KeyRing, *, before: SealedFooter | None = None, partial: bool = False
    ) -> None:
        self.sealed = 0
        self.segments = 0
        #: whether the last line was a footer
        self.terminated = False
        self._chain = chain
        self._keys = keys
        self._previous = before
        self._partial = partial
        self._sum = SegmentSum()
        self._largest: tuple[int, str] = (0, "")
        self._displaced: tuple[tuple[int, str], JournalLine] | None = None

    def begin_file(self) -> None:
        """The next line is the first of a file; what came before it without a footer belongs to no segment."""
        self.terminated = False
        self._sum, self._largest, self._displaced = SegmentSum(), (0, ""), None

    def add(self, raw: bytes, line: JournalLine | None) -> None:
        """A line that is no footer; ``line`` is None where it is no decision."""
        self.terminated = False
        self._sum.add_bytes(raw)
        if line is None:
            return
        self._sum.add(line.portfolio, line.sequence, line.previous, line.hash, line.cycle, line.envelope.key_id)
        place = line.cycle, line.portfolio
        if place > self._largest:
            self._largest = place
        elif self._displaced is None or place < self._displaced[0]:
            # The smallest of those that stand after a larger one is the first that is not where it was.
            self._displaced = place, line

    def footer(self, raw: bytes, number: int) -> None:
        """The segment's end, in line ``number``."""
        twice, self.terminated = self.terminated, True
        try:
            sealed = parse_footer(raw)
        except ValueError as error:
            self._fault(Verdict.FOOTER, f"line {number} is no footer: {error}", number)
            return
        if twice:
            self._fault(Verdict.REPEATED, f"line {number}: a footer follows a footer", number)
            return
        if self._is_authentic(sealed, number):
            self._compare_rows(sealed)
            self._compare_sum(sealed, number)
            self._compare_previous(sealed, number)
        self.segments += 1
        self._previous = sealed
        self._sum, self._largest, self._displaced = SegmentSum(), (0, ""), None

    def unterminated(self, number: int) -> None:
        """The file ended without a footer, which is a fault."""
        name, sequence = self._chain.next_sequence()
        text = f"{self._chain.file} has no footer: nobody can tell whether its end was cut off"
        self._chain.fault(Finding(Verdict.UNTERMINATED, text, name, sequence, number, self._chain.file))

    def open_end(self) -> None:
        """The journal ends without a footer and may: what order its lines have is still looked at."""
        self._report_order()

    def _is_authentic(self, sealed: SealedFooter, number: int) -> bool:
        if not self._keys.seals:
            return True
        if sealed.signature is None or sealed.key_id is None:
            self._fault(Verdict.UNSIGNED, f"line {number}: the footer is not signed", number)
            return False
        key = self._keys.seal(sealed.key_id)
        if key is None:
            text = f"line {number}: the footer is signed with key {sealed.key_id!r}, which is not in the key file"
            self._fault(Verdict.WRONG_KEY, text, number)
            return False
        if not sealed.is_signed(key):
            text = f"line {number}: the footer's signature is not that of key {sealed.key_id!r} over it"
            self._fault(Verdict.FOOTER, text, number)
            return False
        self.sealed += 1
        return True

    def _compare_rows(self, sealed: SealedFooter) -> None:
        rows = {row.portfolio: row for row in sealed.footer.portfolios}
        for name in sorted({*rows, *self._sum.rows}):
            row, seen = rows.get(name), self._sum.rows.get(name)
            if row is None:
                self._excess(name, seen.first if seen is not None else 0)
                continue
            self._chain.compare_head(name, row.last, row.head, "the footer's last decision", Verdict.DROPPED)
            if seen is not None and seen.last > row.last:
                self._excess(name, row.last + 1)
            elif seen is not None and not _same(seen, row):
                text = f"portfolio {name}: the footer states {row.count} decisions from {row.first}, there are"
                found = Finding(Verdict.FOOTER, f"{text} {seen.count} from {seen.first}", name, row.first)
                self._chain.fault(found)

    def _excess(self, portfolio: str, sequence: int) -> None:
        text = f"decision {sequence} of portfolio {portfolio} is not one of the footer's"
        self._chain.fault(Finding(Verdict.FOOTER, text, portfolio, sequence, file=self._chain.file))

    def _compare_sum(self, sealed: SealedFooter, number: int) -> None:
        self._report_order()
        stated = sealed.footer
        if self._chain.has_findings():
            return
        if (stated.count, stated.lines_sha256) != (self._sum.count, self._sum.lines_sha256()):
            text = f"{self._sum.count} lines that are not the {stated.count} of the footer: an envelope was changed"
            self._fault(Verdict.FOOTER, text, number)

    def _report_order(self) -> None:
        if self._displaced is None or self._chain.has_findings():
            return
        line = self._displaced[1]
        text = (
            f"decision {line.sequence} of portfolio {line.portfolio} stands after later cycles, in line {line.number}"
        )
        self._chain.fault(
            Finding(Verdict.REORDERED, text, line.portfolio, line.sequence, line.number, self._chain.file)
        )

    def _compare_previous(self, sealed: SealedFooter, number: int) -> None:
        """Nothing between two segments was left out; that is also seen where no chain goes on."""
        previous, stated = self._previous, sealed.footer
        if self._chain.has_findings():
            return
        if previous is None:
            if stated.number != 1 and not self._partial:
                text = f"the journal begins with segment {stated.number}; those before it are not here"
                self._fault(Verdict.DROPPED, text, number)
        elif (stated.number, stated.previous_segment) != (previous.footer.number + 1, previous.hash):
            text = f"segment {stated.number} does not continue segment {previous.footer.number}, the one before it"
            self._fault(Verdict.DROPPED, text, number)

    def _fault(self, verdict: Verdict, text: str, number: int) -> None:
        self._chain.fault(Finding(verdict, f"{self._chain.file}: {text}", line=number, file=self._chain.file))


def _same(seen: PortfolioRow, row: PortfolioRow) -> bool:
    return (seen.count, seen.first, seen.previous) == (row.count, row.first, row.previous)
