"""The report's figures, against the definitions written out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.console import Console

from flows.report.curve import MOST_POINTS, CurveBuilder
from flows.report.plot import write_plot
from flows.report.summary import DAY_NS, report, summary
from flows.report.table import summary_view
from flows.report.terminal import terminal_plot
from tests.decision_records import ChainBuilder, body_of, two_portfolios

PNG = b"\x89PNG\r\n\x1a\n"


def test_counts_and_money_are_those_of_the_bodies(tmp_path: Path) -> None:
    chain = ChainBuilder().build(300)
    bodies = [body_of(line) for line in chain.lines]
    result = summary(chain.write(tmp_path))
    (portfolio,) = result.portfolios
    assert (result.cycles, result.decisions, result.orders) == (300, 300, len(chain.orders))
    assert portfolio.profit == bodies[-1].equity - bodies[0].equity
    fills = [body.fills for body in bodies if body.fills is not None]
    notional = sum(abs(f.quantity[0] * f.price[0]) for f in fills)
    assert portfolio.traded_notional == pytest.approx(notional)
    assert portfolio.fees == pytest.approx(sum(f.fee[0] for f in fills))
    assert sum(pod.notional for pod in portfolio.pods) == pytest.approx(notional)
    assert portfolio.clips == {"LEVERAGE_POD_SYMBOL": sum(body.clips is not None for body in bodies)}
    assert portfolio.gross_exposure_max == max(body.gross_exposure / body.equity for body in bodies)


def test_drawdown_is_over_every_decision_and_the_sharpe_ratio_over_days(tmp_path: Path) -> None:
    chain = ChainBuilder().build(24 * 40)
    bodies = [body_of(line) for line in chain.lines]
    equity = np.array([body.equity for body in bodies])
    (portfolio,) = summary(chain.write(tmp_path), periods_per_year=365).portfolios
    assert portfolio.max_drawdown == pytest.approx(float(np.max(1 - equity / np.maximum.accumulate(equity))))
    closes = equity[23::24]
    returns = closes[1:] / closes[:-1] - 1
    assert portfolio.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1) * math.sqrt(365))
    assert portfolio.volatility == pytest.approx(returns.std(ddof=1) * math.sqrt(365))


def test_a_short_run_has_no_sharpe_ratio(tmp_path: Path) -> None:
    (portfolio,) = summary(ChainBuilder().build(24 * 10).write(tmp_path)).portfolios
    assert portfolio.sharpe is None and portfolio.volatility is None


def test_days_without_a_decision_count_as_days_without_return() -> None:
    curve = CurveBuilder()
    for day in range(30):
        if day % 3 == 0:
            curve.add((day + 1) * DAY_NS, 100.0 * 1.01**day, 0.0, 0.0)
    assert curve.statistics(252).sharpe is not None
    dense = CurveBuilder()
    for day in range(28):
        dense.add((day + 1) * DAY_NS, 100.0 * 1.01 ** (day - day % 3), 0.0, 0.0)
    assert curve.statistics(252) == dense.statistics(252)


def test_a_curve_stays_bounded_and_keeps_its_ends_and_extremes() -> None:
    curve = CurveBuilder()
    count = 5 * MOST_POINTS
    for step in range(count):
        curve.add(step + 1, 100.0 + step, 9.0 if step == 12_345 else 0.5, 0.0)
    points = curve.curve()
    assert len(points.time) <= MOST_POINTS + 1
    assert (points.time[-1], points.value[-1]) == (count, 100.0 + count - 1)
    assert points.gross.max() == curve.gross_max == 9.0


def test_dead_letters_are_counted_by_reason(tmp_path: Path) -> None:
    folder = ChainBuilder().build(3).write(tmp_path)
    letters = [{"reason": "INPUT_LATE"}, {"reason": "INPUT_NOT_JSON"}, {"reason": "INPUT_LATE"}]
    (folder / "dead_letters.jsonl").write_bytes(b"".join(msgspec.json.encode(x) + b"\n" for x in letters))
    assert summary(folder).dead_letters == {"INPUT_LATE": 2, "INPUT_NOT_JSON": 1}


def test_a_run_without_decisions_has_an_empty_report(tmp_path: Path) -> None:
    (tmp_path / "decisions.jsonl").write_bytes(b"")
    result = report(tmp_path)
    assert (result.summary.decisions, result.curves) == (0, {})
    assert write_plot(result.curves, tmp_path / "report.png").read_bytes().startswith(PNG)
    assert "Equity" in terminal_plot(result.curves, colour=False)


def test_table_and_plots_show_every_portfolio(tmp_path: Path) -> None:
    result = report(two_portfolios(200).write(tmp_path))
    console = Console(width=120)
    with console.capture() as capture:
        console.print(summary_view(result.summary))
    assert "Portfolio main" in capture.get() and "Portfolio hedge" in capture.get()
    assert write_plot(result.curves, tmp_path / "plots" / "report.png").read_bytes().startswith(PNG)
    text = terminal_plot(result.curves, width=80, colour=False)
    assert "Equity" in text and "Gross exposure" in text and "2024-01" in text and "\x1b" not in text


def test_a_summary_is_json(tmp_path: Path) -> None:
    document = msgspec.json.decode(msgspec.json.encode(summary(ChainBuilder().build(5).write(tmp_path))))
    assert document["portfolios"][0]["sharpe"] is None
