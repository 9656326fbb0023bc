"""Regroups the step snapshots of a stopped flow for other key groups (design, "Structure").

Pure: snapshots and a plan in, snapshots out. Per-symbol columns move by symbol name; what belongs to a partition (log
position, held rows, open cycles) must be empty, so it is possible only where every group stands at one cycle border.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from operators.frames import BEGINNING
from operators.normalize.group_step import GROUP_SNAPSHOT, GroupStep
from operators.normalize.scan import CLOSED_TO, OPEN_CYCLES, PASSED
from operators.plan import Plan
from operators.pods.pod_step import POD_SNAPSHOT
from operators.portfolio.portfolio_step import PORTFOLIO_SNAPSHOT
from operators.strategy_evaluate.runtime import StrategyRuntime

Snapshot = dict[str, Any]

#: Every part of a group's snapshot. A part that is not named here would be lost in silence, so it refuses.
_GROUP_PARTS = frozenset(
    ("version", "symbols", "intervals", "position", "frames", "letters", "actions", "clock", "strategies")
)
_CLOCK_PARTS = frozenset(("scan", "pending", "pending_values", "latest", "held"))
#: Columns of the scan state with one entry a symbol, and their symbol axis.
_SYMBOL_AXIS = {"last_ts": 1, "last_seq": 1, "ring": 0, "ring_at": 0, "ring_count": 0, "flaw_counts": 0, "actions": 0}
_OPEN_CYCLE_PARTS = frozenset(("clock", "open_cycle", "missing", "awaited"))

_TO_A_BORDER = (
    "start the cluster on the old folder again, let every market partition tick to the same cycle border"
    " (`weir clock`, or `weir seal` for a dump) with no later message, and stop it there"
)
_SAME_OTHERWISE = "repartition with everything but topics.market unchanged, and change the rest afterwards"


class RepartitionRefused(Exception):
    """The snapshots cannot be regrouped; ``problems`` holds one line for each reason, with its fix."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__(f"{len(problems)} problem(s)\n" + "\n".join(f"  {p}" for p in problems))


@dataclass(frozen=True, slots=True)
class StepSnapshots:
    """The steps' own snapshots: groups by market partition, pods and portfolios by their number in the plan."""

    groups: dict[int, Snapshot]
    pods: dict[int, Snapshot]
    portfolios: dict[int, Snapshot]


def regroup(plan: Plan, old: StepSnapshots) -> StepSnapshots:
    """Snapshots from which a flow with ``plan`` goes on where ``old`` stopped, as if nothing had happened.

    Per-symbol state (clock columns, features, strategies) moves by name. A strategy's circuit breaker is one for each
    key group: a new group takes over the gravest of those that its symbols come from. Every new group's clock stands at
    the common border; its log position is open, so that it begins wherever its new partition begins. Dead letters go on
    counting by partition number.

    Raises:
        RepartitionRefused: the groups do not stand at one border with nothing beyond it, or symbols, intervals, pods or
            schedules differ from ``plan``; every reason at once.
    """
    problems = [*_layout_problems(plan, old)]
    border = common_border(old)
    problems += _group_border_problems(old)
    if not problems:
        problems += _stage_border_problems(plan, old, border)
    if problems:
        raise RepartitionRefused(problems)
    return StepSnapshots(
        groups={g.partition: _group(plan, g.partition, old, border) for g in plan.groups},
        pods={p.index: _behind(old.pods[p.index], p.groups, border) for p in plan.pods},
        portfolios={p.index: _behind(old.portfolios[p.index], p.groups, border) for p in plan.portfolios},
    )


def common_border(old: StepSnapshots) -> int:
    """The cycle (UTC ns) up to which every group with symbols has closed, or the least when they differ."""
    return min((_closed_to(s) for s in old.groups.values() if s["symbols"]), default=BEGINNING)


# ---------------------------------------------------------------- what must be the same
def _layout_problems(plan: Plan, old: StepSnapshots) -> list[str]:
    problems = _unknown_parts(old)
    if problems:
        return problems
    for partition, snapshot in old.groups.items():
        if snapshot["intervals"] != list(plan.intervals):
            problems.append(
                f"market partition {partition}: its intervals were {', '.join(snapshot['intervals'])},"
                f" the configuration uses {', '.join(plan.intervals)}; {_SAME_OTHERWISE}"
            )
        window = snapshot["clock"]["scan"]["ring"].shape[1]
        if window != plan.configuration.quality.window:
            problems.append(
                f"quality.window: it was {window}, the configuration says {plan.configuration.quality.window};"
                f" {_SAME_OTHERWISE}"
            )
    problems += _symbol_problems(plan, old)
    problems += _stage_layout_problems(plan, old)
    return list(dict.fromkeys(problems))


