"""A portfolio over a change of configuration: its money, positions, open orders and journal go on."""

from __future__ import annotations

from typing import Any

import numpy as np

from operators.continuation.barriers import Waits, group_waits, inbox_after, side_waits, waiting_prices
from operators.continuation.numbers import GONE, Numbers
from operators.continuation.pods import continue_frame
from operators.continuation.stopped import Snapshot, Stopped
from operators.frames import BEGINNING, Float64
from operators.portfolio.portfolio_step import PortfolioStep

#: Columns of the ledger that are not by symbol or by (pod, symbol); and one that follows from the kill switches, when
#: the step takes all this over.
_APART, _FOLLOWS = ("fraction", "scalars", "state", "room"), "frozen"


def continue_portfolio(
    numbers: Numbers, stopped: Stopped, index: int, changed: set[int], transitions: list[dict[str, Any]], anew: bool
) -> Snapshot:
    """The snapshot of a portfolio that goes on.

    Args:
        numbers, stopped: both sides of the change.
        index: the portfolio's number, the same on both sides.
        changed: the new numbers of pods that net otherwise than before.
        transitions: what its next decision tells of the change.
        anew: capital is computed anew in the next cycle.
    """
    plan, saved = numbers.plan, stopped.steps.portfolios[index]
    own = plan.portfolios[index]
    fresh = PortfolioStep(plan, index).snapshot()
    symbols = _places(saved["symbols"], fresh["symbols"])
    pods = _places(saved["pods"], fresh["pods"])
    waits = _waits(numbers, stopped, index, saved)
    frames = [continue_frame(numbers, f, numbers.pods[f.pod] in changed) for f in saved["waiting"]]
    return {
        **fresh,
        "cycle": saved["cycle"],
        "start": saved["start"],
        "frames": saved["frames"],
        "barrier": waits,
        "prices": waiting_prices(numbers, stopped, saved["prices"], own.groups),
        "waiting": [f for f in frames if f is not None],
        "inbox": inbox_after(saved["inbox"], saved["cycle"]),
        "capital": _capital(numbers, stopped, index, saved["capital"], fresh["capital"], pods, anew),
        "lifecycles": _lifecycles(saved["lifecycles"], fresh["lifecycles"], pods),
        "ledger": _ledger(saved["ledger"], fresh["ledger"], pods, symbols),
        "control": saved["control"],
        "writer": _writer(saved["writer"], symbols),
        "pod_equity": _by_pod(fresh["pod_equity"], saved["pod_equity"], pods),
        "offset_high": saved["offset_high"],
        # With a venue outside, pods and symbols are the same on both sides, and so are these.
        "turn": saved["turn"],
        "executions": saved["executions"],
        "reconfigured": [*saved["reconfigured"], *transitions],
    }


def new_portfolio(numbers: Numbers, stopped: Stopped, index: int, transitions: list[dict[str, Any]]) -> Snapshot:
    """The snapshot of a portfolio that begins where its key groups and the control topic stand."""
    own = numbers.plan.portfolios[index]
    waits = group_waits(stopped, own.groups) | side_waits(numbers, stopped, own)
    cycle = min(closed for closed, _ in waits.values())
    fresh = PortfolioStep(numbers.plan, index).snapshot()
    inbox = inbox_after({**fresh["inbox"], "waiting": _undelivered(stopped)}, cycle)
    pods = {f"pod-{p}": (cycle, 0) for p in own.pods}
    return {**fresh, "cycle": cycle, "barrier": waits | pods, "inbox": inbox, "reconfigured": transitions}


def _undelivered(stopped: Stopped) -> list[Any]:
    """Messages that no portfolio has come to yet: a new one must hear of them too."""
    found: dict[tuple[str, int, int], Any] = {}
    for _, portfolio in sorted(stopped.steps.portfolios.items()):
        for message in portfolio["inbox"]["waiting"]:
            found[message[1], message[2], message[3]] = message
    return [found[place] for place in sorted(found)]


def _waits(numbers: Numbers, stopped: Stopped, index: int, saved: Snapshot) -> Waits:
    own = numbers.plan.portfolios[index]
    waits = group_waits(stopped, own.groups)
    waits |= {k: v for k, v in saved["barrier"].items() if k in waits}
    waits |= {f"pod-{p}": (saved["cycle"], 0) for p in own.pods}
    for old, new in numbers.pods.items():
        if new in own.pods:
            waits[f"pod-{new}"] = saved["barrier"][f"pod-{old}"]
    return waits | side_waits(numbers, stopped, own)


