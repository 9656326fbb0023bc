"""A pod over a change of configuration: its book goes on, and so do the targets of schedules that continue."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from operators.continuation.barriers import Waits, group_waits, inbox_after, side_waits, waiting_prices
from operators.continuation.numbers import GONE, Numbers
from operators.continuation.stopped import PodName, Snapshot, Stopped
from operators.frames import Float64, Intents, PodFrame
from operators.plan import Plan
from operators.pods.pod_step import PodStep

#: Columns of the book by symbol.
_BOOK = ("quantity", "wanted", "due", "unsized", "weight", "last")


def continue_pod(numbers: Numbers, stopped: Stopped, old: int, new: int, told: Float64 | None) -> Snapshot:
    """The snapshot of a pod that goes on.

    Args:
        numbers, stopped: both sides of the change.
        old, new: the pod's number before and now.
        told: [S] over the new pod's symbols the weights that its portfolio has taken, where what waits there must not
            count any more because the pod itself changed; None when it did not.
    """
    plan, saved = numbers.plan, stopped.steps.pods[old]
    pod = plan.pods[new]
    fresh = PodStep(plan, new).snapshot()
    places = _places(saved["symbols"], fresh["symbols"])
    book = {n: v.copy() for n, v in fresh["book"].items()}
    for name in _BOOK:
        book[name][places[places != GONE]] = saved["book"][name][places != GONE]
    book["scalars"], book["day"] = saved["book"]["scalars"].copy(), saved["book"]["day"].copy()
    standing, withdrawn = _standing(numbers, stopped, old, new, fresh, saved)
    if told is not None:
        book["unsized"] |= book["weight"] != told
        book["weight"] = told.copy()
    return {
        **fresh,
        "cycle": saved["cycle"],
        "frames": saved["frames"],
        "barrier": _barrier(group_waits(stopped, pod.groups), saved["barrier"], side_waits(numbers, stopped)),
        "prices": waiting_prices(numbers, stopped, saved["prices"], pod.groups),
        "intents": _intents(numbers, saved["intents"]),
        "events": numbers.events(saved["events"]),
        "inbox": inbox_after(saved["inbox"], saved["cycle"]),
        "commands": saved["commands"],
        "switches": dict(saved["switches"]),
        "book": book,
        "standing": standing,
        "withdrawn": withdrawn if told is not None else saved["withdrawn"],
        "rolling": saved["rolling"],
        # Ranks compare the pod's assets with each other: with other assets they begin anew.
        "assets": saved["assets"] if saved["symbols"] == fresh["symbols"] else fresh["assets"],
    }


def new_pod(numbers: Numbers, stopped: Stopped, new: int, portfolio: Snapshot) -> Snapshot:
    """The snapshot of a pod that begins where ``portfolio`` stands, under the switches that are set."""
    fresh = PodStep(numbers.plan, new).snapshot()
    waits = group_waits(stopped, numbers.plan.pods[new].groups)
    return {
        **fresh,
        "cycle": portfolio["cycle"],
        "barrier": waits | side_waits(numbers, stopped),
        "inbox": inbox_after(portfolio["inbox"], portfolio["cycle"]),
        "commands": list(portfolio["control"]["commands"]),
        "switches": dict(portfolio["control"]["switches"]),
        "withdrawn": [],
    }


def _barrier(groups: Waits, saved: Waits, sides: Waits) -> Waits:
    return {**groups, **{k: v for k, v in saved.items() if k in groups}, **sides}


def _intents(numbers: Numbers, queues: dict[int, Intents]) -> dict[int, Intents]:
    moved = {group: numbers.intents(table)[0] for group, table in queues.items()}
    return {group: table for group, table in moved.items() if len(table)}


# ---------------------------------------------------------------- standing targets
def _standing(
    numbers: Numbers, stopped: Stopped, old: int, new: int, fresh: Snapshot, saved: Snapshot
) -> tuple[dict[str, Any], list[tuple[int, float]]]:
    """Standing targets of the schedules that continue, at the share that they have now; and (symbol's place, weight) of
    those that are withdrawn."""
    plan = numbers.plan
    standing = {n: v.copy() for n, v in fresh["standing"].items()}
    places = _places(saved["symbols"], fresh["symbols"])
    here = np.flatnonzero(places != GONE)
    for name in ("held", "net", "gross", "conflict"):
        standing[name][places[here]] = saved["standing"][name][here]
    first = sum(len(stopped.steps.pods[n]["schedules"]) for n in range(old))
    withdrawn: dict[int, float] = {}
    for column in range(len(saved["schedules"])):
        number = int(numbers.schedules[first + column])
        traded = set() if number == GONE else set(plan.schedules[number].symbols.tolist())
        stays = np.array([p != GONE and int(plan.pods[new].symbols[p]) in traded for p in places.tolist()], np.bool_)
        if number != GONE:
            row = plan.pods[new].schedules.index(number)
            ratio, cap = _rescaled(numbers, stopped, first + column, number)
            for name in ("asked", "obeyed"):
                value = saved["standing"][name][stays, column] * ratio
                standing[name][places[stays], row] = np.round(np.clip(value, -cap, cap), 9)
            for name in ("confidence", "obeyed_confidence", "frozen"):
                standing[name][places[stays], row] = saved["standing"][name][stays, column]
        obeyed = saved["standing"]["obeyed"][:, column] * saved["standing"]["obeyed_confidence"][:, column]
        for place in np.flatnonzero(~stays & (places != GONE) & (obeyed != 0.0)).tolist():
            target = int(places[place])
            withdrawn[target] = withdrawn.get(target, 0.0) + float(obeyed[place])
    return standing, sorted(withdrawn.items())


def _rescaled(numbers: Numbers, stopped: Stopped, old: int, new: int) -> tuple[float, float]:
    """What a schedule's standing weights are multiplied with, since its share or the number of the pod's symbols may
    have changed; and the largest weight that the pod's ``max_leverage`` now allows (layer 1)."""
    plan = numbers.plan
    leverage = plan.pods[plan.schedules[new].pod].max_leverage
    if plan.schedules[new].strategy.unit == "notional":
        return 1.0, leverage
    before, now = _weight_of_one_before(stopped, old), _weight_of_one(plan, new)
    return 1.0 if before == now else now / before, leverage * now


def _weight_of_one_before(stopped: Stopped, number: int) -> float:
    """Pod weight of a strength of 1 in one symbol, as it was."""
    key = stopped.schedules[number]
    members = stopped.traded(key.pod)
    symbols = {s for _, names in members.values() for s in names}
    return members[key.schedule][0] / max(1, len(symbols))


def _weight_of_one(plan: Plan, number: int) -> float:
    pod = plan.pods[plan.schedules[number].pod]
    symbols = {s for k in pod.schedules for s in plan.schedules[k].symbols.tolist()}
    return plan.schedules[number].share / max(1, len(symbols))


# ---------------------------------------------------------------- what waits in the portfolio
def continue_frame(numbers: Numbers, frame: PodFrame, changed: bool) -> PodFrame | None:
    """A pod's frame that waits in its portfolio. The targets of a pod that ``changed`` do not count any more: it states
    them anew."""
    pod = numbers.pods[frame.pod]
    if pod == GONE:
        return None
    intents, rows = numbers.intents(frame.intents)
    moved = {}
    for name in ("changes", "clips"):
        table = getattr(frame, name)
        symbol = numbers.symbols[table.symbol]
        kept = symbol != GONE if name == "clips" or not changed else np.zeros(len(symbol), np.bool_)
        columns = {c: getattr(table, c)[kept] for c in type(table).__dataclass_fields__} | {"symbol": symbol[kept]}
        if name == "clips":
            columns["pod"] = np.full(int(kept.sum()), pod, np.int32)
        moved[name] = type(table)(**columns)
    return replace(
        frame,
        pod=pod,
        changes=moved["changes"],
        clips=moved["clips"],
        intents=intents,
        intent_weight=frame.intent_weight[rows],
        events=numbers.events(frame.events),
    )


def pod_changed(numbers: Numbers, stopped: Stopped, old: int, new: int) -> bool:
    """True when the pod nets otherwise than before: its schedules, their symbols or shares, or its leverage differ."""
    plan, name = numbers.plan, stopped.pods[old]
    pod, saved = plan.pods[new], stopped.steps.pods[old]
    if [plan.symbols[s] for s in pod.symbols.tolist()] != saved["symbols"]:
        return True
    keys = [key for key in stopped.schedules if key.pod == name]
    if keys != [numbers.keys[k] for k in pod.schedules]:
        return True
    members = stopped.traded(name)
    for number in pod.schedules:
        now = plan.schedules[number]
        share, symbols = members[now.id]
        before = stopped.schedule(numbers.keys[number])
        if before is None or (share, symbols) != (now.share, tuple(plan.symbols[s] for s in now.symbols.tolist())):
            return True
        if (before.horizon or numbers.keys[number].interval) != now.horizon:
            return True
    return _max_leverage(stopped, name) != pod.max_leverage


def _max_leverage(stopped: Stopped, name: PodName) -> float | None:
    for portfolio in stopped.configuration.portfolios:
        for pod in portfolio.pods:
            if (portfolio.id, pod.id) == name:
                return pod.max_leverage
    return None


def _places(old: list[str], new: list[str]) -> np.ndarray:
    return np.array([new.index(name) if name in new else GONE for name in old], np.int64)
