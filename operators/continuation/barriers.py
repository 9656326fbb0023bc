"""What stages wait for over a change of configuration: upstream keys, waiting prices and waiting side messages."""

from __future__ import annotations

from typing import Any

import numpy as np

from operators.continuation.groups import group_columns
from operators.continuation.numbers import GONE, Numbers
from operators.continuation.stopped import Snapshot, Stopped
from operators.frames import BEGINNING
from operators.normalize.scan import CLOSED_TO
from operators.plan import PortfolioPlan
from operators.side.inbox import side_partitions
from schemas.configuration.base import seconds_to_nanoseconds

#: (closed to, frames so far) by upstream key.
Waits = dict[str, tuple[int, int]]


def group_waits(stopped: Stopped, groups: tuple[int, ...]) -> Waits:
    """How far the key groups are: everything that they sent has arrived."""
    waits: Waits = {}
    for group in groups:
        saved = stopped.steps.groups.get(group)
        closed = (BEGINNING, 0) if saved is None else (_closed_to(saved), saved["frames"])
        waits[f"group-{group}"] = closed
    return waits


def side_waits(numbers: Numbers, stopped: Stopped, portfolio: PortfolioPlan | None = None) -> Waits:
    """How far the side topics are that a pod, or a ``portfolio``, waits for, by the lag and the cycle that hold now."""
    live = portfolio is not None and portfolio.configuration.execution.mode == "live"
    topics = ("control", "fills") if live else ("control",)
    time, cycle = numbers.plan.configuration.time, numbers.plan.cycle_ns
    lag = seconds_to_nanoseconds(time.side_lag_seconds)
    waits: Waits = {}
    for name in side_partitions(numbers.plan, topics):
        topic, _, partition = name.rpartition("-")
        saved = stopped.steps.sides.get((topic, int(partition)))
        if saved is None:
            waits[name] = (BEGINNING, 0)
        else:
            passed = saved["passed"]
            waits[name] = (BEGINNING if passed == BEGINNING else (passed + lag) // cycle * cycle, saved["frames"])
    return waits


def waiting_prices(
    numbers: Numbers, stopped: Stopped, frames: list[dict[str, Any]], groups: tuple[int, ...]
) -> list[dict[str, Any]]:
    """Price frames that wait for a barrier, in the columns of the new key groups."""
    found: list[dict[str, Any]] = []
    for frame in frames:
        if frame["group"] not in groups:
            continue
        old = group_columns(numbers.plan, frame["group"], stopped.steps.groups[frame["group"]]["symbols"])
        moved = dict(frame)
        for name in ("open", "close", "fresh", "degraded"):
            column = frame[name]
            moved[name] = np.full(
                (len(column), len(old)), np.nan if column.dtype == np.float64 else False, column.dtype
            )
            moved[name][:, old != GONE] = column[:, old[old != GONE]]
        found.append(moved)
    return found


def inbox_after(inbox: Snapshot, cycle: int) -> Snapshot:
    """An inbox of a stage that stands at ``cycle``: what it still holds takes effect after that, whatever the new lag
    and cycle would say."""
    return {**inbox, "floor": max(inbox["floor"], cycle + 1)}


def _closed_to(group: Snapshot) -> int:
    return int(group["clock"]["scan"]["clock"][CLOSED_TO])
