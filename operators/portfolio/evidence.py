"""What the pods report of a block of cycles, cut by cycle for decisions and kernels."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from operators.frames import Clips, Float64, Int64, Intents, PodFrame
from operators.intents import no_intents
from operators.intents import take as take_intents
from operators.plan import Plan, PortfolioPlan
from operators.portfolio.cycle_output import Changes
from operators.portfolio.decision import Cycle
from operators.portfolio.intent_columns import IntentColumns, IntentNames
from operators.portfolio.run_columns import ChangeNotes

_NO_CYCLE, _NO_VALUE, _NO_INDEX = np.empty(0, np.int64), np.empty(0), np.empty(0, np.int32)
_NOWHERE = np.empty(0, np.bool_)
_NO_CHANGES = Changes(_NO_CYCLE, _NO_INDEX, _NO_INDEX, _NO_VALUE)
_NO_NOTES = ChangeNotes(_NO_VALUE, _NO_VALUE, _NOWHERE)
_NO_CLIPS = Clips(_NO_CYCLE, _NO_INDEX, _NO_INDEX, _NO_INDEX, _NO_VALUE, _NO_VALUE, _NOWHERE)


class Evidence:
    """The due frames of a portfolio's pods over one block."""

    def __init__(self, plan: Plan, own: PortfolioPlan, names: IntentNames, frames: list[PodFrame]) -> None:
        self._plan, self._own, self._names = plan, own, names
        self._first_pod = own.pods[0]
        reporting = [f for f in frames if _has_rows(f)]
        self._intents, self._weights = _all_intents(reporting, plan.feature_width)
        self._pod_clips = _all_clips(reporting)
        self._changing = [f for f in reporting if len(f.changes.cycle)]
        self._columns: IntentColumns | None = None
        self._taken = [0] * len(own.pods)
        self._daily: list[tuple[Int64, Float64]] = []
        for pod in own.pods:
            mine = [f for f in frames if f.pod == pod and len(f.daily_cycle)]
            self._daily.append(
                (
                    np.concatenate([_NO_CYCLE, *(f.daily_cycle for f in mine)]) if mine else _NO_CYCLE,
                    np.concatenate([_NO_VALUE, *(f.daily_return for f in mine)]) if mine else _NO_VALUE,
                )
            )
        self._books = [f for f in frames if len(f.book_cycle)]
        self._rows: dict[int, int] = {}
        self._bounds: list[tuple[list[int], list[int]]] = []
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
        found = self._days | set(self._events)
        found.update(self._intents.cycle.tolist(), self._pod_clips.cycle.tolist())
        for frame in self._changing:
            found.update(frame.changes.cycle.tolist())
        return found

    def days(self) -> set[int]:
        """Cycles in which a pod completed a UTC day."""
        return self._days

    def completes_day(self, cycle: int) -> bool:
        """True when a pod completed a UTC day in ``cycle``."""
        return cycle in self._days

    # ------------------------------------------------------------ the block
    def align(self, cycles: Int64, equity: Float64) -> None:
        """Cuts everything by the block's cycles; ``equity`` [P] is the pods' before the block."""
        self._rows = {c: n for n, c in enumerate(cycles.tolist())}
        for table in (self._intents.cycle, self._pod_clips.cycle):
            first = np.searchsorted(table, cycles, side="left").tolist()
            self._bounds.append((first, np.searchsorted(table, cycles, side="right").tolist()))
        if len(self._intents):
            self._columns = self._names.columns(self._intents, self._weights)
        self._equity = np.tile(equity, (len(cycles), 1))
        for frame in self._books:
            at = np.searchsorted(frame.book_cycle, cycles, side="right") - 1
            known = at >= 0
            self._equity[known, frame.pod - self._first_pod] = frame.book_equity[at[known]]
        self._equity_rows = self._equity.tolist()

    def changes(self, cycles: Int64) -> tuple[Changes, ChangeNotes]:
        """The pods' target changes as kernel rows, sorted by (cycle, pod, symbol), and what netting said of them."""
        tables = [(f.pod - self._first_pod, f.changes) for f in self._changing]
        if not tables:
            return _NO_CHANGES, _NO_NOTES
        row = np.searchsorted(cycles, np.concatenate([t.cycle for _, t in tables]))
        pod = np.concatenate([np.full(len(t.cycle), p, np.int32) for p, t in tables])
        symbol = np.concatenate([t.symbol for _, t in tables])
        order = np.lexsort((symbol, pod, row))
        place = np.searchsorted(self._own.symbols, symbol).astype(np.int32)
        weight = np.concatenate([t.weight for _, t in tables])
        notes = ChangeNotes(
            np.concatenate([t.net for _, t in tables])[order],
            np.concatenate([t.gross for _, t in tables])[order],
            np.concatenate([t.conflict for _, t in tables])[order],
        )
        return Changes(row[order], pod[order], place[order], weight[order]), notes

    def cycle(self, cycle: int, inputs: list[tuple[str, int, int, int]]) -> Cycle:
        """What the pods contribute to the decision of ``cycle``."""
        row = self._rows[cycle]
        (first_intent, last_intent), (first_clip, last_clip) = self._bounds
        clips = slice(first_clip[row], last_clip[row])
        return Cycle(
            cycle=cycle,
            inputs=inputs,
            intents=self._columns,
            first_intent=first_intent[row],
            last_intent=last_intent[row],
            pod_clips=_cut(self._pod_clips, clips) if clips.start < clips.stop else None,
            pod_equity=self._equity_rows[row],
            events=self._events.get(cycle, []),
            commands=[],
            transitions=[],
            cancelled=[],
            capital=None,
        )

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


def first_cycle(frame: PodFrame) -> int | None:
    """The first cycle in which the pod reports anything but its book."""
    tables = (frame.changes.cycle, frame.clips.cycle, frame.intents.cycle, frame.daily_cycle)
    firsts = [int(t[0]) for t in tables if len(t)] + [e.cycle for e in frame.events]
    return min(firsts, default=None)


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


def _all_intents(frames: list[PodFrame], feature_width: int) -> tuple[Intents, Float64]:
    """The frames' intents by cycle, within one as the frames stand, and their weights."""
    tables = [f for f in frames if len(f.intents)]
    if not tables:
        return no_intents(feature_width), _NO_VALUE
    if len(tables) == 1:
        return tables[0].intents, tables[0].intent_weight
    order = np.argsort(np.concatenate([f.intents.cycle for f in tables]), kind="stable")
    joined = {n.name: np.concatenate([getattr(f.intents, n.name) for f in tables])[order] for n in fields(Intents)}
    return Intents(**joined), np.concatenate([f.intent_weight for f in tables])[order]


def _all_clips(frames: list[PodFrame]) -> Clips:
    """The frames' clips by cycle, within one as the frames stand."""
    tables = [f.clips for f in frames if len(f.clips.cycle)]
    if not tables:
        return _NO_CLIPS
    order = np.argsort(np.concatenate([t.cycle for t in tables]), kind="stable")
    return Clips(**{n.name: np.concatenate([getattr(t, n.name) for t in tables])[order] for n in fields(Clips)})


def _cut(table: Any, rows: slice) -> Any:
    return type(table)(**{f.name: getattr(table, f.name)[rows] for f in fields(table)})