def _unknown_parts(old: StepSnapshots) -> list[str]:
    problems: list[str] = []
    for what, snapshots, version in (
        ("market partition", old.groups, GROUP_SNAPSHOT),
        ("pod", old.pods, POD_SNAPSHOT),
        ("portfolio", old.portfolios, PORTFOLIO_SNAPSHOT),
    ):
        problems += [
            f"{what} {n}: snapshot version {s.get('version')!r}, this code regroups {version};"
            " repartition with the code that wrote it"
            for n, s in snapshots.items()
            if s.get("version") != version
        ]
    if problems:
        return problems
    for partition, snapshot in old.groups.items():
        scan = snapshot["clock"]["scan"]
        unknown = sorted(
            (snapshot.keys() - _GROUP_PARTS)
            | (snapshot["clock"].keys() - _CLOCK_PARTS)
            | (scan.keys() - _SYMBOL_AXIS.keys() - _OPEN_CYCLE_PARTS)
        )
        if unknown:
            problems.append(
                f"market partition {partition}: nobody has said how {', '.join(unknown)} moves to other key groups;"
                " add it to operators/repartition.py"
            )
    return problems


def _symbol_problems(plan: Plan, old: StepSnapshots) -> list[str]:
    names = [name for s in old.groups.values() for name in s["symbols"]]
    missing, unknown = sorted(set(plan.symbols) - set(names)), sorted(set(names) - set(plan.symbols))
    problems: list[str] = []
    if missing:
        problems.append(f"instruments: the snapshot has no state for {', '.join(missing)}; {_SAME_OTHERWISE}")
    if unknown:
        problems.append(f"instruments: {', '.join(unknown)} of the snapshot are not configured; {_SAME_OTHERWISE}")
    twice = sorted({n for n in names if names.count(n) > 1}) if len(set(names)) < len(names) else []
    if twice:
        problems.append(f"the snapshot has {', '.join(twice)} in several market partitions; it is damaged")
    return problems


def _stage_layout_problems(plan: Plan, old: StepSnapshots) -> list[str]:
    problems: list[str] = []
    for pod in plan.pods:
        schedules = [(s.id, s.version, s.parameter_hash) for s in (plan.schedules[n] for n in pod.schedules)]
        snapshot = old.pods.get(pod.index)
        if snapshot is None:
            problems.append(f"pod {pod.id}: the snapshot does not have it; {_SAME_OTHERWISE}")
        elif [tuple(s) for s in snapshot["schedules"]] != schedules:
            problems.append(f"pod {pod.id}: its schedules, versions or parameters changed; {_SAME_OTHERWISE}")
        elif snapshot["symbols"] != [plan.symbols[s] for s in pod.symbols]:
            problems.append(f"pod {pod.id}: its symbols changed; {_SAME_OTHERWISE}")
    for portfolio in plan.portfolios:
        snapshot = old.portfolios.get(portfolio.index)
        if snapshot is None:
            problems.append(f"portfolio {portfolio.id}: the snapshot does not have it; {_SAME_OTHERWISE}")
        elif snapshot["pods"] != [plan.pods[p].id for p in portfolio.pods]:
            problems.append(f"portfolio {portfolio.id}: its pods changed; {_SAME_OTHERWISE}")
    for what, found, known in (
        ("pod", len(old.pods), len(plan.pods)),
        ("portfolio", len(old.portfolios), len(plan.portfolios)),
    ):
        if found > known:
            problems.append(f"the snapshot has {found} {what}s, the configuration {known}; {_SAME_OTHERWISE}")
    return problems


# ---------------------------------------------------------------- one border
def _group_border_problems(old: StepSnapshots) -> list[str]:
    problems: list[str] = []
    closed = {p: _closed_to(s) for p, s in sorted(old.groups.items()) if s["symbols"]}
    if len(set(closed.values())) > 1:
        stand = ", ".join(f"{p} at {_time(c)}" for p, c in closed.items())
        problems.append(f"the market partitions have closed different cycles ({stand}); {_TO_A_BORDER}")
    for partition, snapshot in sorted(old.groups.items()):
        clock = snapshot["clock"]
        waiting = {
            "open cycle(s)": int(clock["scan"]["clock"][OPEN_CYCLES]),
            "pending row(s)": int(clock["pending"].shape[1]),
            "held row(s) whose jump in event time nothing has confirmed": len(clock["held"]),
        }
        found = [f"{count} {what}" for what, count in waiting.items() if count]
        if found:
            problems.append(
                f"market partition {partition} holds {' and '.join(found)} beyond {_time(_closed_to(snapshot))};"
                f" {_TO_A_BORDER}"
            )
    return problems


