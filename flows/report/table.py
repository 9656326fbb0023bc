"""A summary as tables in the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from flows.journal.show import event_time
from flows.report.summary import PortfolioSummary, Summary


def summary_view(summary: Summary) -> RenderableType:
    """Every portfolio with its pods and clips, then the dead letters."""
    parts: list[RenderableType] = []
    for portfolio in summary.portfolios:
        parts += [_portfolio(portfolio), _pods(portfolio)]
        if portfolio.lifecycle:
            parts.append(_lifecycle(portfolio))
        for pod, counts in portfolio.selector.items():
            parts.append(_counts(f"Asset selector of {escape(pod)}", counts))
        if portfolio.clips:
            parts.append(_counts("Clips by reason", portfolio.clips))
    if summary.dead_letters:
        parts.append(_counts("Dead letters by reason", summary.dead_letters))
    return Group(*parts)


def _portfolio(portfolio: PortfolioSummary) -> Table:
    table = Table(title=f"Portfolio {escape(portfolio.portfolio)}", title_justify="left", show_header=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_column(style="dim")
    table.add_column(justify="right")
    largest = _ratio(portfolio.gross_exposure_max, "x")
    rows = [
        ("From", event_time(portfolio.first_cycle), "Profit", f"{portfolio.profit:,.0f}"),
        ("To", event_time(portfolio.last_cycle), "Return", _percent(portfolio.total_return)),
        ("Decisions", f"{portfolio.decisions:,}", "Equity", f"{portfolio.equity_last:,.0f}"),
        ("Orders", f"{portfolio.orders:,}", "Max drawdown", _percent(portfolio.max_drawdown)),
        ("Fills", f"{portfolio.fills:,}", "Sharpe ratio", _ratio(portfolio.sharpe)),
        ("Fees", f"{portfolio.fees:,.0f}", "Volatility a year", _percent(portfolio.volatility)),
        ("Turnover a year", _ratio(portfolio.turnover_per_year, "x"), "Max gross exposure", largest),
        ("Trading state", portfolio.trading_state, "Net exposure", _range(portfolio)),
    ]  # fmt: skip
    for row in rows:
        table.add_row(*row)
    return table


def _pods(portfolio: PortfolioSummary) -> Table:
    table = Table("Pod", title="Pods (own books, capital 1.0)", title_justify="left")
    for name in ("Equity", "Return", "Max drawdown", "Sharpe ratio", "Capital share", "Traded notional"):
        table.add_column(name, justify="right")
    with_state = any(pod.state for pod in portfolio.pods)
    if with_state:
        table.add_column("State")
    for pod in portfolio.pods:
        table.add_row(
            escape(pod.pod),
            f"{pod.equity:.4f}",
            _percent(pod.total_return),
            _percent(pod.max_drawdown),
            _ratio(pod.sharpe),
            _percent(pod.fraction),
            f"{pod.notional:,.0f}",
            *([pod.state or "-"] if with_state else []),
        )
    return table


def _lifecycle(portfolio: PortfolioSummary) -> Table:
    """Who was promoted, warned and retired, when, why, and what became of the capital."""
    table = Table("Date", "Pod", "From", "To", title="Lifecycle: promotions and cuts", title_justify="left")
    table.add_column("Capital", justify="right")
    table.add_column("Why")
    for move in portfolio.lifecycle:
        table.add_row(
            event_time(move.cycle)[:10],
            escape(move.pod),
            move.before,
            move.after,
            f"{_percent(move.fraction_before)} > {_percent(move.fraction_after)}",
            escape(f"{move.reason}: {move.evidence}"),
        )
    return table


def _counts(title: str, counts: dict[str, int]) -> Table:
    table = Table("Reason", title=title, title_justify="left")
    table.add_column("Count", justify="right")
    for reason, count in counts.items():
        table.add_row(escape(reason), f"{count:,}")
    return table


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def _ratio(value: float | None, unit: str = "") -> str:
    return "-" if value is None else f"{value:.2f}{unit}"


def _range(portfolio: PortfolioSummary) -> str:
    return f"{portfolio.net_exposure_min:.2f}x to {portfolio.net_exposure_max:.2f}x"
