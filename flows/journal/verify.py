"""Checks a journal offline: every hash, the chain, and that each order stands in exactly one decision (spec 11).

The hash is taken over the body's bytes as they stand in the file. Flipped, dropped, reordered and truncated are told
apart; that nothing was cut off at the end can only be shown against an anchored ``head``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from flows.exit_codes import ExitCode
from flows.journal.chain import ChainCheck
from flows.journal.findings import Finding, Verdict
from flows.journal.line import MalformedLine, parse_line
from flows.journal.order_check import OrderCheck
from flows.journal.reader import (
    DECISIONS,
    ORDERS,
    STANDARD_INPUT,
    JournalUnusable,
    TruncatedStream,
    decisions_file,
    find_file,
    raw_lines,
)


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


@dataclass(slots=True)
class Verification:
    """What :func:`verify` found.

    Attributes:
        outcome: ok, broken or unusable.
        findings: the first fault of each portfolio's chain, then those of the orders; empty when ok.
        decisions, orders: how many were read.
        heads: last decision by portfolio, to be anchored elsewhere.
        orders_checked: whether there was an orders file to check.
    """

    outcome: Outcome
    findings: list[Finding] = field(default_factory=list)
    decisions: int = 0
    orders: int = 0
    heads: dict[str, Head] = field(default_factory=dict)
    orders_checked: bool = False

    @property
    def exit_code(self) -> ExitCode:
        """0 ok, 1 broken, 2 unusable."""
        return _EXIT_CODES[self.outcome]


def verify(
    path: Path, *, orders: Path | None = None, heads: Mapping[str, Head] | None = None, check_orders: bool = True
) -> Verification:
    """Verifies the journal at ``path`` (run folder, file or ``-``); never raises for what a journal may hold.

    Args:
        path: a run's folder, a journal file, or ``-`` for standard input.
        orders: the orders file; by default the one in the folder, if any.
        heads: anchored last decisions by portfolio: a chain that ends before one is truncated.
        check_orders: False leaves the orders out.
    """
    try:
        source = decisions_file(path)
        orders_path = _orders_file(path, orders) if check_orders else None
        return _verify(source, orders_path, heads or {})
    except JournalUnusable as error:
        return Verification(Outcome.UNUSABLE, [Finding(Verdict.UNUSABLE, str(error))])


def _orders_file(path: Path, orders: Path | None) -> Path | None:
    if orders is not None:
        return find_file(orders, ORDERS)
    return None if path == STANDARD_INPUT or not path.is_dir() else find_file(path, ORDERS)


def _verify(source: Path, orders_path: Path | None, heads: Mapping[str, Head]) -> Verification:
    chain = ChainCheck()
    order_check = OrderCheck(orders_path) if orders_path is not None else None
    number = 0
    try:
        for number, raw in enumerate(raw_lines(source), 1):
            try:
                line = parse_line(raw, number)
                body = line.body()
            except MalformedLine as error:
                chain.malformed(number, str(error))
                continue
            chain.check(line)
            if order_check is not None:
                order_check.expect(body)
    except TruncatedStream as error:
        chain.truncated(number + 1, str(error))
    if chain.decisions == 0 and chain.malformed_lines:
        return Verification(
            Outcome.UNUSABLE, [Finding(Verdict.UNUSABLE, f"{source}: no line is a decision; is it a {DECISIONS}?")]
        )
    found = {portfolio: Head(*last) for portfolio, last in chain.last().items()}
    for portfolio, head in sorted(heads.items()):
        chain.compare_head(portfolio, head.sequence, head.hash)
    findings = chain.findings()
    if order_check is not None:
        findings += order_check.finish()
    return Verification(
        Outcome.BROKEN if findings else Outcome.OK,
        findings,
        chain.decisions,
        0 if order_check is None else order_check.orders,
        found,
        order_check is not None,
    )
