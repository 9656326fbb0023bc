"""Sums up a run from its files in one pass: result, risk, turnover and why size was cut."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from flows.journal.reader import DEAD_LETTERS, TruncatedStream, find_file, raw_lines, read_decisions
from flows.report.curve import Curve, CurveBuilder
from flows.report.lifecycle import LifecycleLog, LifecycleMove, Transition
from schemas.decision import ClipTable, FillTable, OrderTable, PodTable

DAY_NS: Final = 86_400_000_000_000


class PodSummary(Struct, frozen=True, kw_only=True):
    """A pod's own book, which began at 1.0. ``fraction`` is its final share of capital, ``max_drawdown`` positive,
    ``state`` the lifecycle state that it ended in, None where it never changed."""

    pod: str
    state: str | None
    equity: float
    total_return: float
    max_drawdown: float
    sharpe: float | None
    fraction: float
    #: filled notional that is attributed to the pod, in base currency
    notional: float


class PortfolioSummary(Struct, frozen=True, kw_only=True):
    """A portfolio over the run. Times are UTC ns, money is in base currency, ratios are fractions of 1.

    ``turnover_per_year`` is filled notional / mean equity / 2 a year. ``sharpe`` is annualised from daily returns with
    ``periods_per_year``; None with fewer than 20 days. Exposures are as fractions of equity.
    """

    portfolio: str
    decisions: int
    orders: int
    fills: int
    first_cycle: int
    last_cycle: int
    equity_first: float
    equity_last: float
    profit: float
    total_return: float
    max_drawdown: float
    sharpe: float | None
    volatility: float | None
    turnover_per_year: float | None
    traded_notional: float
    fees: float
    gross_exposure_max: float
    net_exposure_min: float
    net_exposure_max: float
    heartbeats: int
    trading_state: str
    pods: list[PodSummary]
    clips: dict[str, int]
    #: promotions and cuts, oldest first
    lifecycle: list[LifecycleMove]
    #: how often the asset selector moved an asset, by pod and reason
    selector: dict[str, dict[str, int]]


class Summary(Struct, frozen=True, kw_only=True):
    """A whole run. ``cycles`` counts the cycles with a decision, of the portfolio that has most."""

    cycles: int
    decisions: int
    orders: int
    fills: int
    dead_letters: dict[str, int]
    portfolios: list[PortfolioSummary]


@dataclass(slots=True)
class Report:
    """A summary with the curves that it was made from."""

    summary: Summary
    curves: dict[str, Curve]


class _Body(Struct, frozen=True):
    """What is read of a body; the rest is skipped undecoded."""

    portfolio: str
    cycle: int
    equity: float
    gross_exposure: float
    net_exposure: float
    trading_state: str
    pods: PodTable
    heartbeat: bool = False
    clips: ClipTable | None = None
    orders: OrderTable | None = None
    fills: FillTable | None = None
    transitions: list[Transition] | None = None


class _Reason(Struct, frozen=True):
    reason: str = ""


_BODY = msgspec.json.Decoder(_Body)
_REASON = msgspec.json.Decoder(_Reason)


@dataclass(slots=True)
class _Book:
    """What one portfolio has come to while reading."""

    first: _Body
    last: _Body
    curve: CurveBuilder = field(default_factory=CurveBuilder)
    pods: dict[str, CurveBuilder] = field(default_factory=dict)
    pod_notional: dict[str, float] = field(default_factory=dict)
    clips: Counter[str] = field(default_factory=Counter)
    lifecycle: LifecycleLog = field(default_factory=LifecycleLog)
    decisions: int = 0
    orders: int = 0
    fills: int = 0
    heartbeats: int = 0
    notional: float = 0.0
    fees: float = 0.0

    def take(self, body: _Body) -> None:
        """One decision, in sequence."""
        self.last = body
        self.decisions += 1
        self.heartbeats += body.heartbeat
        self.curve.add(body.cycle, body.equity, _ratio(body.gross_exposure, body), _ratio(body.net_exposure, body))
        for i, pod in enumerate(body.pods.pod):
            if pod not in self.pods:
                self.pods[pod] = CurveBuilder()
            self.pods[pod].add(body.cycle, body.pods.equity[i], body.pods.fraction[i], 0.0)
        self.lifecycle.take(body.cycle, body.transitions, dict(zip(body.pods.pod, body.pods.fraction, strict=True)))
        if body.clips is not None:
            self.clips.update(body.clips.reason)
        if body.orders is not None:
            self.orders += len(body.orders.symbol)
        if body.fills is not None:
            self._take_fills(body.fills)

    def _take_fills(self, fills: FillTable) -> None:
        # What pods trade among each other is no fill.
        self.fills += sum(map(bool, fills.quantity))
        for i in range(len(fills.symbol)):
            notional = abs(fills.quantity[i] * fills.price[i])
            self.notional += notional
            self.fees += fills.fee[i]
            for pod, share in zip(fills.pods[i], fills.shares[i], strict=True):
                self.pod_notional[pod] = self.pod_notional.get(pod, 0.0) + notional * abs(share)


def report(out_dir: Path, *, periods_per_year: int = 365) -> Report:
    """Reads a run's files (plain or compressed) and sums them up; memory grows with days, not with decisions.

    Args:
        out_dir: a run's folder.
        periods_per_year: daily returns in a year: 365 where markets never close, 252 for equities.

    Raises:
        JournalDamaged, JournalUnusable: see :mod:`flows.journal.reader`.
    """
    books: dict[str, _Book] = {}
    for line in read_decisions(out_dir):
        body = _BODY.decode(line.raw)
        if body.portfolio not in books:
            books[body.portfolio] = _Book(body, body)
        books[body.portfolio].take(body)
    portfolios = [_portfolio(name, book, periods_per_year) for name, book in sorted(books.items())]
    summary = Summary(
        cycles=max((p.decisions for p in portfolios), default=0),
        decisions=sum(p.decisions for p in portfolios),
        orders=sum(p.orders for p in portfolios),
        fills=sum(p.fills for p in portfolios),
        dead_letters=dead_letter_counts(out_dir),
        portfolios=portfolios,
    )
    return Report(summary, {name: book.curve.curve() for name, book in sorted(books.items())})


def summary(out_dir: Path, *, periods_per_year: int = 365) -> Summary:
    """The summary alone; see :func:`report`."""
    return report(out_dir, periods_per_year=periods_per_year).summary


def dead_letter_counts(out_dir: Path) -> dict[str, int]:
    """Dead letters by reason; empty where the run wrote none."""
    source = find_file(out_dir, DEAD_LETTERS) if out_dir.is_dir() else None
    counts: Counter[str] = Counter()
    if source is not None:
        try:
            counts.update(_REASON.decode(raw).reason for raw in raw_lines(source))
        except TruncatedStream:
            counts["(truncated)"] += 1
    return dict(sorted(counts.items()))


def _ratio(exposure: float, body: _Body) -> float:
    """An exposure in base currency as a fraction of equity; 0 where there is no equity to compare with."""
    return exposure / body.equity if body.equity > 0 else 0.0


def _portfolio(name: str, book: _Book, periods_per_year: int) -> PortfolioSummary:
    first, last = book.first, book.last
    statistics = book.curve.statistics(periods_per_year)
    years = (last.cycle - first.cycle) / DAY_NS / 365.25
    mean_equity = book.curve.mean_value()
    turnover = book.notional / mean_equity / 2 / years if years > 0 and mean_equity > 0 else None
    return PortfolioSummary(
        portfolio=name,
        decisions=book.decisions,
        orders=book.orders,
        fills=book.fills,
        first_cycle=first.cycle,
        last_cycle=last.cycle,
        equity_first=first.equity,
        equity_last=last.equity,
        profit=last.equity - first.equity,
        total_return=last.equity / first.equity - 1 if first.equity else math.nan,
        max_drawdown=statistics.max_drawdown,
        sharpe=statistics.sharpe,
        volatility=statistics.volatility,
        turnover_per_year=turnover,
        traded_notional=book.notional,
        fees=book.fees,
        gross_exposure_max=book.curve.gross_max,
        net_exposure_min=book.curve.net_min,
        net_exposure_max=book.curve.net_max,
        heartbeats=book.heartbeats,
        trading_state=last.trading_state,
        pods=[_pod(pod, book, periods_per_year) for pod in last.pods.pod],
        clips=dict(sorted(book.clips.items(), key=lambda item: (-item[1], item[0]))),
        lifecycle=book.lifecycle.moves,
        selector={pod: dict(sorted(counts.items())) for pod, counts in sorted(book.lifecycle.assets.items())},
    )


def _pod(pod: str, book: _Book, periods_per_year: int) -> PodSummary:
    index = book.last.pods.pod.index(pod)
    statistics = book.pods[pod].statistics(periods_per_year)
    return PodSummary(
        pod=pod,
        state=book.lifecycle.state(pod),
        equity=book.last.pods.equity[index],
        total_return=book.last.pods.equity[index] - 1.0,
        max_drawdown=statistics.max_drawdown,
        sharpe=statistics.sharpe,
        fraction=book.last.pods.fraction[index],
        notional=book.pod_notional.get(pod, 0.0),
    )
