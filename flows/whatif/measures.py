"""What two runs came to, side by side: turnover, exposure, result and drawdown by portfolio and pod."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from flows.report.summary import PodSummary, PortfolioSummary, Summary

_PORTFOLIO: Final = (
    "orders",
    "fills",
    "profit",
    "total_return",
    "max_drawdown",
    "sharpe",
    "volatility",
    "turnover_per_year",
    "traded_notional",
    "fees",
    "gross_exposure_max",
)
_POD: Final = (
    "profit",
    "total_return",
    "max_drawdown",
    "sharpe",
    "turnover_per_year",
    "notional",
    "gross_exposure_max",
    "fraction",
)


class Measure(Struct, frozen=True, kw_only=True):
    """One figure of both runs; ``difference`` is candidate - baseline. None where a run does not have it.

    Money is in base currency, exposure and turnover are multiples of equity, returns and drawdowns are fractions of 1.
    """

    baseline: float | None
    candidate: float | None
    difference: float | None


class PodMeasures(Struct, frozen=True, kw_only=True):
    """Figures of one pod by name: ``profit`` is its part of the account after fees; ``total_return``, ``max_drawdown``
    and ``sharpe`` are of its own book; ``notional`` is what was filled for it."""

    pod: str
    measures: dict[str, Measure]


class PortfolioMeasures(Struct, frozen=True, kw_only=True):
    """Figures of one portfolio by name, and of its pods."""

    portfolio: str
    measures: dict[str, Measure]
    pods: list[PodMeasures]


def measures(baseline: Summary, candidate: Summary) -> list[PortfolioMeasures]:
    """Both summaries side by side, by name; what only one run has stands beside nothing."""
    left, right = ({p.portfolio: p for p in summary.portfolios} for summary in (baseline, candidate))
    return [_portfolio(name, left.get(name), right.get(name)) for name in sorted(left.keys() | right.keys())]


def _portfolio(name: str, left: PortfolioSummary | None, right: PortfolioSummary | None) -> PortfolioMeasures:
    pods: list[dict[str, PodSummary]] = [{} if one is None else {p.pod: p for p in one.pods} for one in (left, right)]
    return PortfolioMeasures(
        portfolio=name,
        measures=_side_by_side(_PORTFOLIO, _figures(left, _PORTFOLIO), _figures(right, _PORTFOLIO)),
        pods=[
            PodMeasures(
                pod=pod,
                measures=_side_by_side(
                    _POD, _pod_figures(left, pods[0].get(pod)), _pod_figures(right, pods[1].get(pod))
                ),
            )
            for pod in sorted(pods[0].keys() | pods[1].keys())
        ],
    )


def _figures(summary: PortfolioSummary | PodSummary | None, names: Sequence[str]) -> dict[str, float | None]:
    return {} if summary is None else {name: getattr(summary, name) for name in names}


def _pod_figures(portfolio: PortfolioSummary | None, pod: PodSummary | None) -> dict[str, float | None]:
    if portfolio is None or pod is None:
        return {}
    figures = _figures(pod, [name for name in _POD if name != "turnover_per_year"])
    # Of the account's equity, so that the pods' turnovers sum to the portfolio's where no trades cross between them.
    whole = portfolio.turnover_per_year
    traded = portfolio.traded_notional
    figures["turnover_per_year"] = None if whole is None else whole * pod.notional / traded if traded else 0.0
    return figures


def _side_by_side(
    names: Sequence[str], left: dict[str, float | None], right: dict[str, float | None]
) -> dict[str, Measure]:
    found: dict[str, Measure] = {}
    for name in names:
        before, after = left.get(name), right.get(name)
        difference = None if before is None or after is None else after - before
        found[name] = Measure(baseline=before, candidate=after, difference=difference)
    return found
