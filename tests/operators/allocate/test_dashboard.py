"""Drift, leverage usage and snapshots, from decisions alone (seed 000 "E6")."""

from __future__ import annotations

import pytest

from operators.allocate.dashboard import AllocationTimeline, compute_drift
from tests.operators.desk import Desk, desk_of, pod


def test_drift_is_current_less_target_share() -> None:
    found = compute_drift({"a": 0.4, "b": 0.4}, {"a": 1.0, "b": 2.0}, {"a": 1.5, "b": 2.0})
    assert [(d.pod, d.target, d.current) for d in found] == [
        ("a", 0.4, pytest.approx(0.48)),
        ("b", 0.4, pytest.approx(0.32)),
    ]
    assert [d.drift for d in found] == [pytest.approx(0.08), pytest.approx(-0.08)]


def test_without_a_change_there_is_no_drift() -> None:
    found = compute_drift({"a": 0.3, "b": 0.0}, {"a": 1.2, "b": 0.9}, {"a": 1.2, "b": 0.9})
    assert [d.drift for d in found] == [pytest.approx(0.0)] * 2


def timeline(desk: Desk) -> AllocationTimeline:
    made = AllocationTimeline("main")
    for decision in desk.decisions():
        made.add(decision)
    return made


def test_before_the_first_allocation_there_is_nothing() -> None:
    made = AllocationTimeline("main")
    assert made.latest() is None
    assert made.drifts() == made.leverage_usage() == []


def test_a_timeline_follows_the_decisions() -> None:
    desk = desk_of(pod("alpha", max_leverage=2), pod("beta"), symbols=["AAA", "BBB"])
    prices = {"AAA": 100.0, "BBB": 100.0}
    desk.cycle(prices, {"alpha": {"AAA": 2.0, "BBB": -1.0}})
    desk.cycle(prices)
    desk.command("force_rebalance")
    desk.cycle(prices, {"beta": {"BBB": -1.0}})
    desk.cycle({"AAA": 120.0, "BBB": 100.0}, {"alpha": {"BBB": 0.0}})
    made = timeline(desk)
    assert [s.trace["trigger"] for s in made.snapshots] == ["first", "forced"]
    assert made.snapshots[0].fractions == {"alpha": 0.5, "beta": 0.5}
    assert made.snapshots[1].step("leverage")["pods"]["alpha"] == {"used": 1.5, "limit": 2.0}
    usage = {u.pod: (u.used, u.ratio) for u in made.leverage_usage()}
    assert usage == {"alpha": (1.0, 0.5), "beta": (0.5, 0.5)}
    alpha = desk.book(0).scalars[1]
    assert made.drifts()[0].current == pytest.approx(alpha / (alpha + desk.book(1).scalars[1]))
