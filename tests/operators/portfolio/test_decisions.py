"""Decisions: chain, canonical bodies, heartbeats, and independence of cuts, snapshots and portfolios."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec
import pytest

from operators.contiguity import SnapshotError
from operators.pods.pod_step import PodStep
from operators.portfolio.portfolio_step import PortfolioStep
from schemas.decision import GENESIS
from tests.operators.desk import HOUR, START, Desk, configuration, desk_of, plan_of, pod

AAA = {"AAA": 100.0}
NAMES = ["AAA", "BBB", "CCC", "DDD"]


def busy() -> Desk:
    """Two portfolios over two key groups and two intervals, with a conversion, commands, a halt, a kill and a pause."""
    symbols: list[Any] = ["AAA", "BBB", {"symbol": "CCC", "currency": "EUR"}, "DDD"]
    first = {
        "id": "main",
        "pods": [pod("alpha", "one", {"id": "slow", "interval": "4h"}), pod("beta", max_leverage=2)],
        "conversions": {"EUR": "DDD"},
        "capital": {"name": "inverse_volatility", "min_returns": 2},
        "heartbeat_cycles": 7,
        "guards": {"max_gross_exposure": 0.9, "max_price_age_seconds": 7200},
    }
    second = {"id": "side", "pods": [pod("gamma"), pod("delta", "delta1", "delta2")], "base_currency": "EUR"}
    desk = Desk(plan_of(configuration(symbols=symbols, partitions=3, portfolios=[first, second])))
    for n in range(1, 60):
        if 40 <= n < 48:  # the market is quiet: heartbeats
            desk.cycle({})
            continue
        prices = {s: round(100 + (n * (k + 3) * 7) % 31 + k, 2) for k, s in enumerate(NAMES) if (n + k) % 5}
        wants: dict[str, dict[str, float]] = {}
        for k, schedule in enumerate(("one", "slow", "beta", "gamma", "delta1", "delta2")):
            if (n + k) % 4 == 0:
                wants[schedule] = dict.fromkeys(prices, ((n + k) % 7 - 3) / 2)
        if n == 12:
            desk.command("kill", "pod", "alpha")
        if n == 20:
            desk.command("arm", "pod", "alpha")
        if n == 25:
            desk.command("trading_state", "global", portfolio="*", state="HALTED")
        if n == 30:
            desk.command("trading_state", "global", portfolio="*", state="ACTIVE")
            desk.command("kill", "symbol", "AAA", portfolio="side", mode="flatten")
        if n == 33:
            desk.command("force_rebalance", portfolio="nobody")
            desk.command("force_rebalance")
        desk.cycle(prices, wants, degraded=["BBB"] if n % 11 == 0 else [])
    return desk


@pytest.fixture(scope="module")
def played() -> Desk:
    return busy()


class TestBodies:
    def test_are_canonical_and_chained(self, played: Desk) -> None:
        for name, bodies in played.bodies.items():
            previous = GENESIS
            for n, body in enumerate(bodies, 1):
                document = json.loads(body)
                assert msgspec.json.encode(document, order="deterministic") == body, "keys sorted all the way down"
                assert (document["previous"], document["sequence"], document["portfolio"]) == (previous, n, name)
                previous = hashlib.sha256(body).hexdigest()

    def test_cover_orders_whose_sequence_has_no_gap(self, played: Desk) -> None:
        for name in played.bodies:
            own = [o for o in played.orders if o["portfolio"] == name]
            assert [o["sequence"] for o in own] == list(range(1, len(own) + 1))
            assert len({o["client_order_id"] for o in own if o["type"] == "order"}) == sum(
                o["type"] == "order" for o in own
            )
            decided = [s for d in played.decisions(name) if d.orders is not None for s in d.orders.sequence]
            cancelled = [c["sequence"] for d in played.decisions(name) for c in d.cancels or []]
            assert sorted(decided + cancelled) == [o["sequence"] for o in own]

    def test_exercise_what_they_should(self, played: Desk) -> None:
        decisions = played.decisions("main") + played.decisions("side")
        assert any(d.heartbeat for d in decisions)
        assert any(d.transitions for d in decisions) and any(d.fills for d in decisions)
        seen = {r for d in decisions if d.clips is not None for r in d.clips.reason}
        assert {"GUARD_HALTED", "INTENT_CONFLICT", "GUARD_DEGRADED", "GUARD_GROSS_EXPOSURE"} <= seen


class TestIndependence:
    @pytest.mark.parametrize("cuts", [[], [1], [7, 12, 13, 20, 26, 33], list(range(60))])
    @pytest.mark.parametrize("snapshots", [False, True])
    def test_of_cuts_and_snapshots(self, played: Desk, cuts: list[int], snapshots: bool) -> None:
        again = played.replayed(cuts, snapshots)
        assert again.bodies == played.bodies
        by_portfolio = [[o for o in d.orders if o["portfolio"] == p] for d in (played, again) for p in played.bodies]
        assert by_portfolio[:2] == by_portfolio[2:]

    def test_of_an_unknown_portfolio_which_the_first_refuses(self, played: Desk) -> None:
        refused = [c for d in played.decisions("main") for c in d.commands or [] if not c["accepted"]]
        assert [c["verdict"] for c in refused] == ["CONTROL_UNKNOWN_TARGET"]
        assert not [c for d in played.decisions("side") for c in d.commands or [] if not c["accepted"]]


class TestSnapshots:
    @pytest.mark.parametrize("kind", [PodStep, PortfolioStep])
    def test_of_another_version_or_layout_are_refused(self, kind: type[PodStep | PortfolioStep]) -> None:
        plan = plan_of(configuration(pod("alpha")))
        saved = kind(plan, 0).snapshot()
        with pytest.raises(SnapshotError, match="version 99"):
            kind(plan, 0).restore({**saved, "version": 99})
        with pytest.raises(SnapshotError, match="symbols differ"):
            kind(plan, 0).restore({**saved, "symbols": ["ZZZ"]})
        names = "schedules" if kind is PodStep else "pods"
        with pytest.raises(SnapshotError, match=f"{names} differ"):
            kind(plan, 0).restore({**saved, names: []})


class TestHeartbeats:
    def test_come_every_n_cycles_and_say_that_nothing_happened(self) -> None:
        desk = desk_of(pod("alpha"), heartbeat_cycles=10)
        beat = 10 * HOUR
        for _ in range(45):
            desk.cycle(AAA)
        beats = [d.cycle for d in desk.decisions() if d.heartbeat]
        assert beats == [c for c in range(START + HOUR, desk.rows[-1].cycle + 1, HOUR) if c % beat == 0]
        assert len(beats) == 4

    def test_are_no_heartbeat_when_something_happens(self) -> None:
        desk = desk_of(pod("alpha"), heartbeat_cycles=1)
        assert desk.cycle(AAA, {"alpha": {"AAA": 1.0}}).heartbeat is False  # type: ignore[union-attr]
        assert desk.cycle(AAA).heartbeat is False  # type: ignore[union-attr]
        assert desk.cycle(AAA).heartbeat is True  # type: ignore[union-attr]

    def test_a_quiet_cycle_has_no_decision(self) -> None:
        desk = desk_of(pod("alpha"))
        desk.cycle(AAA)
        assert desk.cycle(AAA) is None
