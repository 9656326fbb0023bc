"""What pods hold of symbols that they no longer trade: it is watched until orders have sold it."""

from __future__ import annotations

from operators.continuation.stopped import PodName, Snapshot, Stopped
from schemas.configuration import Configuration
from schemas.configuration.retired import Retired

#: Parts of a lot below which an attributed quantity is nothing (operators/portfolio/fills.py).
_DUST = 1e-6


def retired(stopped: Stopped, configuration: Configuration) -> tuple[Retired, ...]:
    """What of ``stopped`` the new ``configuration`` does not trade, by portfolio and pod; portfolios that it does not
    have are left out."""
    traded = _traded(configuration)
    portfolios = {p.id for p in configuration.portfolios}
    found: list[Retired] = []
    for number, name in enumerate(stopped.pods):
        if name.portfolio not in portfolios:
            continue
        left = tuple(s for s in held(stopped, number) if s not in traded.get(name, frozenset()))
        if left:
            leverage, slippage = _settings(stopped, configuration, name)
            found.append(Retired(name.portfolio, name.pod, left, slippage, leverage))
    return tuple(found)


def held(stopped: Stopped, number: int) -> tuple[str, ...]:
    """Symbols in which a pod has a target, units, a part of a position, or a position in its own book."""
    pod, name = stopped.steps.pods[number], stopped.pods[number]
    portfolio = _portfolio(stopped, name)
    ledger, row = portfolio["ledger"], portfolio["pods"].index(name.pod)
    found = set()
    for place, symbol in enumerate(portfolio["symbols"]):
        dust = _DUST * stopped.instruments[symbol].lot
        wants = any(ledger[n][row, place] != 0.0 for n in ("units", "held", "pod_weight"))
        if wants or abs(ledger["attributed"][row, place]) > dust:
            found.add(symbol)
    book = pod["book"]
    for place, symbol in enumerate(pod["symbols"]):
        if book["quantity"][place] != 0.0 or book["weight"][place] != 0.0 or book["due"][place]:
            found.add(symbol)
    return tuple(sorted(found))


def positions(portfolio: Snapshot) -> list[str]:
    """Symbols in which a portfolio has a position or an open order."""
    ledger = portfolio["ledger"]
    busy = (ledger["position"] != 0) | (ledger["pending"] != 0)
    return [s for s, is_busy in zip(portfolio["symbols"], busy.tolist(), strict=True) if is_busy]


def _portfolio(stopped: Stopped, name: PodName) -> Snapshot:
    number = [p.id for p in stopped.configuration.portfolios].index(name.portfolio)
    return stopped.steps.portfolios[number]


def _traded(configuration: Configuration) -> dict[PodName, frozenset[str]]:
    listed = configuration.instruments if not isinstance(configuration.instruments, str) else []
    every = frozenset(i.symbol for i in listed)
    found: dict[PodName, frozenset[str]] = {}
    for portfolio in configuration.portfolios:
        for pod in portfolio.pods:
            names = [every if s.symbols == "*" else frozenset(s.symbols) for s in pod.schedules if s.enabled]
            found[PodName(portfolio.id, pod.id)] = frozenset[str]().union(*names)
    return found


def _settings(stopped: Stopped, configuration: Configuration, name: PodName) -> tuple[float, float]:
    """max_leverage and slippage_bps of a pod, as configured last."""
    for document in (configuration, stopped.configuration):
        for portfolio in document.portfolios:
            for pod in portfolio.pods:
                if (portfolio.id, pod.id) == name:
                    return pod.max_leverage, pod.slippage_bps
    return 1.0, 0.0
