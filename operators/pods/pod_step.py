"""The pod step: group frames and commands in, the pod's targets and book out (design, "What strategies and pods may
know"; spec 4, 5)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from operators.barrier.barrier import Barrier
from operators.barrier.prices import PriceBlock, PriceJoin, empty_group_frame
from operators.contiguity import SnapshotError
from operators.control.commands import CommandJudge, KillSwitches
from operators.conversion import conversion_places
from operators.frames import (
    BEGINNING,
    Bool,
    Clips,
    Float64,
    GroupFrame,
    Int64,
    Intents,
    PodFrame,
    SideFrame,
    SideMessage,
    StrategyEvent,
    TargetChanges,
)
from operators.intents import IntentQueue
from operators.intents import take as take_intents
from operators.plan import Plan
from operators.pods.block import IntentRows, PodOutput, Standing, pod_output, run_block
from operators.pods.book import BookRules, new_book
from operators.side.inbox import SideInbox, side_partitions

POD_SNAPSHOT = 1
_Table = TypeVar("_Table", TargetChanges, Clips)
_Column = TypeVar("_Column", Int64, Float64)


class PodStep:
    """State and step of one pod."""

    def __init__(self, plan: Plan, pod: int) -> None:
        self._plan = plan
        self._pod = plan.pods[pod]
        self._schedules = [plan.schedules[s] for s in self._pod.schedules]
        symbols, count = self._pod.symbols, len(self._schedules)
        configuration = plan.configuration.portfolios[self._pod.portfolio]
        self._reference = configuration.reference_capital
        self._cycle = BEGINNING
        self._frames = 0
        self._barrier = Barrier((*(f"group-{g}" for g in self._pod.groups), *side_partitions(plan, ("control",))))
        self._prices = PriceJoin(plan, symbols, self._pod.groups)
        self._intents = IntentQueue(plan.feature_width)
        self._events: list[StrategyEvent] = []
        self._inbox = SideInbox(plan)
        self._judge = CommandJudge(plan, self._pod.portfolio)
        self._switches = KillSwitches()
        self._book = new_book(len(symbols))
        self._standing = _new_standing(len(symbols), count)
        horizons = sorted({s.horizon for s in self._schedules})
        self._horizon = np.array([horizons.index(s.horizon) for s in self._schedules], np.int64)
        self._untouched: Bool = np.zeros(len(symbols), np.bool_)
        self._trades: Bool = np.zeros((len(symbols), count), np.bool_)
        for row, schedule in enumerate(self._schedules):
            self._trades[:, row] = np.isin(symbols, schedule.symbols)
        traded = np.unique(np.concatenate([s.symbols for s in self._schedules])) if count else np.empty(0, np.int32)
        asset_weight = np.zeros(len(symbols))
        # A missing 1/N once gave N times the leverage: strength 1 is the whole share, spread over the pod's assets.
        asset_weight[np.isin(symbols, traded)] = 1.0 / max(1, len(traded))
        self._share, self._asset_weight = np.array([s.share for s in self._schedules]), asset_weight
        self._book_rules = BookRules(
            multiplier=plan.instrument_column("contract_multiplier")[symbols],
            conversion=conversion_places(plan, configuration, symbols),
            cost=plan.instrument_column("fee_rate")[symbols] + self._pod.slippage,
            band=configuration.rebalance_band,
        )
        self._schedule_row = np.full(len(plan.schedules), -1, np.int32)
        self._schedule_row[list(self._pod.schedules)] = np.arange(count, dtype=np.int32)

    # ------------------------------------------------------------ step
    def step(self, frame: GroupFrame | SideFrame) -> PodFrame | None:
        """Takes a frame of an upstream key; answers when the barrier moves."""
        if isinstance(frame, SideFrame):
            self._inbox.add(frame)
            closed_to = max(self._inbox.closed_to(frame), BEGINNING)
            self._barrier.arrive(f"{frame.topic}-{frame.partition}", frame.counter, closed_to)
        else:
            self._prices.add(frame)
            own = self._schedule_row[frame.intents.schedule] >= 0
            self._intents.add(frame.group, frame.intents if own.all() else take_intents(frame.intents, own))
            self._events += [e for e in frame.events if self._schedule_row[e.schedule] >= 0]
            self._barrier.arrive(f"group-{frame.group}", frame.counter, frame.to_cycle)
        frontier = self._barrier.frontier()
        return self._run(frontier) if frontier > self._cycle else None

    def _run(self, to_cycle: int) -> PodFrame:
        after, self._cycle = self._cycle, to_cycle
        messages = self._inbox.take(to_cycle)
        prices = self._prices.take(to_cycle, np.array(sorted({c for c, _ in messages}), np.int64))
        intents = self._intents.take(to_cycle)
        rows = self._rows(intents, prices.cycles)
        outputs: list[tuple[PodOutput, Int64]] = []
        if not messages or len(prices.cycles) == 0:
            outputs.append((self._run_rows(prices, 0, len(prices.cycles), rows, self._untouched), prices.cycles))
        else:
            # A command takes effect before its cycle: the block is cut there.
            cuts = sorted({int(np.searchsorted(prices.cycles, c)) for c, _ in messages} | {0, len(prices.cycles)})
            for first, last in pairwise(cuts):
                now = int(prices.cycles[first])
                touched = self._obey([m for c, m in messages if c == now], now)
                outputs.append((self._run_rows(prices, first, last, rows, touched), prices.cycles[first:last]))
        self._frames += 1
        weight = np.round(rows.value * rows.scale * rows.confidence, 9)
        return self._frame(after, to_cycle, prices, intents, weight, outputs)

    def _rows(self, intents: Intents, cycles: Int64) -> IntentRows:
        """The intents of a block as the kernel takes them, by row of the block."""
        place = np.searchsorted(self._pod.symbols, intents.symbol)
        schedule = self._schedule_row[intents.schedule]
        by_notional = np.isnan(intents.strength)
        return IntentRows(
            row=np.searchsorted(cycles, intents.cycle),
            symbol=place.astype(np.int32),
            schedule=schedule,
            value=np.where(by_notional, intents.notional / self._reference, intents.strength),
            # A notional is a weight already, a strength asks for its schedule's share.
            scale=np.where(by_notional, 1.0, self._share[schedule] * self._asset_weight[place]),
            confidence=intents.confidence,
        )

    def _run_rows(self, prices: PriceBlock, first: int, last: int, rows: IntentRows, touched: Bool) -> PodOutput:
        begin, end = np.searchsorted(rows.row, (first, last)).tolist()
        if first > 0 or end < len(rows.row):
            cut = slice(begin, end)
            columns = {name: column[cut] for name, column in rows._asdict().items()}
            rows = IntentRows(**columns)._replace(row=rows.row[cut] - first)
        out = pod_output(last - first, len(touched), end - begin)
        run_block(
            self._book, self._book_rules, self._standing, self._horizon, self._pod.max_leverage,
            prices.cycles[first:last], prices.open[first:last], prices.close[first:last], prices.fresh[first:last],
            rows, touched, out,
        )  # fmt: skip
        return out

    # ------------------------------------------------------------ commands
    def _obey(self, messages: list[SideMessage], cycle: int) -> Bool:
        """Applies commands; [S] True for symbols whose netting changed."""
        touched = np.zeros(len(self._pod.symbols), np.bool_)
        for side in messages:
            command = side.message
            if not self._judge.concerns(command) or not self._judge.judge(command, cycle).accepted:
                continue
            if command.command in ("kill", "arm"):
                self._switches.apply(command)
                self._switch(touched)
        return touched

    def _switch(self, touched: Bool) -> None:
        """Brings the standing targets in line with the kill switches."""
        standing, switches = self._standing, self._switches
        names = [self._plan.symbols[s] for s in self._pod.symbols.tolist()]
        standing.held[:] = self._trades.any(axis=1)
        for row, schedule in enumerate(self._schedules):
            for place in np.flatnonzero(self._trades[:, row]).tolist():
                mode = switches.covers(self._pod.id, schedule.strategy_id, schedule.id, names[place])
                if mode == "flatten":
                    # It leaves the netting for good: a freeze that stays behind must not bring the target back.
                    touched[place] |= standing.obeyed[place, row] != 0.0
                    standing.obeyed[place, row] = standing.obeyed_confidence[place, row] = 0.0
                elif mode is None and standing.frozen[place, row]:
                    touched[place] |= self._resume(place, row)
                standing.frozen[place, row] = mode is not None
                standing.held[place] &= mode == "freeze"

    def _resume(self, place: int, row: int) -> bool:
        """A schedule takes part again: it takes over its hypothetical target where that reduces (spec 3), a suppressed
        entry waits for the next change. True when its standing target changed."""
        standing = self._standing
        asked, confidence = standing.asked[place, row], standing.confidence[place, row]
        obeyed = standing.obeyed[place, row] * standing.obeyed_confidence[place, row]
        wanted = asked * confidence
        flips = wanted * obeyed < 0.0
        if not flips and abs(wanted) >= abs(obeyed):
            return False
        standing.obeyed[place, row] = 0.0 if flips else asked
        standing.obeyed_confidence[place, row] = confidence
        return True

    # ------------------------------------------------------------ output
    def _frame(
        self,
        after: int,
        to_cycle: int,
        prices: PriceBlock,
        intents: Intents,
        weight: Float64,
        outputs: list[tuple[PodOutput, Int64]],
    ) -> PodFrame:
        changes = [_changes(out, cycles, self._pod.symbols) for out, cycles in outputs]
        clips = [_clips(out, cycles, self._pod.symbols, self._pod.index) for out, cycles in outputs]
        days = [(cycles[out.day_row[: out.counts[2]]], out.day_return[: out.counts[2]]) for out, cycles in outputs]
        return PodFrame(
            pod=self._pod.index,
            counter=self._frames,
            after_cycle=after,
            to_cycle=to_cycle,
            changes=_joined(TargetChanges, changes),
            clips=_joined(Clips, clips),
            intents=intents,
            intent_weight=weight,
            events=self._due_events(to_cycle),
            book_cycle=prices.cycles,
            book_equity=_end_to_end([out.equity for out, _ in outputs]),
            daily_cycle=_end_to_end([c for c, _ in days]),
            daily_return=_end_to_end([r for _, r in days]),
        )

    def _due_events(self, to_cycle: int) -> list[StrategyEvent]:
        if not self._events:
            return []
        due = [e for e in self._events if e.cycle <= to_cycle]
        self._events = [e for e in self._events if e.cycle > to_cycle]
        return sorted(due, key=lambda e: (e.cycle, e.schedule, e.symbol))

    # ------------------------------------------------------------ state
    def snapshot(self) -> dict[str, Any]:
        """A versioned snapshot; see :meth:`restore`."""
        return {
            "version": POD_SNAPSHOT,
            "symbols": [self._plan.symbols[s] for s in self._pod.symbols],
            "schedules": [(s.id, s.version, s.parameter_hash) for s in self._schedules],
            "cycle": self._cycle,
            "frames": self._frames,
            "barrier": self._barrier.snapshot(),
            "prices": self._prices.snapshot(),
            "intents": self._intents.snapshot(),
            "events": list(self._events),
            "inbox": self._inbox.snapshot(),
            "commands": self._judge.snapshot(),
            "switches": dict(self._switches.switches),
            "book": {n: v.copy() for n, v in self._book._asdict().items()},
            "standing": {n: v.copy() for n, v in self._standing._asdict().items()},
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Goes on from a snapshot; raises SnapshotError for an unknown version or another layout."""
        name = f"pod {self._pod.id}"
        if snapshot.get("version") != POD_SNAPSHOT:
            raise SnapshotError(name, snapshot.get("version"), POD_SNAPSHOT)
        if snapshot["symbols"] != [self._plan.symbols[s] for s in self._pod.symbols]:
            raise SnapshotError.layout(name, "symbols")
        if snapshot["schedules"] != [(s.id, s.version, s.parameter_hash) for s in self._schedules]:
            raise SnapshotError.layout(name, "schedules")
        self._cycle, self._frames = snapshot["cycle"], snapshot["frames"]
        self._barrier.restore(snapshot["barrier"])
        nothing = empty_group_frame(self._plan.feature_width)
        self._prices.restore(snapshot["prices"], nothing)
        self._intents.restore(snapshot["intents"])
        self._events = list(snapshot["events"])
        self._inbox.restore(snapshot["inbox"])
        self._judge.restore(snapshot["commands"])
        self._switches = KillSwitches(dict(snapshot["switches"]))
        self._book = type(self._book)(**{n: v.copy() for n, v in snapshot["book"].items()})
        self._standing = type(self._standing)(**{n: v.copy() for n, v in snapshot["standing"].items()})


