"""What ``weir whatif`` answers; the names are a stable interface."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from flows.whatif.compare import Comparison, FirstDifference
from flows.whatif.measures import PortfolioMeasures
from flows.whatif.orders import OrderChange, OrderCounts


class RunSummary(Struct, frozen=True, kw_only=True):
    """One replay. ``wall_seconds`` is of the replay alone."""

    out: str
    config_hash: str
    decisions: int
    orders: int
    decisions_sha256: str
    wall_seconds: float
    cpu_seconds: float
    warnings: list[str]


class Divergence(Struct, frozen=True, kw_only=True):
    """How far one run lies from another.

    Attributes:
        identical: no decision differs, hashes and ids left out.
        decisions: how many are ``same``, ``changed``, ``only_baseline`` and ``only_candidate``.
        first: the earliest difference and its cause; None where there is none.
        sections: decisions that differ, by the part of the decision.
        orders: counts by portfolio.
        examples: the first order changes; all of them are in the file ``order_changes``.
    """

    identical: bool
    decisions: dict[str, int]
    first: FirstDifference | None
    sections: dict[str, int]
    orders: dict[str, OrderCounts]
    examples: list[OrderChange]
    order_changes: str


class Timing(Struct, frozen=True, kw_only=True):
    """Wall and CPU seconds of the whole command; ratios are to the plain replay of the baseline within it."""

    wall_seconds: float
    cpu_seconds: float
    wall_ratio: float
    cpu_ratio: float
    sequential: bool


class WhatIf(Struct, frozen=True, kw_only=True):
    """The answer.

    Attributes:
        dump: the recorded inputs.
        changes: what the candidate differs in, as ``{path: [baseline, candidate]}``.
        baseline, candidate: the two replays, both filled internally.
        difference: candidate against baseline.
        portfolios: figures of both, side by side.
        recorded: the baseline against the recorded run, where one was given; ``baseline`` there is the recorded run
            and ``candidate`` the baseline.
        report: paths by name: ``json``, ``html``, ``plot``, ``order_changes``.
    """

    dump: str
    changes: dict[str, list[Any]]
    baseline: RunSummary
    candidate: RunSummary
    difference: Divergence
    portfolios: list[PortfolioMeasures]
    recorded: Divergence | None
    timing: Timing
    report: dict[str, str]


#: Order changes that stand in the answer itself.
MOST_EXAMPLES = 50


def divergence(found: Comparison, order_changes: str) -> Divergence:
    """A comparison as it is told."""
    return Divergence(
        identical=found.identical,
        decisions={
            "same": found.same,
            "changed": found.changed,
            "only_baseline": found.only_baseline,
            "only_candidate": found.only_candidate,
        },
        first=found.first,
        sections=dict(found.sections.most_common()),
        orders=found.orders,
        examples=found.changes[:MOST_EXAMPLES],
        order_changes=order_changes,
    )
