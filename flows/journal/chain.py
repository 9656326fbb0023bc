"""The chain check of each portfolio: names the first bad sequence, and what was done to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from flows.journal.findings import Finding, Verdict
from flows.journal.line import JournalLine, is_canonical
from schemas.decision import GENESIS

#: Sequence of a portfolio's first decision.
FIRST_SEQUENCE: Final = 1


@dataclass(slots=True)
class _Portfolio:
    expected: int | None = None
    previous: str = GENESIS
    #: sequences that were jumped over, until they turn up: then it was a reordering
    missing: set[int] = field(default_factory=set)
    jump: Finding | None = None
    first: Finding | None = None
    last: tuple[int, str] | None = None


class ChainCheck:
    """Takes the lines of a journal in file order; each portfolio has a chain of its own."""

    def __init__(self) -> None:
        self.decisions = 0
        self.malformed_lines = 0
        self._portfolios: dict[str, _Portfolio] = {}
        self._loose: list[Finding] = []
        #: malformed lines whose place in a chain is not known yet
        self._unplaced: list[Finding] = []

    def check(self, line: JournalLine) -> None:
        """One parsed line."""
        self.decisions += 1
        state = self._portfolios.setdefault(line.portfolio, _Portfolio())
        if not line.is_intact():
            self._report(state, line, Verdict.FLIPPED, "the body's bytes do not have the hash that the line states")
        elif not is_canonical(line.raw):
            self._report(state, line, Verdict.NOT_CANONICAL, "the body is not in canonical form")
        self._follow(state, line)

    def malformed(self, number: int, error: str) -> None:
        """A line that is no decision at all."""
        self.malformed_lines += 1
        self._unplaced.append(Finding(Verdict.MALFORMED, f"line {number} is no decision: {error}", line=number))

    def truncated(self, number: int, error: str) -> None:
        """The file ended in the middle of line ``number``."""
        ends = ", ".join(f"{name} ends at {last[0]}" for name, last in sorted(self.last().items()))
        sequence, portfolio = None, ""
        if len(self._portfolios) == 1:
            portfolio, state = next(iter(self._portfolios.items()))
            sequence = state.expected
        self._loose.append(
            Finding(Verdict.TRUNCATED, f"{error}{'; ' if ends else ''}{ends}", portfolio, sequence, number)
        )

    def compare_head(self, portfolio: str, sequence: int, body_hash: str) -> None:
        """Compares with an anchored last decision."""
        last = self._portfolios.get(portfolio, _Portfolio()).last
        if last is None or last[0] < sequence:
            found = "nothing" if last is None else str(last[0])
            first = FIRST_SEQUENCE if last is None else last[0] + 1
            text = f"portfolio {portfolio}: the anchored head is {sequence}, the journal ends at {found}"
            self._loose.append(Finding(Verdict.TRUNCATED, text, portfolio, first))
        elif last[0] == sequence and last[1] != body_hash:
            text = f"portfolio {portfolio}: decision {sequence} has hash {last[1][:12]}, anchored is {body_hash[:12]}"
            self._loose.append(Finding(Verdict.FORKED, text, portfolio, sequence))

    def last(self) -> dict[str, tuple[int, str]]:
        """(sequence, hash) of the highest decision of each portfolio."""
        return {name: state.last for name, state in sorted(self._portfolios.items()) if state.last is not None}

    def findings(self) -> list[Finding]:
        """The first fault of each portfolio, then those that belong to none."""
        found = [state.first for _, state in sorted(self._portfolios.items()) if state.first is not None]
        return found + self._unplaced[:1] + self._loose

    def _follow(self, state: _Portfolio, line: JournalLine) -> None:
        sequence = line.sequence
        if state.expected is None:
            self._begin(state, line)
        elif sequence > state.expected:
            self._jump(state, line, state.expected)
        elif sequence < state.expected:
            self._back(state, line)
            return
        elif line.previous != state.previous:
            text = f"it names {line.previous[:12]} as its predecessor, which has {state.previous[:12]}"
            self._report(state, line, Verdict.FORKED, text)
        state.expected = sequence + 1
        state.previous = line.hash
        state.last = (sequence, line.hash)

    def _begin(self, state: _Portfolio, line: JournalLine) -> None:
        if line.previous != GENESIS:
            state.missing = set(range(FIRST_SEQUENCE, min(line.sequence, 1_000_000)))
            if state.first is None and not self._place_malformed(state, line, FIRST_SEQUENCE):
                self._report(
                    state, line, Verdict.DROPPED, "the journal does not begin where its chain does", FIRST_SEQUENCE
                )
                state.jump = state.first

    def _jump(self, state: _Portfolio, line: JournalLine, expected: int) -> None:
        state.missing.update(range(expected, min(line.sequence, expected + 1_000_000)))
        count = line.sequence - expected
        text = f"{count} decision(s) from {expected} on are missing before decision {line.sequence}"
        if state.first is None and not self._place_malformed(state, line, expected):
            self._report(state, line, Verdict.DROPPED, text, expected)
            state.jump = state.first

    def _place_malformed(self, state: _Portfolio, line: JournalLine, expected: int) -> bool:
        """As many unreadable lines as decisions are missing: these are what was changed."""
        if not self._unplaced or line.sequence - expected > len(self._unplaced):
            return False
        bad = self._unplaced[0]
        self._unplaced = self._unplaced[line.sequence - expected :]
        text = f"decision {expected} of portfolio {line.portfolio}: {bad.text}"
        state.first = Finding(Verdict.FLIPPED, text, line.portfolio, expected, bad.line)
        return True

    def _back(self, state: _Portfolio, line: JournalLine) -> None:
        """A sequence that should have come earlier: it was moved, or it stands twice."""
        if line.sequence not in state.missing:
            self._report(state, line, Verdict.REPEATED, "the sequence has been there before")
            return
        state.missing.discard(line.sequence)
        jump = state.jump
        if jump is not None and state.first is jump and jump.sequence == line.sequence:
            text = (
                f"decision {line.sequence} of portfolio {line.portfolio} stands after later ones, in line {line.number}"
            )
            state.first = Finding(Verdict.REORDERED, text, line.portfolio, line.sequence, jump.line)
            state.jump = None

    @staticmethod
    def _report(state: _Portfolio, line: JournalLine, verdict: Verdict, text: str, sequence: int | None = None) -> None:
        if state.first is None:
            bad = line.sequence if sequence is None else sequence
            text = f"decision {bad} of portfolio {line.portfolio}, line {line.number}: {text}"
            state.first = Finding(verdict, text, line.portfolio, bad, line.number)
