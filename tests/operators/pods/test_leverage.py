"""Leverage layers 1 and 2 inside a pod (spec 1 "Sizing chain", 6 "Leverage")."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.operators.desk import HOUR, START, Desk, Row, clips, configuration, desk_of, plan_of, pod, weights

TWO = ["AAA", "BBB"]
SAME = {"AAA": 100.0, "BBB": 100.0}


def test_layer_1_caps_the_strength() -> None:
    desk = desk_of(pod("alpha", max_leverage=2))
    decision = desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": -3.0}})
    assert weights(decision) == {("alpha", "AAA"): -2.0}
    assert clips(decision) == [("LEVERAGE_POD_SYMBOL", "AAA", -3.0, -2.0)]


def test_layer_2_scales_what_changes_and_what_must_fall() -> None:
    desk = desk_of(pod("alpha", "one", "two", max_leverage=0.6), symbols=TWO)
    first = desk.cycle(SAME, {"one": {"AAA": 0.6, "BBB": 0.6}})
    assert weights(first) == {("alpha", "AAA"): 0.15, ("alpha", "BBB"): 0.15}
    # 0.3 + 0.3 asked for... and 0.5 with the second schedule: 0.65 gross is scaled to 0.6.
    second = desk.cycle(SAME, {"two": {"AAA": 0.6, "BBB": 0.6}})
    assert weights(second) == {("alpha", "AAA"): 0.3, ("alpha", "BBB"): 0.3}
    assert clips(second) == []


def test_layer_2_never_trades_the_rest_up() -> None:
    own = pod("alpha", {"id": "a", "symbols": ["AAA"]}, {"id": "b", "symbols": ["BBB"]}, max_leverage=0.3)
    desk = desk_of(own, symbols=TWO)
    # Each weighs a share of 1/2 times 1/2 of the pod's assets, capped at a strength of 0.3: layer 2 has room for all.
    assert weights(desk.cycle(SAME, {"a": {"AAA": 0.3}})) == {("alpha", "AAA"): 0.075}
    notional = desk_of(pod("alpha", "one", "two", max_leverage=0.3), symbols=["AAA"])
    both = notional.cycle({"AAA": 100.0}, {"one": {"AAA": 0.3}, "two": {"AAA": 0.3}})
    assert weights(both) == {("alpha", "AAA"): 0.3}


class TestABindingCap:
    """Notionals are weights already, so three of them can ask for more than the pod may have."""

    def desk(self) -> Desk:
        return desk_of(pod("alpha", "one", "two"), symbols=TWO)

    def test_falls_on_the_untouched_too_and_does_not_come_back(self) -> None:
        desk = self.desk()
        standing = desk.pods[0]._standing
        desk.cycle(SAME, {"one": {"AAA": 1.0}})
        assert desk.book().weight.tolist() == [0.25, 0.0]
        # As if notionals had asked for 0.8 and 0.8 of the pod.
        standing.obeyed[0, 0] = 0.8
        desk.cycle(SAME, {"one": {"BBB": 1.0}})
        assert desk.book().weight.tolist() == [0.25, 0.25], "an untouched symbol is not traded"
        standing.net[0] = 0.8
        standing.obeyed[1, 0] = 0.8
        falls = desk.cycle(SAME, {"two": {"BBB": 0.0}})
        # 0.8 + 0.8 scales to 0.5 each: BBB changes and rises to 0.5, AAA holds 0.25, which is below its 0.5.
        assert weights(falls) == {("alpha", "BBB"): 0.5}
        assert clips(falls) == [("LEVERAGE_POD_GROSS", "BBB", 0.8, 0.5)]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["one", "two"]), st.sampled_from(TWO), st.floats(-4, 4), st.floats(0, 1)),
        min_size=1,
        max_size=12,
    )
)
def test_a_pods_gross_weight_never_exceeds_its_leverage(wants: list[tuple[str, str, float, float]]) -> None:
    desk = Desk(PLAN)
    rows = [
        Row(START + (n + 1) * HOUR, dict(SAME), {k: {s: (v, c)}}, frozenset(), [])
        for n, (k, s, v, c) in enumerate(wants)
    ]
    desk.play(rows)
    assert np.abs(desk.book().weight).sum() <= 1.5 + 1e-8
    for body in desk.decisions():
        assert all(abs(w) <= 1.5 + 1e-9 for w in weights(body).values())


PLAN = plan_of(configuration(pod("alpha", "one", "two", max_leverage=1.5), symbols=TWO))
