"""What the pods report of a block of cycles, cut by cycle for decisions and kernels."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from operators.frames import Clips, Float64, Int64, PodFrame
from operators.intents import take as take_intents
from operators.plan import Plan, PortfolioPlan
from operators.portfolio.cycle import Changes
from operators.portfolio.decision import Cycle, PodPart


class Evidence:
    """The due frames of a portfolio's pods over one block."""

    def __init__(self, plan: Plan, own: PortfolioPlan, frames: list[PodFrame]) -> None:
        self._plan, self._own = plan, own
        self._first_pod = own.pods[0]
        #: frames by pod, empty ones left out
        self._frames = [f for f in frames if _has_rows(f)]
        self._taken = [0] * len(own.pods)
        self._daily: list[tuple[Int64, Float64]] = []
        for pod in own.pods:
            mine = [f for f in frames if f.pod == pod]
            self._daily.append(
                (
                    np.concatenate([np.empty(0, np.int64), *(f.daily_cycle for f in mine)]),
                    np.concatenate([np.empty(0), *(f.daily_return for f in mine)]),
                )
            )
        self._books = [f for f in frames if len(f.book_cycle)]
        self._rows: dict[int, int] = {}
        self._bounds: list[tuple[PodFrame, list[int], list[int], list[int], list[int], list[int], list[int]]] = []
        self._equity: Float64 = np.empty((0, len(own.pods)))
        self._equity_rows: list[list[float]] = []
        self._days = {int(c) for c, _ in self._daily for c in c.tolist()}
        self._events: dict[int, list[dict[str, Any]]] = {}
        for frame in frames:
            for event in frame.events:
                self._events.setdefault(event.cycle, []).append(self._event(event.schedule, event))

    def _event(self, schedule: int, event: Any) -> dict[str, Any]:
        symbol = self._plan.symbols[event.symbol] if event.symbol >= 0 else ""
        name = self._plan.schedules[schedule].id
        return {"detail": event.detail, "reason": event.reason, "schedule": name, "symbol": symbol}

    # ------------------------------------------------------------ where something happens
    def cycles(self) -> set[int]:
        """Every cycle that the pods report something of."""
        found = set(self._days) | set(self._events)
        for frame in self._frames:
            for table in (frame.changes.cycle, frame.clips.cycle, frame.intents.cycle):
                found.update(np.unique(table).tolist())
        return found

    def completes_day(self, cycle: int) -> bool:
        """True when a pod completed a UTC day in ``cycle``."""
        return cycle in self._days

    # ------------------------------------------------------------ the block
    def align(self, cycles: Int64, equity: Float64) -> None:
        """Cuts everything by the block's cycles; ``equity`` [P] is the pods' before the block."""
        self._rows = {c: n for n, c in enumerate(cycles.tolist())}
        for frame in self._frames:
            bounds: list[list[int]] = []
            for table in (frame.intents.cycle, frame.changes.cycle, frame.clips.cycle):
                bounds.append(np.searchsorted(table, cycles, side="left").tolist())
                bounds.append(np.searchsorted(table, cycles, side="right").tolist())
            self._bounds.append((frame, *bounds))  # type: ignore[arg-type]
        self._equity = np.tile(equity, (len(cycles), 1))
        for frame in self._books:
            at = np.searchsorted(frame.book_cycle, cycles, side="right") - 1
            known = at >= 0
            self._equity[known, frame.pod - self._first_pod] = frame.book_equity[at[known]]
        self._equity_rows = self._equity.tolist()

    def changes(self, cycles: Int64) -> Changes:
        """The pods' target changes as kernel rows, sorted by (cycle, pod, symbol)."""
        tables = [(f.pod - self._first_pod, f.changes) for f in self._frames if len(f.changes.cycle)]
        if not tables:
            none = np.empty(0, np.int32)
            return Changes(np.empty(0, np.int64), none, none, np.empty(0))
        row = np.searchsorted(cycles, np.concatenate([t.cycle for _, t in tables]))
        pod = np.concatenate([np.full(len(t.cycle), p, np.int32) for p, t in tables])
        symbol = np.concatenate([t.symbol for _, t in tables])
        order = np.lexsort((symbol, pod, row))
        place = np.searchsorted(self._own.symbols, symbol).astype(np.int32)
        weight = np.concatenate([t.weight for _, t in tables])
        return Changes(row[order], pod[order], place[order], weight[order])

    def cycle(self, cycle: int, inputs: list[tuple[str, int, int, int]]) -> Cycle:
        """What the pods contribute to the decision of ``cycle``."""
        row = self._rows[cycle]
        parts: list[PodPart] = []
        clips: list[Clips] = []
        notes: dict[tuple[int, int], tuple[float, float, bool]] = {}
        for frame, intent_first, intent_last, change_first, change_last, clip_first, clip_last in self._bounds:
            if intent_last[row] > intent_first[row]:
                parts.append(PodPart(frame.intents, frame.intent_weight, intent_first[row], intent_last[row]))
            if change_last[row] > change_first[row]:
                self._note(frame, slice(change_first[row], change_last[row]), notes)
            if clip_last[row] > clip_first[row]:
                clips.append(_cut(frame.clips, slice(clip_first[row], clip_last[row])))
        return Cycle(
            cycle=cycle,
            inputs=inputs,
            pod_parts=parts,
            target_notes=notes,
            pod_clips=clips,
            pod_equity=self._equity_rows[row],
            commands=[],
            transitions=[],
            events=self._events.get(cycle, []),
            capital=None,
            heartbeat=False,
            cancelled=[],
        )

    def _note(self, frame: PodFrame, rows: slice, notes: dict[tuple[int, int], tuple[float, float, bool]]) -> None:
        table, pod = frame.changes, frame.pod - self._first_pod
        places = np.searchsorted(self._own.symbols, table.symbol[rows]).tolist()
        values = zip(table.net[rows].tolist(), table.gross[rows].tolist(), table.conflict[rows].tolist(), strict=True)
        for place, value in zip(places, values, strict=True):
            notes[(pod, place)] = value

    # ------------------------------------------------------------ books
    def equity_at(self, cycle: int) -> Float64:
        """[P] the pods' book equity at a cycle of the block."""
        equity: Float64 = self._equity[self._rows[cycle]]
        return equity

    def last_equity(self) -> Float64:
        """[P] the pods' book equity at the end of the block."""
        equity: Float64 = self._equity[-1].copy()
        return equity

    def take_returns(self, pod: int, cycle: int | None) -> Float64:
        """A pod's daily returns completed up to ``cycle`` (all, with None) that were not taken before."""
        cycles, returns = self._daily[pod]
        end = len(cycles) if cycle is None else int(np.searchsorted(cycles, cycle, side="right"))
        begin, self._taken[pod] = self._taken[pod], max(end, self._taken[pod])
        return returns[begin:end]


