"""Capital as tables and trees for the terminal, and as plain values for JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rich.table import Table
from rich.tree import Tree

from operators.allocate.dashboard import AllocationSnapshot, AllocationTimeline

#: Steps of the trace that give every pod a weight, in their order.
_STEPS = ("raw", "lifecycle", "bounds", "turnover", "regime")
#: Keys of a policy's reasons that a branch of the tree shows by itself.
_STRUCTURE = ("parts", "policy", "label")


def time_text(cycle: int) -> str:
    """UTC, to the second."""
    return datetime.fromtimestamp(cycle / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def share(value: float | None) -> str:
    """A part of capital in percent."""
    return "" if value is None else f"{100 * value:.2f} %"


def snapshot_document(timeline: AllocationTimeline) -> dict[str, Any]:
    """The allocation in force, with drift and leverage usage."""
    last = timeline.snapshots[-1]
    return {
        "portfolio": timeline.portfolio,
        "cycle": last.cycle,
        "sequence": last.sequence,
        "as_of": timeline.cycle,
        "capital": last.trace,
        "drift": {d.pod: {"target": d.target, "current": d.current, "drift": d.drift} for d in timeline.drifts()},
        "leverage": {u.pod: {"used": u.used, "limit": u.limit, "ratio": u.ratio} for u in timeline.leverage_usage()},
    }


def timeline_document(timeline: AllocationTimeline) -> list[dict[str, Any]]:
    """One object a snapshot."""
    return [
        {
            "cycle": s.cycle,
            "sequence": s.sequence,
            "equity": s.equity,
            **{key: s.trace[key] for key in ("trigger", "policy", "label", "turnover", "before", "fractions")},
            "leverage": s.step("leverage")["pods"],
        }
        for s in timeline.snapshots
    ]


def steps_table(timeline: AllocationTimeline) -> Table:
    """Each pod's weight after each step, its drift and leverage."""
    last = timeline.snapshots[-1]
    title = f"{timeline.portfolio}: {last.trace['policy']} at {time_text(last.cycle)} ({last.trace['trigger']})"
    table = Table("Pod", "State", title=title, title_justify="left")
    shown = [name for name in _STEPS if last.step(name)]
    for name in (*shown, "fraction", "drift", "leverage"):
        table.add_column(name.capitalize(), justify="right")
    states = last.step("lifecycle").get("states", {})
    drifts = {d.pod: d.drift for d in timeline.drifts()}
    usage = {u.pod: u for u in timeline.leverage_usage()}
    for pod, fraction in last.fractions.items():
        weights = [share(last.step(name)["weights"][pod]) for name in shown]
        used = f"{usage[pod].used:.2f} of {usage[pod].limit:g}"
        table.add_row(pod, states.get(pod) or "off", *weights, share(fraction), f"{100 * drifts[pod]:+.2f}", used)
    return table


def reasons_tree(snapshot: AllocationSnapshot) -> Tree:
    """What each policy wanted and why, nested as the policies are."""
    tree = Tree(f"why ({snapshot.trace['trigger']}, turnover {share(snapshot.trace['turnover'])})")
    if snapshot.trace["why"]:
        _grow(tree, snapshot.trace["why"])
    else:
        tree.add("the policy was not asked: the regime alone changed")
    return tree


def _grow(tree: Tree, why: dict[str, Any], name: str = "") -> None:
    heading = " ".join(str(why[key]) for key in ("policy", "label") if key in why)
    branch = tree.add(f"{name}: {heading}" if name and heading else name or heading or "weights")
    for key, value in why.items():
        if key not in _STRUCTURE:
            branch.add(f"{key}  {_text(value)}")
    for key, part in why.get("parts", {}).items():
        if isinstance(part, dict) and any(isinstance(v, dict | str) for v in part.values()):
            _grow(branch, part, key)
        else:
            branch.add(f"{key}  {_text(part)}")


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(one)}" for key, one in value.items())
    if isinstance(value, float):
        return f"{value:.6g}"
    return "unknown" if value is None else str(value)


def timeline_table(timeline: AllocationTimeline, most: int) -> Table:
    """The last ``most`` snapshots."""
    pods = list(timeline.snapshots[-1].fractions)
    table = Table("Time", "Trigger", "Policy", title=f"{timeline.portfolio}: capital", title_justify="left")
    for name in ("Turnover", *pods, "Cash"):
        table.add_column(name, justify="right")
    for snapshot in timeline.snapshots[-most:]:
        trace, fractions = snapshot.trace, snapshot.fractions
        row = [share(fractions[pod]) for pod in pods]
        cash = share(max(0.0, 1 - sum(fractions.values())))
        table.add_row(
            time_text(snapshot.cycle), trace["trigger"], trace["policy"], share(trace["turnover"]), *row, cash
        )
    return table


def drift_table(timeline: AllocationTimeline, limit: float) -> Table:
    """Each pod's share as allocated and now; past ``limit`` it is marked."""
    since = time_text(timeline.snapshots[-1].cycle)
    title = f"{timeline.portfolio}: drift from {since} to {time_text(timeline.cycle)}, rebalance above {share(limit)}"
    table = Table("Pod", title=title, title_justify="left")
    for name in ("Target", "Current", "Drift", "Leverage", "Limit", "Usage"):
        table.add_column(name, justify="right")
    usage = {u.pod: u for u in timeline.leverage_usage()}
    for row in timeline.drifts():
        mark = " !" if abs(row.drift) > limit else ""
        used = usage[row.pod]
        table.add_row(
            row.pod, share(row.target), share(row.current), f"{100 * row.drift:+.2f} %{mark}",
            f"{used.used:.3f}", f"{used.limit:g}", share(used.ratio),
        )  # fmt: skip
    return table
