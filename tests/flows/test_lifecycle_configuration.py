"""The second shipped configuration on the shipped data: pods promoted, warned and retired for reasons that can be read,
and the orders that follow."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from flows.dump.shipped import build_demo_dump
from flows.replay import ReplayOptions, ReplayResult, replay
from flows.report.summary import PortfolioSummary, Summary
from flows.report.table import summary_view
from schemas.messages import Order

pytestmark = pytest.mark.process

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "config" / "lifecycle.yaml"
GOLDEN = Path(__file__).parents[1] / "golden" / "lifecycle_orders.txt"
#: Trading days from 1990 on: into May 1994.
DAYS = 1100


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> ReplayResult:
    folder = tmp_path_factory.mktemp("lifecycle")
    build_demo_dump(folder / "dump", days=DAYS)
    return replay(folder / "dump", CONFIGURATION, folder / "out", ReplayOptions(clickhouse=False))


@pytest.fixture(scope="module")
def portfolio(replayed: ReplayResult) -> PortfolioSummary:
    summary = msgspec.json.decode(Path(replayed.report["summary"]).read_bytes(), type=Summary)
    return summary.portfolios[0]


def order_digest(path: Path) -> str:
    """SHA-256 over what orders trade (cycle, symbol, side, quantity), whatever their ids say of the configuration."""
    digest = hashlib.sha256()
    decode = msgspec.json.Decoder(Order).decode
    for line in path.read_bytes().splitlines():
        order = decode(line)
        digest.update(f"{order.cycle} {order.symbol} {order.side} {order.quantity!r}\n".encode())
    return digest.hexdigest()


def test_its_orders_are_those_of_the_golden_hash(replayed: ReplayResult) -> None:
    found = f"{replayed.orders} {order_digest(Path(replayed.out) / 'orders.jsonl')}\n"
    if os.environ.get("WEIR_UPDATE_GOLDEN") == "1":
        GOLDEN.write_text(found)
    assert found == GOLDEN.read_text(), "orders moved: if that is meant, run with WEIR_UPDATE_GOLDEN=1 and look at why"


def test_it_has_at_least_six_pods_and_eight_schedules(portfolio: PortfolioSummary) -> None:
    assert len(portfolio.pods) >= 6
    assert CONFIGURATION.read_text().count("strategy: ") >= 8


def test_pods_reach_production_warning_and_retirement(portfolio: PortfolioSummary) -> None:
    reached = {move.after for move in portfolio.lifecycle}
    assert {"PRODUCTION", "WARNING", "RETIRED"} <= reached
    why = {move.reason for move in portfolio.lifecycle}
    assert {"LIFECYCLE_PROMOTED", "LIFECYCLE_SHARPE_FLOOR", "LIFECYCLE_DRAWDOWN", "LIFECYCLE_RECOVERED"} <= why


def test_capital_follows_the_states(portfolio: PortfolioSummary) -> None:
    for move in portfolio.lifecycle:
        if move.after == "RETIRED":
            assert move.fraction_after == 0.0
        if (move.before, move.after) == ("INCUBATION", "PRODUCTION"):
            assert 0.02 <= move.fraction_after <= 0.40
    retired = {pod.pod for pod in portfolio.pods if pod.state == "RETIRED"}
    assert retired
    assert all(pod.fraction == 0.0 for pod in portfolio.pods if pod.pod in retired)


def test_no_order_is_for_a_retired_pod_once_it_is_flat(replayed: ReplayResult, portfolio: PortfolioSummary) -> None:
    ended = {move.pod: move.cycle for move in portfolio.lifecycle if move.after == "RETIRED"}
    decode = msgspec.json.Decoder(Order).decode
    orders = [decode(line) for line in (Path(replayed.out) / "orders.jsonl").read_bytes().splitlines()]
    day = 86_400_000_000_000
    late = [o for o in orders for pod, cycle in ended.items() if o.cycle > cycle + 7 * day and o.attribution.get(pod)]
    assert late == []


def test_the_report_tells_who_was_promoted_and_cut_and_why(replayed: ReplayResult) -> None:
    summary = msgspec.json.decode(Path(replayed.report["summary"]).read_bytes(), type=Summary)
    shown = io.StringIO()
    Console(width=200, file=shown).print(summary_view(summary))
    text = shown.getvalue()
    assert "Lifecycle: promotions and cuts" in text
    assert "LIFECYCLE_PROMOTED: Sharpe" in text and "LIFECYCLE_DRAWDOWN" in text
    assert "Asset selector of impatient" in text
