"""What no configuration can change under a state: each reason names the key and the fix."""

from __future__ import annotations

import numpy as np

from operators.continuation.retired import held, positions
from operators.continuation.stopped import Snapshot, Stopped
from operators.frames import BEGINNING
from operators.normalize.scan import CLOSED_TO, OPEN_CYCLES
from operators.plan import Plan
from schemas.configuration import Configuration
from schemas.configuration.portfolio import Portfolio

_SIDES = ("control", "fills", "overlay", "signals")
#: What a position is counted in: it cannot change while there is one.
_UNITS_OF_A_POSITION = ("lot", "contract_multiplier", "currency")
_OF_ITS_OWN = "keep it, or begin a deployment of its own (outputs, cluster_id, recovery folder)"
_SELL_FIRST = "start as before, sell it (`kill` with mode flatten, or no schedule on it), stop, then change"
_TO_A_BORDER = "start as before, let every topic tick to one border of both cycle lengths, and stop there"


def document_problems(stopped: Stopped, configuration: Configuration) -> list[str]:
    """Faults that show before a plan is made."""
    return [
        *_portfolio_problems(stopped, configuration),
        *_instrument_problems(stopped, configuration),
        *_side_problems(stopped, configuration),
    ]


def plan_problems(stopped: Stopped, plan: Plan) -> list[str]:
    """Faults of what moves between key groups and cycles."""
    return [*_group_problems(stopped, plan), *_cycle_problems(stopped, plan), *_venue_problems(stopped, plan)]


def _venue_problems(stopped: Stopped, plan: Plan) -> list[str]:
    """A venue outside knows orders by themselves: what they belong to here must not move under them."""
    before = {p.id: number for number, p in enumerate(stopped.configuration.portfolios)}
    problems: list[str] = []
    for own in plan.portfolios:
        saved = stopped.steps.portfolios.get(before.get(own.id, -1))
        if saved is None or own.configuration.execution.mode == "internal_paper":
            continue
        layout = ([plan.symbols[s] for s in own.symbols.tolist()], [plan.pods[p].id for p in own.pods])
        if layout != (saved["symbols"], saved["pods"]):
            problems.append(
                f"portfolios.{own.id}.pods: pods or symbols change only with execution.mode internal_paper so far;"
                f" {_OF_ITS_OWN}"
            )
    return problems


# ---------------------------------------------------------------- portfolios
def _portfolio_problems(stopped: Stopped, configuration: Configuration) -> list[str]:
    problems: list[str] = []
    before, after = ([p.id for p in c.portfolios] for c in (stopped.configuration, configuration))
    for number, name in enumerate(before):
        if name in after:
            if after.index(name) != number:
                problems.append(
                    f"portfolios.{name}: it was number {number + 1} in the list, now it is {after.index(name) + 1}; the"
                    " place is its partition of the outputs: keep the order, add at the end and remove from the end"
                )
            problems += _account_problems(stopped, number, configuration.portfolios[after.index(name)])
            continue
        open_in = positions(stopped.steps.portfolios[number])
        if open_in:
            problems.append(f"portfolios.{name}: removed, but it holds {_some(open_in)}; {_SELL_FIRST}")
    return problems


def _account_problems(stopped: Stopped, number: int, after: Portfolio) -> list[str]:
    before, name = stopped.configuration.portfolios[number], after.id
    problems: list[str] = []
    if before.base_currency != after.base_currency:
        problems.append(
            f"portfolios.{name}.base_currency: it was {before.base_currency}, now {after.base_currency}; money that is"
            f" there is counted in it: {_OF_ITS_OWN}"
        )
    if before.execution.mode != after.execution.mode:
        problems.append(
            f"portfolios.{name}.execution.mode: it was {before.execution.mode}, now {after.execution.mode}; orders and"
            f" fills of one are none of the other: {_OF_ITS_OWN}"
        )
    open_in = positions(stopped.steps.portfolios[number])
    if before.execution.account != after.execution.account and open_in:
        problems.append(
            f"portfolios.{name}.execution.account: it was {before.execution.account}, now {after.execution.account},"
            f" and the portfolio holds {_some(open_in)}; {_SELL_FIRST}"
        )
    return problems


