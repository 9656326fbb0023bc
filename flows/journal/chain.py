"""The chain check of each portfolio: names the first bad sequence, and what was done to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from flows.journal.findings import Finding, Verdict
from flows.journal.line import JournalLine, is_canonical
from schemas.decision import GENESIS

#: Sequence of a portfolio's first decision.
FIRST_SEQUENCE: Final = 1
#: Sequences that are remembered as missing; beyond it a reordering is told as something dropped.
MOST_MISSING: Final = 1_000_000

_NAME: Final = re.compile(rb'"portfolio":"((?:[^"\\]|\\.)*)"')
_PREVIOUS: Final = re.compile(rb'"previous":"([0-9a-f]{64})"')
#: Behind the previous hash, since tables in a body have sequences too.
_SEQUENCE: Final = re.compile(rb'"(?:previous":"[^"]{64}|[^"]{64})","sequence":(\d+)')


@dataclass(slots=True)
class _Portfolio:
    expected: int | None = None
    #: hash that the next line must name; None after a line whose own hash is not known
    previous: str | None = GENESIS
    #: sequences that were jumped over, until they turn up: then it was a reordering
    missing: set[int] = field(default_factory=set)
    jump: Finding | None = None
    #: sequence of the line that jumped, and its hash
    jumped_to: int | None = None
    first: Finding | None = None
    last: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a damaged line says of its place; None where it cannot be read."""

    portfolio: str | None
    sequence: int | None
    previous: str | None


