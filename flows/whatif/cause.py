"""What made two decisions of one cycle differ: the first link of the chain from input to order that is not the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

#: Sections of a decision in the order in which one follows from another; all else follows from these.
CHAIN: Final = (
    "commands",
    "events",
    "transitions",
    "capital",
    "intents",
    "clips",
    "targets",
    "cancels",
    "orders",
    "fills",
    "trading_state",
)
#: What a row of a table is about; it is paired with the other side's row of the same names.
_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "clips": ("pod", "symbol", "unit", "reason"),
    "fills": ("symbol",),
    "intents": ("pod", "schedule", "symbol"),
    "orders": ("symbol",),
    "targets": ("pod", "symbol"),
}
#: Ids and hashes, which follow from all else.
_DERIVED: Final = frozenset({"client_order_id", "decision_id", "feature_snapshot_hash", "config_hash", "previous"})


class Cause(Struct, frozen=True, kw_only=True):
    """The first thing that differs.

    Attributes:
        section: part of the decision, such as ``clips`` or ``intents``; ``decision`` where one side has none.
        field: what of it differs; empty where one side has no such row.
        pod, schedule, symbol, reason: whom it is about and why, as far as it says; else empty.
        baseline, candidate: row or value of either side, None where it has none.
    """

    section: str
    field: str = ""
    pod: str = ""
    schedule: str = ""
    symbol: str = ""
    reason: str = ""
    baseline: Any = None
    candidate: Any = None


def comparable(body: Mapping[str, Any]) -> dict[str, Any]:
    """A decision without hashes, ids and its number, which follow from all else and from the decisions before it, and
    without limits that the allocator's trace repeats from the configuration."""
    kept = {name: value for name, value in body.items() if name not in _DERIVED and name != "sequence"}
    for name in ("fills", "intents", "orders"):
        table = kept.get(name)
        if table is not None:
            kept[name] = {column: v for column, v in table.items() if column not in _DERIVED and column != "sequence"}
    capital = kept.get("capital")
    if capital is not None and "steps" in capital:
        kept["capital"] = {**capital, "steps": [_without_settings(step) for step in capital["steps"]]}
    return kept


def _without_settings(step: dict[str, Any]) -> dict[str, Any]:
    """A step of the allocator's trace without limits that only repeat the configuration: they bind where clips say."""
    if step.get("step") != "leverage":
        return step
    pods = {pod: {k: v for k, v in room.items() if k != "limit"} for pod, room in step.get("pods", {}).items()}
    return {**{k: v for k, v in step.items() if k != "max_gross_leverage"}, "pods": pods}


def differing_sections(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[str]:
    """Names of the sections in which two comparable decisions differ, causes first."""
    differing = {name for name in left.keys() | right.keys() if left.get(name) != right.get(name)}
    return [*(n for n in CHAIN if n in differing), *sorted(differing - set(CHAIN))]


def cause(left: Mapping[str, Any] | None, right: Mapping[str, Any] | None) -> Cause:
    """Why two comparable decisions of one cycle differ; None is a cycle in which that run decided nothing."""
    one, other = left or {}, right or {}
    sections = differing_sections(one, other)
    if not sections:
        return Cause(section="decision")
    section = sections[0]
    before, after = one.get(section), other.get(section)
    if section in _KEYS:
        return _of_table(section, before, after)
    if isinstance(before, list) or isinstance(after, list):
        return _of_rows(section, before or [], after or [])
    if section == "capital":
        return _of_mapping(section, before or {}, after or {})
    return Cause(section=section, baseline=before, candidate=after)


def _of_table(section: str, before: Any, after: Any) -> Cause:
    left, right = _rows(section, before), _rows(section, after)
    # In the order of the side that says more: it is the order in which things were decided.
    places = [*right, *(p for p in left if p not in right)]
    place = next((p for p in places if left.get(p) != right.get(p)), None)
    if place is None:
        return Cause(section=section, field="order of rows", baseline=before, candidate=after)
    one, other = left.get(place), right.get(place)
    field = "" if one is None or other is None else next(name for name in one if one[name] != other[name])
    return _named(section, field, one, other)


def _rows(section: str, table: Any) -> dict[tuple[Any, ...], dict[str, Any]]:
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    if table is None:
        return found
    names = list(table)
    for values in zip(*table.values(), strict=True):
        row = dict(zip(names, values, strict=True))
        key = tuple(row[name] for name in _KEYS[section])
        occurrence = 0
        while (*key, occurrence) in found:
            occurrence += 1
        found[*key, occurrence] = row
    return found


def _of_rows(section: str, before: list[Any], after: list[Any]) -> Cause:
    longest = max(len(before), len(after))
    at = next((n for n in range(longest) if before[n : n + 1] != after[n : n + 1]), 0)
    one, other = (rows[at] if at < len(rows) else None for rows in (before, after))
    return _named(section, "", one, other)


def _of_mapping(section: str, before: dict[str, Any], after: dict[str, Any]) -> Cause:
    # The policy first: what it weighed follows from it.
    names = sorted(before.keys() | after.keys(), key=lambda name: (name != "policy", name))
    field = next(name for name in names if before.get(name) != after.get(name))
    why = (after or before).get("why")
    reason = why.get("reason", "") if isinstance(why, dict) else ""
    return Cause(
        section=section, field=field, reason=str(reason), baseline=before.get(field), candidate=after.get(field)
    )


def _named(section: str, field: str, one: Any, other: Any) -> Cause:
    row = other if isinstance(other, dict) else one if isinstance(one, dict) else {}
    about = {name: str(row.get(name) or "") for name in ("pod", "schedule", "symbol", "reason")}
    return Cause(section=section, field=field, baseline=one, candidate=other, **about)
