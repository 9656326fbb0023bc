"""Envelopes per (pod, symbol): caps on the resulting position (spec 6, seed 001)."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.decision import DecisionBody
from tests.operators.desk import Desk, clips, desk_of, pod, quantities, reasons


def enveloped(symbols: tuple[str, ...] = ("AAA",), **envelope: Any) -> Desk:
    return desk_of(pod("alpha", envelopes={"AAA": envelope}), symbols=symbols)


def pods_of_clips(decision: DecisionBody | None) -> list[str]:
    assert decision is not None and decision.clips is not None
    return decision.clips.pod


def test_max_size_caps_units() -> None:
    desk = enveloped(max_size=1000)
    decision = desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 1.0}})
    assert quantities(decision) == {"AAA": [1000.0]}
    assert clips(decision) == [("ENVELOPE_MAX_SIZE", "AAA", 10_000.0, 1000.0)]
    assert pods_of_clips(decision) == ["alpha"]


def test_max_notional_caps_base_currency() -> None:
    desk = enveloped(max_notional=30_000)
    decision = desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": -1.0}})
    assert quantities(decision) == {"AAA": [-300.0]}
    assert clips(decision) == [("ENVELOPE_MAX_NOTIONAL", "AAA", -10_000.0, -300.0)]


def test_the_tightest_cap_counts() -> None:
    desk = enveloped(max_size=1000, max_notional=30_000, hard_limit=20_000)
    decision = desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 1.0}})
    assert quantities(decision) == {"AAA": [200.0]}
    assert reasons(decision) == ["ENVELOPE_HARD_LIMIT"]


def test_defect_the_resulting_position_is_capped_not_the_order() -> None:
    """-5 to +5 with a cap of 5: a cap on the order's size would buy 5 and end flat."""
    desk = enveloped(max_size=5)
    desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": -1.0}})
    desk.cycle({"AAA": 100.0})
    assert desk.position("AAA") == -5.0
    assert quantities(desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 1.0}})) == {"AAA": [5.0, 5.0]}
    desk.cycle({"AAA": 100.0})
    assert desk.position("AAA") == 5.0


def test_each_pod_has_its_own() -> None:
    desk = desk_of(pod("alpha", envelopes={"*": {"max_size": 10}}), pod("beta"))
    desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 1.0}, "beta": {"AAA": 1.0}})
    assert desk.ledger().units[:, 0].tolist() == [10.0, 5000.0]


def test_a_symbols_own_comes_before_the_one_for_all() -> None:
    both = {"*": {"max_size": 10}, "AAA": {"max_size": 20}}
    desk = desk_of(pod("alpha", envelopes=both), symbols=["AAA", "BBB"])
    desk.cycle({"AAA": 100.0, "BBB": 100.0}, {"alpha": {"AAA": 1.0, "BBB": 1.0}})
    assert desk.ledger().units[0].tolist() == [20.0, 10.0]


def test_a_moving_price_alone_is_no_order_within_the_band_and_the_hard_limit() -> None:
    desk = enveloped(max_notional=30_000, hard_limit=32_000)
    desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 1.0}})
    desk.cycle({"AAA": 100.0})
    assert desk.cycle({"AAA": 105.0}) is None, "31,500 is over max_notional and under the hard limit"
    decision = desk.cycle({"AAA": 108.0})
    assert quantities(decision) == {"AAA": [pytest.approx(-22.22, abs=0.011)]}
    assert desk.position("AAA") == 300.0


def test_the_soft_limit_warns_once_and_cuts_nothing() -> None:
    desk = enveloped(soft_limit=400_000)
    decision = desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 0.5}})
    assert quantities(decision) == {"AAA": [5000.0]}
    assert clips(decision) == [("ENVELOPE_SOFT_LIMIT", "AAA", 5000.0, 5000.0)]
    desk.cycle({"AAA": 100.0})
    assert reasons(desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 0.6}})) == [], "told already"
    desk.cycle({"AAA": 100.0})
    desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 0.2}})
    desk.cycle({"AAA": 100.0})
    assert reasons(desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 0.5}})) == ["ENVELOPE_SOFT_LIMIT"]


def test_capacity_that_falls_cuts_what_stands() -> None:
    desk = desk_of(pod("alpha", envelopes={"AAA": {"max_size": 1000}}), overlay=True, regime={})
    desk.overlay("regime", label="calm", posterior=0.9, fragility="normal")
    desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 1.0}})
    desk.cycle({"AAA": 100.0})
    desk.overlay("regime", label="calm", posterior=0.9, fragility="stress")
    assert quantities(desk.cycle({"AAA": 100.0})) == {"AAA": [-500.0]}


def test_an_envelope_does_not_depend_on_cuts_or_restarts() -> None:
    desk = enveloped(("AAA", "BBB"), max_size=900, max_notional=80_000, soft_limit=50_000, hard_limit=82_000)
    for n in range(12):
        price = 100.0 + 7 * (n % 4)
        desk.cycle({"AAA": price, "BBB": 50.0}, {"alpha": {"AAA": 0.1 * (n % 5) - 0.1}} if n % 2 else None)
    assert desk.replayed().bodies == desk.bodies
    assert desk.replayed(cuts=(2, 5, 7), snapshots=True).bodies == desk.bodies