class ChainCheck:
    """Takes the lines of a journal in file order; each portfolio has a chain of its own.

    Args:
        starts: (last sequence, its hash) of portfolios whose earlier decisions are known from elsewhere.
        partial: the journal may begin within a chain.
        anchors: hashes of decisions that are known from elsewhere, by (portfolio, sequence).
    """

    def __init__(
        self,
        starts: Mapping[str, tuple[int, str]] | None = None,
        *,
        partial: bool = False,
        anchors: Mapping[tuple[str, int], str] | None = None,
    ) -> None:
        self.decisions = 0
        self.malformed_lines = 0
        #: name of the file that the lines come from
        self.file = ""
        self._partial = partial
        self._anchors = anchors or {}
        self._portfolios: dict[str, _Portfolio] = {
            name: _Portfolio(expected=sequence + 1, previous=digest, last=(sequence, digest))
            for name, (sequence, digest) in (starts or {}).items()
        }
        self._loose: list[Finding] = []
        #: damaged lines whose place in a chain is not known yet
        self._unplaced: list[Finding] = []

    def check(self, line: JournalLine) -> None:
        """One parsed line."""
        self.decisions += 1
        if not line.is_intact():
            text = "the body's bytes do not have the hash that the line states"
            self._damaged(_Claim(line.portfolio, line.sequence, line.previous), line.number, text, line.hash)
            return
        state = self._portfolios.setdefault(line.portfolio, _Portfolio())
        if not is_canonical(line.raw):
            self.report(line, Verdict.NOT_CANONICAL, "the body is not in canonical form")
        self._follow(state, line)

    def report(self, line: JournalLine, verdict: Verdict, text: str) -> None:
        """A fault of an intact line that is not one of its chain; kept when it is the portfolio's first."""
        state = self._portfolios.setdefault(line.portfolio, _Portfolio())
        self._report(state, line, verdict, text)

    def malformed(self, number: int, error: str, raw: bytes = b"") -> None:
        """A line that is no decision at all; its bytes may still tell its place."""
        self.malformed_lines += 1
        self._damaged(_claim(raw), number, f"line {number} is no decision: {error}", "")

    def truncated(self, number: int, error: str, rest: bytes = b"") -> None:
        """The file ended in the middle of line ``number``; ``rest`` is what there is of it."""
        ends = ", ".join(f"{name} ends at {last[0]}" for name, last in sorted(self.last().items()))
        claim = _claim(rest)
        name = self._owner(claim)
        if name is None and len(self._portfolios) == 1 and not rest.startswith(b'{"footer"'):
            name = next(iter(self._portfolios))
        text = f"{error}{'; ' if ends else ''}{ends}"
        sequence = None if name is None else self._portfolios[name].expected
        found = Finding(Verdict.TRUNCATED, text, name or "", sequence, number, self.file)
        if name is not None and self._portfolios[name].first is None:
            self._portfolios[name].first = found
        else:
            self._loose.append(found)

    def fault(self, finding: Finding) -> None:
        """A fault that something else found; the first of its portfolio is kept, and each that belongs to none."""
        if not finding.portfolio:
            self._loose.append(finding)
            return
        state = self._portfolios.setdefault(finding.portfolio, _Portfolio())
        if state.first is None:
            state.first = finding

    def next_sequence(self) -> tuple[str, int | None]:
        """What comes next where the journal has one portfolio; ("", None) otherwise."""
        known = [(name, state.expected) for name, state in self._portfolios.items() if state.expected is not None]
        return known[0] if len(known) == 1 else ("", None)

    def compare_head(
        self,
        portfolio: str,
        sequence: int,
        body_hash: str,
        what: str = "the anchored head",
        verdict: Verdict = Verdict.TRUNCATED,
    ) -> None:
        """Compares the present end of a chain with a last decision that is known from elsewhere.

        ``verdict`` is that of a chain which ends before it.
        """
        state = self._portfolios.setdefault(portfolio, _Portfolio())
        if state.first is not None:
            return
        last = state.last
        if last is None or last[0] < sequence:
            first = FIRST_SEQUENCE if last is None else last[0] + 1
            if self._unplaced and sequence - first < len(self._unplaced):
                self._take_unplaced(portfolio, state, first, 1)
                return
            found = "nothing" if last is None else str(last[0])
            text = f"portfolio {portfolio}: {what} is {sequence}, the journal ends at {found}"
            state.first = Finding(verdict, text, portfolio, first, file=self.file)
        elif last[0] == sequence and last[1] != body_hash:
            text = f"portfolio {portfolio}: decision {sequence} has hash {last[1][:12]}, {what} has {body_hash[:12]}"
            state.first = Finding(Verdict.FORKED, text, portfolio, sequence, file=self.file)

    def last(self) -> dict[str, tuple[int, str]]:
        """(sequence, hash) of the highest decision of each portfolio."""
        return {name: state.last for name, state in sorted(self._portfolios.items()) if state.last is not None}

    def has_findings(self) -> bool:
        """Whether anything is wrong so far."""
        return bool(self._unplaced or self._loose or any(s.first is not None for s in self._portfolios.values()))

    def findings(self) -> list[Finding]:
        """The first fault of each portfolio, then those that belong to none."""
        known = [name for name, state in self._portfolios.items() if state.expected is not None]
        if self._unplaced and len(known) == 1 and self._portfolios[known[0]].first is None:
            state = self._portfolios[known[0]]
            self._take_unplaced(known[0], state, state.expected or FIRST_SEQUENCE, 1)
        found = [state.first for _, state in sorted(self._portfolios.items()) if state.first is not None]
        return found + self._unplaced[:1] + self._loose

    # ------------------------------------------------------------ damaged lines
    def _damaged(self, claim: _Claim, number: int, text: str, stated_hash: str) -> None:
        name = self._owner(claim)
        if name is None:
            verdict = Verdict.FLIPPED if stated_hash else Verdict.MALFORMED
            says = f"; it says decision {claim.sequence} of {claim.portfolio}" if claim.portfolio else ""
            self._unplaced.append(
                Finding(verdict, text + says, claim.portfolio or "", claim.sequence, number, self.file)
            )
            return
        state = self._portfolios[name]
        sequence = state.expected or FIRST_SEQUENCE
        if state.first is None:
            where = f"decision {sequence} of portfolio {name}, line {number}: {text}"
            state.first = Finding(Verdict.FLIPPED, where, name, sequence, number, self.file)
        state.expected, state.previous, state.last = sequence + 1, None, (sequence, stated_hash)

    def _owner(self, claim: _Claim) -> str | None:
        """The portfolio whose next line this must be: two of name, sequence and predecessor fit."""
        best: tuple[int, str] | None = None
        for name, state in sorted(self._portfolios.items()):
            if state.expected is None:
                continue
            fits = (name == claim.portfolio) + (state.expected == claim.sequence)
            fits += claim.previous is not None and state.previous == claim.previous
            if fits >= 2 and (best is None or fits > best[0]):
                best = fits, name
        return None if best is None else best[1]

    def _take_unplaced(self, portfolio: str, state: _Portfolio, sequence: int, count: int) -> None:
        bad = self._unplaced[0]
        self._unplaced = self._unplaced[count:]
        text = f"decision {sequence} of portfolio {portfolio}: {bad.text}"
        state.first = Finding(Verdict.FLIPPED, text, portfolio, sequence, bad.line, bad.file)

    # ------------------------------------------------------------ the chain
    def _follow(self, state: _Portfolio, line: JournalLine) -> None:
        sequence = line.sequence
        if state.expected is None:
            self._begin(state, line)
        elif sequence > state.expected:
            self._jump(state, line, state.expected)
        elif sequence < state.expected:
            self._back(state, line)
            return
        elif state.previous is not None and line.previous != state.previous:
            text = f"it names {line.previous[:12]} as its predecessor, which has {state.previous[:12]}"
            self._report(state, line, Verdict.FORKED, text)
        anchored = self._anchors.get((line.portfolio, sequence))
        if anchored not in (None, line.hash):
            self._report(state, line, Verdict.FORKED, f"its hash is {line.hash[:12]}, the anchored one {anchored}")
        state.expected = sequence + 1
        state.previous = line.hash
        state.last = (sequence, line.hash)

    def _begin(self, state: _Portfolio, line: JournalLine) -> None:
        if line.previous != GENESIS and not self._partial:
            state.missing = set(range(FIRST_SEQUENCE, min(line.sequence, MOST_MISSING)))
            if state.first is None and not self._place_damaged(state, line, FIRST_SEQUENCE):
                text = "the journal does not begin where its chain does"
                self._report(state, line, Verdict.DROPPED, text, FIRST_SEQUENCE)
                state.jump, state.jumped_to = state.first, line.sequence

    def _jump(self, state: _Portfolio, line: JournalLine, expected: int) -> None:
        state.missing.update(range(expected, min(line.sequence, expected + MOST_MISSING)))
        count = line.sequence - expected
        text = f"{count} decision(s) from {expected} on are missing before decision {line.sequence}"
        if state.first is None and not self._place_damaged(state, line, expected):
            self._report(state, line, Verdict.DROPPED, text, expected)
            state.jump, state.jumped_to = state.first, line.sequence

    def _place_damaged(self, state: _Portfolio, line: JournalLine, expected: int) -> bool:
        """As many unreadable lines as decisions are missing: these are what was changed."""
        count = line.sequence - expected
        if not self._unplaced or count > len(self._unplaced):
            return False
        self._take_unplaced(line.portfolio, state, expected, count)
        return True

    def _back(self, state: _Portfolio, line: JournalLine) -> None:
        """A sequence that should have come earlier: it was moved, or it stands twice."""
        where = f"decision {line.sequence} of portfolio {line.portfolio}"
        if line.sequence not in state.missing:
            if state.jump is not None and line.sequence == state.jumped_to and not state.missing:
                # All that it had jumped over came after it, and then itself: it was put there a second time.
                text = f"{where} stands twice, first in line {state.jump.line}, before its predecessors"
                state.first = Finding(
                    Verdict.REPEATED, text, line.portfolio, line.sequence, state.jump.line, state.jump.file
                )
                state.jump = None
                return
            self._report(state, line, Verdict.REPEATED, "the sequence has been there before")
            return
        state.missing.discard(line.sequence)
        jump = state.jump
        if jump is not None and state.first is jump and jump.sequence == line.sequence:
            text = f"{where} stands after later ones, in line {line.number}"
            state.first = Finding(Verdict.REORDERED, text, line.portfolio, line.sequence, jump.line, jump.file)

    def _report(
        self, state: _Portfolio, line: JournalLine, verdict: Verdict, text: str, sequence: int | None = None
    ) -> None:
        if state.first is None:
            bad = line.sequence if sequence is None else sequence
            text = f"decision {bad} of portfolio {line.portfolio}, line {line.number}: {text}"
            key_id = line.envelope.key_id or ""
            state.first = Finding(verdict, text, line.portfolio, bad, line.number, self.file, key_id)


def _claim(raw: bytes) -> _Claim:
    """What can be read of a line that is no JSON any more."""
    name, previous, sequence = (pattern.search(raw) for pattern in (_NAME, _PREVIOUS, _SEQUENCE))
    return _Claim(
        None if name is None else name.group(1).decode("utf-8", "replace"),
        None if sequence is None else int(sequence.group(1)[:18]),
        None if previous is None else previous.group(1).decode(),
    )
