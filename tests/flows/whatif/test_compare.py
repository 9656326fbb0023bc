"""Orders are matched by portfolio, cycle, symbol and occurrence; a cause is the first link that differs."""

from __future__ import annotations

from typing import Any

from flows.whatif.cause import cause, comparable
from flows.whatif.orders import order_changes


def orders(*rows: tuple[str, float]) -> dict[str, Any]:
    return {
        "symbol": [s for s, _ in rows],
        "quantity": [q for _, q in rows],
        "reference_price": [10.0 for _ in rows],
        "client_order_id": [f"id{n}" for n in range(len(rows))],
    }


def test_orders_are_added_dropped_and_resized() -> None:
    changes, same = order_changes("main", 5, orders(("A", 1), ("B", 2), ("C", 3)), orders(("A", 1), ("B", 4), ("D", 5)))
    assert same == 1
    assert [(c.kind, c.symbol, c.baseline, c.candidate, c.notional) for c in changes] == [
        ("resized", "B", 2, 4, 20),
        ("dropped", "C", 3, None, -30),
        ("added", "D", None, 5, 50),
    ]


def test_two_orders_of_one_symbol_are_matched_in_their_order() -> None:
    changes, same = order_changes("main", 5, orders(("A", -1), ("A", -2)), orders(("A", -1), ("A", -3)))
    assert same == 1
    assert [(c.kind, c.baseline, c.candidate) for c in changes] == [("resized", -2, -3)]


def test_hashes_ids_and_sequences_do_not_count() -> None:
    left = {"sequence": 1, "decision_id": "a", "config_hash": "b", "previous": "c", "orders": orders(("A", 1))}
    right = {"sequence": 9, "decision_id": "x", "config_hash": "y", "previous": "z", "orders": orders(("A", 1))}
    right["orders"]["client_order_id"] = ["other"]
    assert comparable(left) == comparable(right)


def test_a_clip_comes_before_the_orders_that_it_made_smaller() -> None:
    cut = {"pod": [""], "symbol": ["A"], "unit": ["units"], "reason": ["GUARD_X"], "before": [4.0], "after": [2.0]}
    found = cause({"orders": orders(("A", 4))}, {"orders": orders(("A", 2)), "clips": cut})
    assert (found.section, found.reason, found.symbol, found.baseline) == ("clips", "GUARD_X", "A", None)


def test_an_intent_comes_before_the_clip_that_it_met() -> None:
    intents = {"pod": ["p"], "schedule": ["s"], "symbol": ["A"], "value": [1.0]}
    cut = {"pod": ["p"], "symbol": ["A"], "unit": ["weight"], "reason": ["R"], "before": [1.0], "after": [0.5]}
    found = cause({"intents": intents}, {"intents": {**intents, "value": [2.0]}, "clips": cut})
    assert (found.section, found.field, found.schedule) == ("intents", "value", "s")


def test_a_changed_policy_is_named_before_its_weights() -> None:
    left = {"capital": {"fractions": {"p": 1.0}, "policy": "equal_weight", "why": {"reason": "X"}}}
    right = {"capital": {"fractions": {"p": 0.5}, "policy": "kelly", "why": {"reason": "Y"}}}
    found = cause(left, right)
    assert (found.section, found.field, found.baseline, found.candidate) == (
        "capital",
        "policy",
        "equal_weight",
        "kelly",
    )


def test_a_limit_that_a_trace_repeats_is_no_difference_before_it_binds() -> None:
    def traced(limit: float, used: float) -> dict[str, Any]:
        leverage = {"step": "leverage", "max_gross_leverage": limit, "pods": {"p": {"limit": limit, "used": used}}}
        return comparable({"capital": {"policy": "equal_weight", "steps": [leverage]}})

    assert traced(1.5, 0.3) == traced(0.5, 0.3)
    assert traced(1.5, 0.3) != traced(1.5, 0.4)
