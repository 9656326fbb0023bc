"""The comparer: what one side decided waits for the other, and how blocks are cut changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from flows.shadow.comparer import LIVE, SHADOW, Comparer, Divergence
from operators.frames import OutputBlock


def block(to_cycle: int, *decisions: dict[str, Any]) -> OutputBlock:
    bodies = [msgspec.json.encode({"gross_exposure": 10.0, "equity": 100.0, **one}) for one in decisions]
    cycles = [one["cycle"] for one in decisions]
    return OutputBlock("main", 1, to_cycle, 1, cycles, bodies, ["h"] * len(bodies), [], [])


def decided(cycle: int, quantity: float, weight: float, **more: Any) -> dict[str, Any]:
    orders = {"symbol": ["A"], "quantity": [quantity], "reference_price": [10.0]}
    targets = {"pod": ["p"], "symbol": ["A"], "fraction": [0.5], "weight": [weight]}
    return {"cycle": cycle, "orders": orders, "targets": targets, **more}


def sums(found: Sequence[Divergence | None]) -> tuple[int, int, int, int]:
    told = [one for one in found if one is not None]
    return (
        sum(d.cycles for d in told),
        sum(d.diverged for d in told),
        sum(d.orders.same for d in told),
        sum(d.orders.resized for d in told),
    )


def test_nothing_is_compared_before_both_have_come_as_far() -> None:
    comparer = Comparer("main")
    assert comparer.take(LIVE, block(2, decided(1, 5, 1.0), decided(2, 6, 1.0))) is None
    found = comparer.take(SHADOW, block(1, decided(1, 5, 1.0)))
    assert found is not None
    assert (found.cycles, found.diverged, found.orders.same) == (1, 0, 1)


def test_distance_equity_and_exposure_are_those_of_the_last_compared_cycle() -> None:
    comparer = Comparer("main")
    comparer.take(LIVE, block(1, decided(1, 5, 1.0)))
    found = comparer.take(SHADOW, block(1, decided(1, 2, 0.4, equity=90.0, gross_exposure=9.0)))
    assert found is not None
    assert found.target_distance == pytest.approx(0.5 * 0.6)
    assert (found.equity_ratio, found.gross_exposure_ratio) == (0.9, 0.1)
    assert (found.diverged, found.orders.resized) == (1, 1)


def test_a_cycle_in_which_one_side_decided_nothing_counts() -> None:
    comparer = Comparer("main")
    comparer.take(LIVE, block(3, decided(2, 5, 1.0)))
    found = comparer.take(SHADOW, block(3))
    assert found is not None
    assert (found.cycles, found.diverged, found.orders.dropped) == (1, 1, 1)
    assert found.equity_ratio is None


def test_the_cut_of_blocks_and_a_restart_in_between_change_no_sum() -> None:
    live = [decided(1, 5, 1.0), decided(2, 6, 1.0), decided(3, 7, 0.5)]
    shadow = [decided(1, 5, 1.0), decided(2, 4, 0.8), decided(3, 7, 0.5)]
    whole = Comparer("main")
    at_once = [whole.take(LIVE, block(3, *live)), whole.take(SHADOW, block(3, *shadow))]
    cut, found = Comparer("main"), []
    for n in range(3):
        found.append(cut.take(SHADOW, block(n + 1, shadow[n])))
        again = Comparer("main")
        again.restore(cut.snapshot())
        cut = again
        found.append(cut.take(LIVE, block(n + 1, live[n])))
    assert sums(found) == sums(at_once) == (3, 1, 2, 1)


def test_a_snapshot_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 99"):
        Comparer("main").restore({"version": 99})
