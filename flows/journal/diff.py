"""Compares two runs decision by decision and names the first field that differs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from flows.journal.line import JournalLine
from flows.journal.reader import read_decisions

#: Hashes and ids: they follow from all else, and differ for ever after one difference (design, "What-if").
DERIVED: Final = frozenset(
    {
        "config_hash",
        "decision_id",
        "fills.client_order_id",
        "intents.feature_snapshot_hash",
        "orders.client_order_id",
        "previous",
    }
)
#: Most field differences that are kept of the first differing decision.
MOST_FIELDS: Final = 100


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """A field, as a path like ``targets.units[3]``; a side where it is missing holds None and says so."""

    path: str
    left: Any
    right: Any
    only: str = ""


@dataclass(frozen=True, slots=True)
class DecisionDifference:
    """The first decision in which two runs differ. ``kind`` is "changed", "only_left" or "only_right"."""

    kind: str
    portfolio: str
    cycle: int
    left_sequence: int | None
    right_sequence: int | None
    fields: list[FieldDifference] = field(default_factory=list)


@dataclass(slots=True)
class Difference:
    """Two runs compared; decisions are matched by portfolio and cycle. ``equal`` counts equal decisions."""

    first: DecisionDifference | None = None
    left_decisions: int = 0
    right_decisions: int = 0
    equal: int = 0
    changed: int = 0
    only_left: int = 0
    only_right: int = 0
    #: decisions that differ by field, over the whole run: how often each field is touched
    fields: dict[str, int] = field(default_factory=dict)

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return self.first is None


def diff_runs(left: Path, right: Path, *, ignore_derived: bool = False) -> Difference:
    """Compares the decision journals at ``left`` and ``right`` (folders or files).

    Args:
        left, right: two runs.
        ignore_derived: leave out hashes and ids (:data:`DERIVED`), as what-if does.

    Raises:
        JournalDamaged, JournalUnusable: see :mod:`flows.journal.reader`.
    """
    result = Difference()
    for one, other in paired(left, right):
        result.left_decisions += one is not None
        result.right_decisions += other is not None
        if one is not None and other is not None:
            _compare(result, one, other, ignore_derived)
        elif one is not None:
            result.only_left += 1
            _note_first(result, DecisionDifference("only_left", one.portfolio, one.cycle, one.sequence, None))
        elif other is not None:
            result.only_right += 1
            _note_first(result, DecisionDifference("only_right", other.portfolio, other.cycle, None, other.sequence))
    return result


def _note_first(result: Difference, found: DecisionDifference) -> None:
    """Keeps the earliest by cycle: interleaved portfolios do not come in cycle order."""
    if result.first is None or found.cycle < result.first.cycle:
        result.first = found


def _compare(result: Difference, one: JournalLine, other: JournalLine, ignore_derived: bool) -> None:
    if one.raw == other.raw:
        result.equal += 1
        return
    ignored = DERIVED if ignore_derived else frozenset()
    fields = field_differences(msgspec.json.decode(one.raw), msgspec.json.decode(other.raw), ignored)
    if not fields:
        result.equal += 1
        return
    result.changed += 1
    for name in {difference.path.split("[")[0] for difference in fields}:
        result.fields[name] = result.fields.get(name, 0) + 1
    # What a user looks for first is a value, not the hashes that follow from it.
    fields.sort(key=lambda difference: difference.path.split("[")[0] in DERIVED)
    first = DecisionDifference("changed", one.portfolio, one.cycle, one.sequence, other.sequence, fields[:MOST_FIELDS])
    _note_first(result, first)


def field_differences(left: Any, right: Any, ignored: frozenset[str] = frozenset()) -> list[FieldDifference]:
    """Every leaf in which two JSON values differ, in the order of ``left``'s keys."""
    return list(_walk("", left, right, ignored))


def _walk(path: str, left: Any, right: Any, ignored: frozenset[str]) -> Iterator[FieldDifference]:
    if path in ignored:
        return
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted({*left, *right}):
            yield from _member(f"{path}.{key}" if path else key, left, right, key, ignored)
    elif isinstance(left, list) and isinstance(right, list):
        for index in range(max(len(left), len(right))):
            inner = f"{path}[{index}]"
            if index >= len(left):
                yield FieldDifference(inner, None, right[index], "right")
            elif index >= len(right):
                yield FieldDifference(inner, left[index], None, "left")
            else:
                yield from _walk(inner, left[index], right[index], ignored)
    elif left != right or type(left) is not type(right):
        yield FieldDifference(path, left, right)


def _member(
    path: str, left: dict[str, Any], right: dict[str, Any], key: str, ignored: frozenset[str]
) -> Iterator[FieldDifference]:
    if path in ignored:
        return
    if key not in left:
        yield FieldDifference(path, None, right[key], "right")
    elif key not in right:
        yield FieldDifference(path, left[key], None, "left")
    else:
        yield from _walk(path, left[key], right[key], ignored)


class _Side:
    """The decisions of one run, each portfolio in its own order, whatever the interleaving."""

    def __init__(self, path: Path) -> None:
        self._lines = read_decisions(path)
        self._waiting: dict[str, deque[JournalLine]] = {}

    def any(self) -> JournalLine | None:
        """The next decision of any portfolio."""
        for _, waiting in sorted(self._waiting.items()):
            if waiting:
                return waiting.popleft()
        return next(self._lines, None)

    def of(self, portfolio: str) -> JournalLine | None:
        """The next decision of one portfolio; others met on the way wait."""
        waiting = self._waiting.get(portfolio)
        if waiting:
            return waiting.popleft()
        for line in self._lines:
            if line.portfolio == portfolio:
                return line
            self._waiting.setdefault(line.portfolio, deque()).append(line)
        return None

    def put_back(self, line: JournalLine) -> None:
        """Lets ``line`` come again as its portfolio's next."""
        self._waiting.setdefault(line.portfolio, deque()).appendleft(line)


def paired(left: Path, right: Path) -> Iterator[tuple[JournalLine | None, JournalLine | None]]:
    """Decisions of two runs (folders or files) by portfolio and cycle; one without a partner stands alone.

    Raises:
        JournalDamaged, JournalUnusable: see :mod:`flows.journal.reader`.
    """
    return _matched(_Side(left), _Side(right))


def _matched(left: _Side, right: _Side) -> Iterator[tuple[JournalLine | None, JournalLine | None]]:
    while True:
        one = left.any()
        if one is None:
            break
        other = right.of(one.portfolio)
        if other is None or one.cycle == other.cycle:
            yield one, other
        elif one.cycle < other.cycle:
            right.put_back(other)
            yield one, None
        else:
            left.put_back(one)
            yield None, other
    while (rest := right.any()) is not None:
        yield None, rest
