"""Compares the decisions of two runs in one pass, without hashes and ids."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from flows.journal.diff import FieldDifference, field_differences, paired
from flows.journal.line import JournalLine
from flows.whatif.cause import Cause, cause, comparable, differing_sections
from flows.whatif.orders import OrderChange, OrderCounts, order_changes

#: Most fields that are told of the first difference.
MOST_FIELDS: Final = 40


class FirstDifference(Struct, frozen=True, kw_only=True):
    """The earliest cycle in which two runs decided differently.

    Attributes:
        portfolio, cycle: where; ``cycle`` is UTC ns.
        baseline_decision, candidate_decision: ids, None where that run decided nothing in this cycle.
        cause: what made it; the rest follows.
        sections: every part of the decision that differs, causes first.
        fields: single values that differ, as ``{path, left, right, only}``, at most :data:`MOST_FIELDS`.
    """

    portfolio: str
    cycle: int
    baseline_decision: str | None
    candidate_decision: str | None
    cause: Cause
    sections: list[str]
    fields: list[FieldDifference]


class Comparison(Struct, kw_only=True):
    """Two runs, decision by decision. ``changes`` are all orders that differ, in the order of the record."""

    same: int = 0
    changed: int = 0
    only_baseline: int = 0
    only_candidate: int = 0
    first: FirstDifference | None = None
    #: decisions that differ, by the part of the decision
    sections: Counter[str] = field(default_factory=Counter)
    orders: dict[str, OrderCounts] = field(default_factory=dict)
    changes: list[OrderChange] = field(default_factory=list)

    @property
    def identical(self) -> bool:
        """Whether nothing differs."""
        return self.first is None


def compare(baseline: Path, candidate: Path) -> Comparison:
    """Compares the journals of two runs (folders or files).

    Raises:
        JournalDamaged, JournalUnusable: see :mod:`flows.journal.reader`.
    """
    result = Comparison()
    for one, other in paired(baseline, candidate):
        _take(result, one, other)
    return result


def _take(result: Comparison, one: JournalLine | None, other: JournalLine | None) -> None:
    known = one or other
    assert known is not None
    before, after = (None if line is None else msgspec.json.decode(line.raw) for line in (one, other))
    counts = result.orders.setdefault(known.portfolio, OrderCounts())
    left, right = (None if body is None else comparable(body) for body in (before, after))
    if left == right:
        result.same += 1
        counts.same += len((left or {}).get("orders", {}).get("symbol", ()))
        return
    result.changed += left is not None and right is not None
    result.only_baseline += right is None
    result.only_candidate += left is None
    sections = differing_sections(left or {}, right or {})
    result.sections.update(sections)
    _take_orders(result, counts, known, left, right)
    # Portfolios stand one after the other in the files: the earliest cycle is the first difference.
    if result.first is None or known.cycle < result.first.cycle:
        result.first = FirstDifference(
            portfolio=known.portfolio,
            cycle=known.cycle,
            baseline_decision=None if before is None else before["decision_id"],
            candidate_decision=None if after is None else after["decision_id"],
            cause=cause(left, right),
            sections=sections,
            fields=field_differences(left or {}, right or {})[:MOST_FIELDS],
        )


def _take_orders(
    result: Comparison,
    counts: OrderCounts,
    known: JournalLine,
    left: dict[str, Any] | None,
    right: dict[str, Any] | None,
) -> None:
    changes, same = order_changes(known.portfolio, known.cycle, (left or {}).get("orders"), (right or {}).get("orders"))
    counts.same += same
    for change in changes:
        setattr(counts, change.kind, getattr(counts, change.kind) + 1)
    result.changes += changes
