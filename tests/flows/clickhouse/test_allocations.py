"""Capital in ClickHouse: a row for each pod and allocation, drift and leverage usage as views."""

from __future__ import annotations

from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from flows.clickhouse.writer import DecisionWriter
from operators.allocate.dashboard import AllocationTimeline
from schemas.decision import DecisionBody
from tests.decision_records import journal_line
from tests.operators.desk import Desk, decoded, desk_of, pod


@pytest.fixture(scope="module")
def desk() -> Desk:
    """Two pods over four days: a first allocation, a regime that halves it, and gains that drift."""
    made = desk_of(
        pod("alpha", max_leverage=2), pod("beta"), overlay=True, regime={"multipliers": {"bear": 0.5}},
        symbols=["AAA", "BBB"], rebalance={"drift": 0.9},
    )  # fmt: skip
    made.overlay("regime", label="calm", posterior=0.9, fragility="normal")
    made.cycle({"AAA": 100.0, "BBB": 50.0}, {"alpha": {"AAA": 2.0, "BBB": -1.0}, "beta": {"AAA": 1.0}})
    made.cycle({"AAA": 100.0, "BBB": 50.0})
    made.overlay("regime", label="bear", posterior=0.9, fragility="normal")
    made.cycle({"AAA": 100.0, "BBB": 50.0})
    for price in (110.0, 130.0):
        made.cycle({"AAA": price, "BBB": 50.0}, {"beta": {"BBB": 0.5}}, hours=24)
    return made


@pytest.fixture
def stored(client: Client, desk: Desk) -> Client:
    writer = DecisionWriter(client)
    writer.write([journal_line(body) for body in desk.bodies["main"]])
    writer.flush()
    return client


def rows(client: Client, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in client.query(query).result_rows]


def timeline(bodies: list[bytes]) -> AllocationTimeline:
    made = AllocationTimeline("main")
    for body in bodies:
        made.add(decoded(body))
    return made


def test_every_allocation_has_a_row_for_each_pod(stored: Client) -> None:
    found = rows(
        stored,
        "SELECT trigger, pod, before, raw, limited, fraction, regime_label, regime_multiplier, leverage_limit"
        " FROM allocations ORDER BY sequence, pod",
    )
    assert found == [
        ("first", "alpha", 0.0, 0.5, 0.5, 0.5, "calm", 1.0, 2.0),
        ("first", "beta", 0.0, 0.5, 0.5, 0.5, "calm", 1.0, 1.0),
        ("regime", "alpha", 0.5, None, None, 0.25, "bear", 0.5, 2.0),
        ("regime", "beta", 0.5, None, None, 0.25, "bear", 0.5, 1.0),
    ]


def test_drift_and_leverage_are_those_of_the_dashboard(stored: Client, desk: Desk) -> None:
    made = timeline(desk.bodies["main"])
    drift = rows(stored, "SELECT pod, target, current, drift FROM capital_drift ORDER BY pod")
    assert drift == [(d.pod, d.target, pytest.approx(d.current), pytest.approx(d.drift)) for d in made.drifts()]
    assert drift[0][3] > 0.01 and drift[0][3] == pytest.approx(-drift[1][3])
    usage = rows(stored, "SELECT pod, leverage_used FROM leverage_usage ORDER BY pod")
    assert usage == [(u.pod, pytest.approx(u.used)) for u in made.leverage_usage()]
    assert dict(usage) == {"alpha": pytest.approx(1.5), "beta": pytest.approx(0.75)}


def test_writing_again_doubles_nothing(stored: Client, desk: Desk) -> None:
    writer = DecisionWriter(stored)
    writer.write([journal_line(body) for body in desk.bodies["main"]])
    writer.flush()
    assert rows(stored, "SELECT count() FROM allocations") == [(4,)]


def test_a_decision_without_an_allocation_has_no_row(desk: Desk) -> None:
    bodies: list[DecisionBody] = [decoded(body) for body in desk.bodies["main"]]
    assert sum(body.capital is None for body in bodies) > 1
