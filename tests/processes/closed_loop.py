"""A flow and a paper venue as real processes on one broker, and what must hold of what they wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from flows.kafka.settings import ClientSettings
from schemas.decision import DecisionBody
from tests.processes.live_cluster import Command, LiveCluster, weir
from tests.processes.market import PARTITIONS, document
from tests.processes.outputs import Outputs, committed
from tests.processes.trial import Trial

#: Enough partitions that no two portfolios share one.
FILLS_PARTITIONS = 3


class ClosedLoop(Trial):
    """A deployment whose orders a paper venue fills."""

    def __init__(self, client: ClientSettings, folder: Path, **venue: Any) -> None:
        execution = {"mode": "paper_venue", "time_in_force": "gtc", "reject_backoff_seconds": 120}
        portfolios = [p | {"execution": execution} for p in document()["portfolios"]]
        topics = {
            "market": {"partitions": PARTITIONS},
            "control": {"partitions": 1},
            "fills": {"partitions": FILLS_PARTITIONS},
        }
        super().__init__(client, folder, portfolios=portfolios, topics=topics, paper_venue=venue)

    def prepared(self, dump: Path) -> ClosedLoop:
        """Topics made, market and control published."""
        ended = weir("topics", "create", "--config", self.configuration, "--json")
        assert ended.returncode == 0, ended.stderr
        self.publish(dump)
        return self

    def venue(self) -> Command:
        """The venue, not started yet."""
        self.clusters += 1
        log, recovery = self.folder / f"venue-{self.clusters}.log", self.folder / "venue"
        return Command(log, "paper-execution", "--json", "--config", self.configuration, "--recovery", recovery)

    def reports(self) -> list[dict[str, Any]]:
        """Every execution report in the fills topic."""
        found = [json.loads(value) for _, value in committed(self.client, f"{self.prefix}.fills")]
        return [r for r in found if r["type"] == "execution_report"]

    @contextmanager
    def running(self) -> Iterator[tuple[LiveCluster, Command]]:
        """Both sides, until the block ends."""
        flow, venue = self.cluster().start(), self.venue().launch()
        try:
            yield flow, venue
        finally:
            flow.kill()
            venue.kill()


def bodies(outputs: Outputs, portfolio: str) -> list[DecisionBody]:
    """A portfolio's decisions."""
    return [msgspec.json.decode(b, type=DecisionBody) for b in outputs.bodies[portfolio]]


def assert_books_agree(outputs: Outputs, reports: list[dict[str, Any]]) -> None:
    """Positions by booked fills equal the venue's by distinct executions, to the unit; the pods' profit is the
    account's, to the cent; order sequences have no gap."""
    for portfolio in outputs.bodies:
        decisions = bodies(outputs, portfolio)
        last = decisions[-1]
        booked: dict[str, float] = {}
        seen: set[str] = set()
        for decision in decisions:
            if decision.fills is not None:
                for n, execution in enumerate(decision.fills.execution_id):
                    assert execution not in seen or not execution
                    seen.add(execution)
                    symbol = decision.fills.symbol[n]
                    booked[symbol] = booked.get(symbol, 0.0) + decision.fills.quantity[n]
        told: dict[str, float] = {}
        distinct = {
            r["execution_id"]: r
            for r in reports
            if r["portfolio"] == portfolio and r.get("quantity") and r["ts"] < last.cycle
        }
        for report in distinct.values():
            sign = 1 if report["side"] == "buy" else -1
            told[report["symbol"]] = told.get(report["symbol"], 0.0) + sign * report["quantity"]
        assert booked == told and booked
        earned = sum(last.pods.realised) + sum(last.pods.unrealised) - sum(last.pods.fees)
        assert abs(earned - (last.equity - 1_000_000.0)) < 0.01
        sequences = [json.loads(o)["sequence"] for o in outputs.orders[portfolio] if b'"cycle_end"' not in o]
        assert sequences == list(range(1, len(sequences) + 1))