def _stage_border_problems(plan: Plan, old: StepSnapshots, border: int) -> list[str]:
    """Pods and portfolios that have not come to the border, or that keep frames beyond it."""
    stages = [(f"pod {p.id}", old.pods[p.index], p.groups) for p in plan.pods]
    stages += [(f"portfolio {p.id}", old.portfolios[p.index], p.groups) for p in plan.portfolios]
    problems: list[str] = []
    for name, snapshot, groups in stages:
        if not groups:
            continue  # it waits for no key group
        if snapshot["cycle"] != border:
            slowest = min(snapshot["barrier"].items(), key=lambda u: (u[1][0], u[0]))[0]
            problems.append(
                f"{name} stands at {_time(snapshot['cycle'])}, the market at {_time(border)}: it waits for {slowest};"
                " start the cluster on the old folder again, let that topic tick past the border, and stop it there"
            )
        elif _keeps_frames(snapshot):
            problems.append(f"{name} keeps frames beyond {_time(border)}; {_TO_A_BORDER}")
    return problems


def _keeps_frames(snapshot: Snapshot) -> bool:
    waiting = [snapshot.get(part, ()) for part in ("prices", "intents", "events")]
    return any(map(len, waiting)) or bool((snapshot.get("strategies") or {}).get("bars"))


# ---------------------------------------------------------------- the new snapshots
def _group(plan: Plan, partition: int, old: StepSnapshots, border: int) -> Snapshot:
    names = [plan.symbols[s] for s in plan.groups[partition].symbols]
    fresh = GroupStep(plan, partition).snapshot()
    sources = [s for _, s in sorted(old.groups.items()) if not set(names).isdisjoint(s["symbols"])]
    clock = fresh["clock"]
    clock["scan"]["clock"][[PASSED, CLOSED_TO]] = border
    for source in sources:
        _take_symbols(clock["scan"], names, source["clock"]["scan"], source["symbols"])
        for place, name in enumerate(source["symbols"]):
            if name in names:
                fresh["actions"][names.index(name)] = source["actions"][place]
    # What was let through decides what counts as a jump: no partition of the old topic was further.
    reached = [s["clock"]["latest"] for s in old.groups.values()]
    clock["latest"] = max((ts for ts in reached if ts is not None), default=None)
    runtime = StrategyRuntime(plan, partition)
    runtime.restore(*(_schedules_of(s["strategies"], set(names)) for s in sources))
    letters = old.groups[partition]["letters"] if partition in old.groups else 0
    return {**fresh, "letters": letters, "strategies": runtime.snapshot()}


def _take_symbols(
    scan: dict[str, npt.NDArray[Any]], names: list[str], saved: dict[str, npt.NDArray[Any]], saved_names: list[str]
) -> None:
    place = {name: n for n, name in enumerate(saved_names)}
    mine = [n for n, name in enumerate(names) if name in place]
    theirs = [place[names[n]] for n in mine]
    for part, axis in _SYMBOL_AXIS.items():
        np.moveaxis(scan[part], axis, 0)[mine] = np.moveaxis(saved[part], axis, 0)[theirs]


def _schedules_of(strategies: Snapshot, names: set[str]) -> Snapshot:
    """A runtime's snapshot without the schedules that trade none of ``names`` there: their circuits are not ours."""
    own = {key: s for key, s in strategies["schedules"].items() if not names.isdisjoint(s["symbols"])}
    return {**strategies, "schedules": own}


def _behind(snapshot: Snapshot, groups: tuple[int, ...], border: int) -> Snapshot:
    """A pod's or portfolio's snapshot that waits for ``groups`` instead; their frames begin to count anew."""
    barrier = {u: state for u, state in snapshot["barrier"].items() if not u.startswith("group-")}
    return {**snapshot, "barrier": {**{f"group-{g}": (border, 0) for g in groups}, **barrier}}


def _closed_to(group: Snapshot) -> int:
    return int(group["clock"]["scan"]["clock"][CLOSED_TO])


def _time(cycle: int) -> str:
    if cycle == BEGINNING:
        return "the beginning"
    return f"{np.datetime64(cycle, 'ns')}Z".replace(".000000000", "")