def split_pod_frame(frame: PodFrame, to_cycle: int) -> tuple[PodFrame | None, PodFrame | None]:
    """The part of a frame up to ``to_cycle`` and the part after it."""
    if frame.to_cycle <= to_cycle:
        return frame, None
    if frame.after_cycle >= to_cycle:
        return None, frame
    cut = {n: int(np.searchsorted(t, to_cycle, side="right")) for n, t in _cycle_columns(frame).items()}
    halves: list[PodFrame] = []
    for head in (True, False):
        rows = {n: slice(None, c) if head else slice(c, None) for n, c in cut.items()}
        halves.append(
            PodFrame(
                pod=frame.pod,
                counter=frame.counter,
                after_cycle=frame.after_cycle if head else to_cycle,
                to_cycle=to_cycle if head else frame.to_cycle,
                changes=_cut(frame.changes, rows["changes"]),
                clips=_cut(frame.clips, rows["clips"]),
                intents=take_intents(frame.intents, rows["intents"]),
                intent_weight=frame.intent_weight[rows["intents"]],
                events=[e for e in frame.events if (e.cycle <= to_cycle) == head],
                book_cycle=frame.book_cycle[rows["book"]],
                book_equity=frame.book_equity[rows["book"]],
                daily_cycle=frame.daily_cycle[rows["daily"]],
                daily_return=frame.daily_return[rows["daily"]],
            )
        )
    return halves[0], halves[1]


def _cycle_columns(frame: PodFrame) -> dict[str, Int64]:
    return {
        "changes": frame.changes.cycle,
        "clips": frame.clips.cycle,
        "intents": frame.intents.cycle,
        "book": frame.book_cycle,
        "daily": frame.daily_cycle,
    }


def _has_rows(frame: PodFrame) -> bool:
    return any(len(c) for c in (frame.changes.cycle, frame.clips.cycle, frame.intents.cycle))


def _cut(table: Any, rows: slice) -> Any:
    return type(table)(**{f.name: getattr(table, f.name)[rows] for f in fields(table)})