def _capital(
    numbers: Numbers, stopped: Stopped, index: int, saved: Snapshot, fresh: Snapshot, pods: np.ndarray, anew: bool
) -> Snapshot:
    """Capital goes on pod by pod; where it is computed ``anew``, by the new document's policy."""
    forced, *flags = saved["flags"]
    by_policy = fresh if anew else saved
    return {
        **{name: _by_pod(fresh[name], saved[name], pods) for name in ("fractions", "base", "anchor")},
        **{name: by_policy[name] for name in ("interval", "policy", "memory")},
        **{name: saved[name] for name in ("regime", "room", "governor")},
        # A document that says otherwise is a first allocation: no turnover limit puts it off.
        "last": BEGINNING if anew else saved["last"],
        "flags": (forced or anew, *flags),
        "states": _each_pod(fresh["states"], saved["states"], pods),
        "histories": _each_pod(fresh["histories"], saved["histories"], pods),
        "signals": _signals(numbers, stopped, index, saved["signals"], fresh["signals"]),
    }


def _signals(numbers: Numbers, stopped: Stopped, index: int, saved: Snapshot, fresh: Snapshot) -> Snapshot:
    """Standing signals of the (schedule, symbol) pairs that go on."""
    plan = numbers.plan
    own = plan.portfolios[index]
    rows = {s: n for n, s in enumerate(s for p in own.pods for s in plan.pods[p].schedules)}
    places = _places(
        stopped.steps.portfolios[index]["symbols"], [plan.symbols[s] for s in own.symbols.tolist()]
    )  # fmt: skip
    here = np.flatnonzero(places != GONE)
    first = sum(len(stopped.steps.pods[n]["schedules"]) for n in range(_first_pod(stopped, index)))
    moved = {name: table.copy() for name, table in fresh.items()}
    for name, table in saved.items():
        for row in range(len(table)):
            number = int(numbers.schedules[first + row])
            if number != GONE and number in rows:
                moved[name][rows[number], places[here]] = table[row, here]
    return moved


def _first_pod(stopped: Stopped, index: int) -> int:
    return sum(len(stopped.steps.portfolios[n]["pods"]) for n in range(index))


def _each_pod(fresh: list[Any], saved: list[Any], pods: np.ndarray) -> list[Any]:
    """A list with an entry for each pod; what is being wound up may have none."""
    found = list(fresh)
    for entry, new in zip(saved, pods.tolist(), strict=False):
        if new != GONE and new < len(found):
            found[new] = entry
    return found


def _lifecycles(saved: Snapshot, fresh: Snapshot, pods: np.ndarray) -> Snapshot:
    moved = {name: _each_pod(fresh[name], saved[name], pods) for name in ("states", "since", "records")}
    return {**saved, **moved}


def _ledger(saved: Snapshot, fresh: Snapshot, pods: np.ndarray, symbols: np.ndarray) -> Snapshot:
    ledger = {n: v.copy() for n, v in fresh.items()}
    here = np.flatnonzero(symbols != GONE)
    stay = np.flatnonzero(pods != GONE)
    for name, column in saved.items():
        if name in _APART or name == _FOLLOWS:
            continue
        if column.ndim == 1:
            ledger[name][symbols[here]] = column[here]
        else:
            ledger[name][np.ix_(pods[stay], symbols[here])] = column[np.ix_(stay, here)]
    ledger["fraction"] = _by_pod(fresh["fraction"], saved["fraction"], pods)
    for name in ("scalars", "state", "room"):
        ledger[name] = saved[name].copy()
    return ledger


def _writer(saved: Snapshot, symbols: np.ndarray) -> Snapshot:
    orders = saved["orders"]
    moved = {
        name: {int(symbols[place]): list(rows) for place, rows in orders[name].items() if rows}
        for name in ("open", "working")
    }
    return {**saved, "orders": {**orders, **moved}}


def _by_pod(fresh: Float64, saved: Float64, pods: np.ndarray) -> Float64:
    found: Float64 = fresh.copy()
    found[pods[pods != GONE]] = saved[pods != GONE]
    return found


def _places(old: list[str], new: list[str]) -> np.ndarray:
    return np.array([new.index(name) if name in new else GONE for name in old], np.int64)
