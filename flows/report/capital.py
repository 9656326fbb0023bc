"""Reads the capital of a run from its journal, in one pass and flat memory."""

from __future__ import annotations

from pathlib import Path

from flows.errors import InvalidInput
from flows.journal.reader import read_decisions
from operators.allocate.dashboard import AllocationTimeline


def read_timelines(out: Path) -> dict[str, AllocationTimeline]:
    """The timeline of every portfolio in a run's folder or journal, by id; raises as
    :func:`flows.journal.reader.read_decisions`."""
    found: dict[str, AllocationTimeline] = {}
    for line in read_decisions(out):
        found.setdefault(line.portfolio, AllocationTimeline(line.portfolio)).add(line.body())
    return dict(sorted(found.items()))


def read_timeline(out: Path, portfolio: str | None) -> AllocationTimeline:
    """One portfolio's timeline; raises InvalidInput for a portfolio that is not there, for more than one where none is
    named, and for one whose capital was never allocated."""
    timelines = read_timelines(out)
    names = ", ".join(timelines)
    if portfolio is None and len(timelines) != 1:
        raise InvalidInput(f"{out}: holds portfolios {names or '(none)'}; choose one with --portfolio")
    chosen = next(iter(timelines)) if portfolio is None else portfolio
    if chosen not in timelines:
        raise InvalidInput(f"{out}: no portfolio {chosen!r}; there are {names}")
    if timelines[chosen].latest() is None:
        raise InvalidInput(f"{out}: the capital of {chosen} was never allocated")
    return timelines[chosen]
