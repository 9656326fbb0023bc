"""Orders that two runs do not share, matched by portfolio, cycle, symbol and order of occurrence; ids do not count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

Kind = Literal["added", "dropped", "resized"]


class OrderChange(Struct, frozen=True, kw_only=True):
    """An order that only one run has, or that has another quantity. Quantities are signed units, None where missing;
    ``notional`` is the change of quantity at the order's reference price, in the instrument's currency."""

    kind: Kind
    portfolio: str
    cycle: int
    symbol: str
    baseline: float | None
    candidate: float | None
    notional: float


class OrderCounts(Struct, kw_only=True):
    """Orders of one portfolio by what became of them."""

    same: int = 0
    added: int = 0
    dropped: int = 0
    resized: int = 0


def order_changes(
    portfolio: str, cycle: int, baseline: Mapping[str, Any] | None, candidate: Mapping[str, Any] | None
) -> tuple[list[OrderChange], int]:
    """(changes by symbol, orders that are the same) of two decisions' order tables; None is one without orders."""
    left, right = _by_place(baseline), _by_place(candidate)
    changes: list[OrderChange] = []
    same = 0
    for place in sorted(left.keys() | right.keys()):
        before, after = left.get(place), right.get(place)
        if before is not None and after is not None and before[0] == after[0]:
            same += 1
            continue
        kind: Kind = "added" if before is None else "dropped" if after is None else "resized"
        quantities = [None if one is None else one[0] for one in (before, after)]
        price = (after or before or (0.0, 0.0))[1]
        changes.append(
            OrderChange(
                kind=kind,
                portfolio=portfolio,
                cycle=cycle,
                symbol=place[0],
                baseline=quantities[0],
                candidate=quantities[1],
                notional=((quantities[1] or 0.0) - (quantities[0] or 0.0)) * price,
            )
        )
    return changes, same


def _by_place(table: Mapping[str, Any] | None) -> dict[tuple[str, int], tuple[float, float]]:
    """(signed quantity, reference price) by symbol and occurrence."""
    found: dict[tuple[str, int], tuple[float, float]] = {}
    if table is None:
        return found
    seen: dict[str, int] = {}
    for symbol, quantity, price in zip(table["symbol"], table["quantity"], table["reference_price"], strict=True):
        seen[symbol] = seen.get(symbol, 0) + 1
        found[symbol, seen[symbol]] = (quantity, price)
    return found