# ---------------------------------------------------------------- instruments
def _instrument_problems(stopped: Stopped, configuration: Configuration) -> list[str]:
    listed = configuration.instruments if not isinstance(configuration.instruments, str) else []
    after = {i.symbol: i for i in listed}
    problems: list[str] = []
    for symbol, holders in sorted(_holders(stopped, {p.id for p in configuration.portfolios}).items()):
        if symbol not in after:
            problems.append(f"instruments.{symbol}: removed, but {_some(holders)} hold(s) it; {_SELL_FIRST}")
            continue
        for key in _UNITS_OF_A_POSITION:
            was, now = getattr(stopped.instruments[symbol], key), getattr(after[symbol], key)
            if was != now:
                problems.append(
                    f"instruments.{symbol}.{key}: it was {was}, now {now}, and {_some(holders)} hold(s) it;"
                    f" {_SELL_FIRST}"
                )
    return problems


def _holders(stopped: Stopped, portfolios: set[str]) -> dict[str, list[str]]:
    """Who has a target, a position or an open order, by symbol."""
    found: dict[str, list[str]] = {}
    for number, name in enumerate(stopped.pods):
        if name.portfolio in portfolios:
            for symbol in held(stopped, number):
                found.setdefault(symbol, []).append(f"pod {name.pod}")
    for number, portfolio in enumerate(stopped.configuration.portfolios):
        if portfolio.id in portfolios:
            for symbol in positions(stopped.steps.portfolios[number]):
                found.setdefault(symbol, [f"portfolio {portfolio.id}"])
    return found


# ---------------------------------------------------------------- topics
def _side_problems(stopped: Stopped, configuration: Configuration) -> list[str]:
    problems: list[str] = []
    for topic in _SIDES:
        before, after = (getattr(c.topics, topic) for c in (stopped.configuration, configuration))
        if before is not None and after is not None and before.partitions != after.partitions:
            problems.append(
                f"topics.{topic}.partitions: it was {before.partitions}, now {after.partitions}; a side topic keeps its"
                f" partition count: {_OF_ITS_OWN}"
            )
    switches = {s for p in stopped.steps.portfolios.values() for s in p["control"]["switches"]}
    if stopped.configuration.topics.control is not None and configuration.topics.control is None and switches:
        named = sorted(f"{scope} {name}".strip() for scope, name in switches)
        problems.append(
            f"topics.control: removed, but kill switches are set ({_some(named)}) that nobody could lift without it;"
            " arm them first, or keep the topic"
        )
    return problems


def _group_problems(stopped: Stopped, plan: Plan) -> list[str]:
    if stopped.steps.groups and len(stopped.steps.groups) != len(plan.groups):
        before, now = len(stopped.steps.groups), len(plan.groups)
        return [f"topics.market.partitions: it was {before}, now {now}; run: weir state repartition"]
    problems: list[str] = []
    for partition, snapshot in sorted(stopped.steps.groups.items()):
        for symbol in snapshot["symbols"]:
            now = plan.group_of[plan.symbol_index[symbol]] if symbol in plan.symbol_index else partition
            if now != partition:
                problems.append(
                    f"topics.market: {symbol} moves from partition {partition} to {int(now)} (partitioner or"
                    " partition_of); run: weir state repartition"
                )
    return problems


# ---------------------------------------------------------------- cycles
def _cycle_problems(stopped: Stopped, plan: Plan) -> list[str]:
    before = stopped.configuration.time.cycle_seconds
    if isinstance(before, str) or round(before * 1e9) == plan.cycle_ns:
        return []
    what = f"time.cycle_seconds: it was {before:g}, now {plan.cycle_ns / 1e9:g}"
    groups = {p: s for p, s in sorted(stopped.steps.groups.items()) if s["symbols"]}
    closed = {p: int(s["clock"]["scan"]["clock"][CLOSED_TO]) for p, s in groups.items()}
    border = min(closed.values(), default=BEGINNING)
    stages = [*stopped.steps.pods.values(), *stopped.steps.portfolios.values()]
    if len(set(closed.values())) > 1 or any(s["cycle"] != border for s in stages):
        return [f"{what}, and the stages do not stand at one cycle; {_TO_A_BORDER}"]
    if any(_open_rows(s) for s in groups.values()):
        return [f"{what}, and cycles after {_time(border)} are open; {_TO_A_BORDER}"]
    if border % plan.cycle_ns:
        return [f"{what}, and {_time(border)}, where the flow stands, is no border of that; {_TO_A_BORDER}"]
    return []


def _open_rows(group: Snapshot) -> bool:
    clock = group["clock"]
    return bool(clock["scan"]["clock"][OPEN_CYCLES] or clock["pending"].shape[1] or clock["held"])


def _time(cycle: int) -> str:
    if cycle == BEGINNING:
        return "the beginning"
    return f"{np.datetime64(cycle, 'ns')}Z".replace(".000000000", "")


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
