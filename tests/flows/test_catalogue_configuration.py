"""The shipped configuration with the whole catalogue and blended capital, on the shipped data: its orders, who was
promoted, warned and retired, and what each policy wanted."""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec
import pytest

from flows.dump.shipped import build_demo_dump
from flows.replay import ReplayOptions, ReplayResult, replay
from flows.report.summary import PortfolioSummary, Summary
from tests.flows.test_lifecycle_configuration import order_digest

pytestmark = pytest.mark.process

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "config" / "catalogue.yaml"
GOLDEN = Path(__file__).parents[1] / "golden" / "catalogue_orders.txt"
#: Trading days from 1990 on: into May 1994.
DAYS = 1100


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> ReplayResult:
    folder = tmp_path_factory.mktemp("catalogue")
    build_demo_dump(folder / "dump", days=DAYS)
    return replay(folder / "dump", CONFIGURATION, folder / "out", ReplayOptions(clickhouse=False))


@pytest.fixture(scope="module")
def portfolio(replayed: ReplayResult) -> PortfolioSummary:
    summary = msgspec.json.decode(Path(replayed.report["summary"]).read_bytes(), type=Summary)
    return summary.portfolios[0]


def test_its_orders_are_those_of_the_golden_hash(replayed: ReplayResult) -> None:
    found = f"{replayed.orders} {order_digest(Path(replayed.out) / 'orders.jsonl')}\n"
    if os.environ.get("WEIR_UPDATE_GOLDEN") == "1":
        GOLDEN.write_text(found)
    assert found == GOLDEN.read_text(), "orders moved: if that is meant, run with WEIR_UPDATE_GOLDEN=1 and look at why"


def test_it_has_at_least_six_pods_and_eight_schedules_of_seven_strategies(portfolio: PortfolioSummary) -> None:
    strategies = re.findall(r"strategy: (\w+)@", CONFIGURATION.read_text())
    assert len(portfolio.pods) >= 6
    assert len(strategies) >= 8 and len(set(strategies)) >= 7
    assert {"grid_trading", "volatility_target", "daily_trend_momentum"} <= set(strategies)


def test_pods_reach_production_warning_and_retirement(portfolio: PortfolioSummary) -> None:
    assert {"PRODUCTION", "WARNING", "RETIRED"} <= {move.after for move in portfolio.lifecycle}


def test_every_strategy_trades(replayed: ReplayResult, portfolio: PortfolioSummary) -> None:
    orders = (Path(replayed.out) / "orders.jsonl").read_text()
    assert [pod.pod for pod in portfolio.pods if f'"{pod.pod}":' not in orders] == []
