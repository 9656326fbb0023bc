"""Snapshots for a changed configuration, made of those that a clean stop left (design, "Configuration is part of the
log").

Strategy state is kept under schedule, version and parameters: equal keys go on, new ones warm up, and the targets of
what is gone fall to zero through orders of the pod that held it. Books, positions, open orders and the journal's chain
go on. Pure: a plan and snapshots in, snapshots out.
"""

from __future__ import annotations

import numpy as np

from operators.continuation.change import transitions
from operators.continuation.groups import continue_group
from operators.continuation.numbers import GONE, Numbers
from operators.continuation.pods import continue_pod, new_pod, pod_changed
from operators.continuation.portfolios import continue_portfolio, new_portfolio
from operators.continuation.problems import document_problems, plan_problems
from operators.continuation.retired import retired
from operators.continuation.stopped import ContinuationRefused, Snapshot, StepSnapshots, Stopped
from operators.frames import Float64
from operators.plan import Plan, compile_plan
from operators.strategy_evaluate.registry import Registry
from schemas.configuration import Configuration
from schemas.configuration.portfolio import Portfolio


def plan_after(stopped: Stopped, configuration: Configuration, registry: Registry, source: str) -> Plan:
    """The plan of ``configuration``, with what pods still hold of what it no longer trades.

    Raises:
        ConfigurationError: the configuration itself is at fault.
        ContinuationRefused: it changes something that the state cannot follow; every reason with its fix.
    """
    compile_plan(configuration, registry, source)
    problems = document_problems(stopped, configuration)
    if problems:
        raise ContinuationRefused(problems)
    plan = compile_plan(configuration, registry, source, retired(stopped, configuration))
    problems = plan_problems(stopped, plan)
    if problems:
        raise ContinuationRefused(problems)
    return plan


def carry_over(stopped: Stopped, plan: Plan) -> StepSnapshots:
    """The snapshots from which a flow with ``plan`` (of :func:`plan_after`) goes on."""
    numbers = Numbers.between(stopped, plan)
    before = {new: old for old, new in numbers.pods.items() if new != GONE}
    changed = {new for new, old in before.items() if pod_changed(numbers, stopped, old, new)}
    old_portfolios = {p.id: number for number, p in enumerate(stopped.configuration.portfolios)}
    pods: dict[int, Snapshot] = {}
    portfolios: dict[int, Snapshot] = {}
    for own in plan.portfolios:
        told = transitions(stopped, numbers, own.id)
        number = old_portfolios.get(own.id)
        if number is None:
            portfolio = new_portfolio(numbers, stopped, own.index, told)
        else:
            anew = _capital_changed(stopped.configuration.portfolios[number], own.configuration)
            portfolio = continue_portfolio(numbers, stopped, own.index, changed, told, anew)
        portfolios[own.index] = portfolio
        for pod in own.pods:
            if pod not in before:
                pods[pod] = new_pod(numbers, stopped, pod, portfolio)
            else:
                weights = _told(plan, portfolio, pod) if pod in changed else None
                pods[pod] = continue_pod(numbers, stopped, before[pod], pod, weights)
    sides = {place: s for place, s in stopped.steps.sides.items() if getattr(plan.configuration.topics, place[0])}
    groups = {g.partition: continue_group(numbers, stopped, g.partition) for g in plan.groups}
    return StepSnapshots(groups, pods, portfolios, sides)


def _told(plan: Plan, portfolio: Snapshot, pod: int) -> Float64:
    """[S] over a pod's symbols: the weights that its portfolio works with."""
    row = portfolio["pods"].index(plan.pods[pod].id)
    places = [portfolio["symbols"].index(plan.symbols[s]) for s in plan.pods[pod].symbols.tolist()]
    weights: Float64 = np.asarray(portfolio["ledger"]["pod_weight"])[row, places].copy()
    return weights


def _capital_changed(before: Portfolio, after: Portfolio) -> bool:
    """Whether capital must be computed anew: other pods or another policy."""
    return before.capital != after.capital or [p.id for p in before.pods] != [p.id for p in after.pods]
