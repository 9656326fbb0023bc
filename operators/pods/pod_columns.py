"""Columns of a pod: intents cut by rows, and what its kernel did as tables of a frame."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from operators.frames import Clips, Float64, Int64, Intents, TargetChanges
from operators.pods.block import IntentRows, PodOutput

_Table = TypeVar("_Table", TargetChanges, Clips)
_Column = TypeVar("_Column", Int64, Float64)


def cut(rows: IntentRows, first: int, last: int) -> IntentRows:
    """The intents of rows ``first`` .. ``last`` - 1, counted from ``first``."""
    begin, end = np.searchsorted(rows.row, (first, last)).tolist()
    if first == 0 and end == len(rows.row):
        return rows
    own = slice(begin, end)
    return IntentRows(
        rows.row[own] - first, rows.symbol[own], rows.schedule[own], rows.value[own], rows.scale[own],
        rows.confidence[own],
    )  # fmt: skip


def keys(intents: Intents) -> list[tuple[int, int, int]]:
    """(cycle, schedule, symbol) of every intent."""
    return list(zip(intents.cycle.tolist(), intents.schedule.tolist(), intents.symbol.tolist(), strict=True))


def changes(out: PodOutput, cycles: Int64, symbols: np.ndarray) -> TargetChanges:
    """Targets that changed in a run of the kernel; ``cycles`` and ``symbols`` name its rows and places."""
    n = int(out.counts[0])
    return TargetChanges(
        cycles[out.change_row[:n]], symbols[out.change_symbol[:n]], out.change_net[:n], out.change_gross[:n],
        out.change_weight[:n], out.change_conflict[:n],
    )  # fmt: skip


def clips(out: PodOutput, cycles: Int64, symbols: np.ndarray, pod: int) -> Clips:
    """Cuts that a run of the kernel made."""
    n = int(out.counts[1])
    return Clips(
        cycles[out.clip_row[:n]], np.full(n, pod, np.int32), symbols[out.clip_symbol[:n]], out.clip_reason[:n],
        out.clip_before[:n], out.clip_after[:n], np.zeros(n, np.bool_),
    )  # fmt: skip


def by_cycle(clips: Clips) -> Clips:
    """The rows in the order of their cycles, within one as they stand."""
    order = np.argsort(clips.cycle, kind="stable")
    return Clips(**{n: getattr(clips, n)[order] for n in Clips.__dataclass_fields__})


def end_to_end(parts: list[_Column]) -> _Column:
    """The parts as one column."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def joined(kind: type[_Table], parts: list[_Table]) -> _Table:
    """The parts as one table."""
    if len(parts) == 1:
        return parts[0]
    names = list(kind.__dataclass_fields__)
    return kind(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in names})