def _new_standing(symbols: int, schedules: int) -> Standing:
    def table() -> Float64:
        return np.zeros((symbols, schedules))

    def flags(n: int) -> Bool:
        return np.zeros(n, np.bool_)

    return Standing(
        table(), table(), table(), table(), np.zeros((symbols, schedules), np.bool_), flags(symbols),
        np.zeros(symbols), np.zeros(symbols), flags(symbols),
    )  # fmt: skip


def _changes(out: PodOutput, cycles: Int64, symbols: np.ndarray) -> TargetChanges:
    n = int(out.counts[0])
    return TargetChanges(
        cycles[out.change_row[:n]], symbols[out.change_symbol[:n]], out.change_net[:n], out.change_gross[:n],
        out.change_weight[:n], out.change_conflict[:n],
    )  # fmt: skip


def _clips(out: PodOutput, cycles: Int64, symbols: np.ndarray, pod: int) -> Clips:
    n = int(out.counts[1])
    return Clips(
        cycles[out.clip_row[:n]], np.full(n, pod, np.int32), symbols[out.clip_symbol[:n]], out.clip_reason[:n],
        out.clip_before[:n], out.clip_after[:n], np.zeros(n, np.bool_),
    )  # fmt: skip


def _end_to_end(parts: list[_Column]) -> _Column:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _joined(kind: type[_Table], parts: list[_Table]) -> _Table:
    if len(parts) == 1:
        return parts[0]
    names = list(kind.__dataclass_fields__)
    return kind(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in names})
