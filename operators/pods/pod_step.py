"""The pod step: group frames and commands in, the pod's targets and book out (design, "What strategies and pods may
know"; spec 4, 5)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from operators.barrier.barrier import Barrier
from operators.barrier.prices import PriceBlock, PriceJoin, empty_group_frame
from operators.contiguity import SnapshotError
from operators.control.commands import CommandJudge, KillSwitches, legs_of, stronger
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
from operators.intents import IntentQueue, join, no_intents
from operators.intents import take as take_intents
from operators.plan import Plan
from operators.pods.asset_factors import MoveRows, no_moves
from operators.pods.assets import PodAssets
from operators.pods.block import IntentRows, PodOutput, pod_output, run_block
from operators.pods.book import BookRules, new_book
from operators.pods.external_signals import ExternalSignals
from operators.pods.pod_columns import by_cycle, changes, clips, cut, end_to_end, joined, keys
from operators.pods.pod_strategies import PodStrategies
from operators.pods.quarantined import QuarantinedSchedules
from operators.pods.rolling import RollingMetrics
from operators.pods.signal_gate import SignalGate, held_clips
from operators.pods.signal_holds import ScheduleState, SignalHolds
from operators.pods.standing_targets import net_signals, new_standing, resume
from operators.side.inbox import SideInbox, side_partitions
from operators.strategy_evaluate.drift import merged_drift
from operators.strategy_evaluate.runtime import EvaluationWatch
from schemas.messages import ControlCommand
from schemas.reasons import Reason

POD_SNAPSHOT = 3
_NOTHING: Float64 = np.empty(0)


class PodStep:
    """State and step of one pod."""

    def __init__(
        self,
        plan: Plan,
        pod: int,
        quarantined: Mapping[str, int] | None = None,
        watch: EvaluationWatch | None = None,
    ) -> None:
        self._plan = plan
        self._pod = plan.pods[pod]
        self._schedules = [plan.schedules[s] for s in self._pod.schedules]
        symbols, count = self._pod.symbols, len(self._schedules)
        configuration = plan.configuration.portfolios[self._pod.portfolio]
        self._reference = configuration.reference_capital
        self._cycle = BEGINNING
        self._frames = 0
        self._topics = ("control", "signals") if self._pod.hears_signals else ("control",)
        self._barrier = Barrier((*(f"group-{g}" for g in self._pod.groups), *side_partitions(plan, self._topics)))
        self._prices = PriceJoin(plan, symbols, self._pod.groups)
        self._intents = IntentQueue(plan.feature_width)
        self._events: list[StrategyEvent] = []
        self._inbox = SideInbox(plan)
        self._judge = CommandJudge(plan, self._pod.portfolio)
        self._switches = KillSwitches()
        self._strategies = PodStrategies(plan, pod, quarantined, watch)
        self._quarantined = QuarantinedSchedules(plan, pod, quarantined)
        self._external = ExternalSignals(plan, pod)
        self._holds, self._gate = SignalHolds(plan, pod), SignalGate(plan, pod)
        self._book = new_book(len(symbols))
        self._standing = new_standing(len(symbols), count)
        self._assets = PodAssets(plan, pod)
        self._no_moves = no_moves()
        self._factors: list[Float64] = []
        self._rolling = RollingMetrics(configuration.periods_per_year)
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
        #: (symbol's place, weight) of targets that a configuration change took away; None when nothing changed
        self._withdrawn: list[tuple[int, float]] | None = None
        # Compiled code is loaded before the first cycle: it would hold that one up.
        nothing = self._prices.take(BEGINNING, np.empty(0, np.int64))
        rows = self._rows(no_intents(plan.feature_width), nothing.cycles)
        self._run_rows(nothing, 0, 0, rows, self._untouched, self._no_moves)

    # ------------------------------------------------------------ step
    def step(self, frame: GroupFrame | SideFrame) -> PodFrame | None:
        """Takes a frame of an upstream key; answers when the barrier moves."""
        if isinstance(frame, SideFrame):
            if frame.topic not in self._topics:
                return None
            self._inbox.add(frame)
            closed_to = max(self._inbox.closed_to(frame), BEGINNING)
            self._barrier.arrive(f"{frame.topic}-{frame.partition}", frame.counter, closed_to)
        else:
            self._prices.add(frame)
            self._strategies.add(frame)
            own = self._schedule_row[frame.intents.schedule] >= 0
            self._intents.add(frame.group, frame.intents if own.all() else take_intents(frame.intents, own))
            self._events += [e for e in frame.events if self._schedule_row[e.schedule] >= 0]
            self._barrier.arrive(f"group-{frame.group}", frame.counter, frame.to_cycle)
        frontier = self._barrier.frontier()
        return self._run(frontier) if frontier > self._cycle else None

    def _run(self, to_cycle: int) -> PodFrame:
        after, self._cycle = self._cycle, to_cycle
        messages = self._inbox.take(to_cycle)
        commands = self._accepted(messages)
        first = min((c for c in (self._prices.first_cycle(), *(c for c, _ in messages)) if c is not None), default=None)
        in_force, told = self._holds.advance(first if (first or 0) <= to_cycle else None, to_cycle, commands)
        viewed = self._external.step([(c, m) for c, m in messages if m.topic == "signals"], to_cycle)
        begun = self._quarantined.begins(after, to_cycle)
        happening = viewed.cycles() | {e.cycle for e in told} | {c for c, m in messages if m.topic == "control"}
        happening.update(begun.values())
        prices = self._prices.take(to_cycle, np.array(sorted(happening), np.int64))
        stepped, failures = self._strategies.step(to_cycle)
        stated = self._quarantined.intents(self._intents.take(to_cycle), begun, prices, self._book.last)
        tables = [stated, stepped, self._external.intents(viewed, prices)]
        intents = join([t for t in tables if len(t)], self._plan.feature_width)
        events = self._due_events(to_cycle, begun, [*failures, *told, *viewed.events])
        asked = self._rows(intents, prices.cycles)
        passed = self._gate.let_pass(intents, asked.schedule, asked.value, in_force, prices)
        held = held_clips(passed, intents, self._pod.index, asked.scale, asked.value * asked.confidence)
        rows = asked if passed.intents is intents else self._rows(passed.intents, prices.cycles)
        outputs: list[tuple[PodOutput, Int64]] = []
        withdrawn: list[Clips] = []
        if (not commands and self._withdrawn is None) or len(prices.cycles) == 0:
            outputs += self._run_part(prices, 0, len(prices.cycles), rows, self._untouched)
        else:
            # A command takes effect before its cycle: the block is cut there.
            cuts = sorted({int(np.searchsorted(prices.cycles, c)) for c, _ in commands} | {0, len(prices.cycles)})
            for begin, end in pairwise(cuts):
                now = int(prices.cycles[begin])
                touched = self._obey([command for c, command in commands if c == now])
                if self._withdrawn is not None:
                    withdrawn.append(self._reconfigured(now, touched))
                outputs += self._run_part(prices, begin, end, rows, touched)
        self._frames += 1
        weight = np.round(asked.value * asked.scale * asked.confidence, 9)
        if self._assets.on:
            weight = np.round(weight * self._taken_factors(intents, passed.intents), 9)
        withdrawn.append(held)
        return self._frame(after, to_cycle, prices, intents, weight, events, outputs, withdrawn)

    def _taken_factors(self, intents: Intents, passed: Intents) -> Float64:
        """[n] asset factor of each intent; 1 for one that was held back."""
        factors: Float64 = np.concatenate([_NOTHING, *self._factors])
        self._factors.clear()
        if passed is intents:
            return factors
        places = {key: n for n, key in enumerate(keys(intents))}
        found = np.ones(len(intents))
        found[[places[key] for key in keys(passed)]] = factors
        return found

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

    def _run_part(
        self, prices: PriceBlock, first: int, last: int, rows: IntentRows, touched: Bool
    ) -> list[tuple[PodOutput, Int64]]:
        """Runs rows ``first`` .. ``last`` - 1: at once, or as far each time as asset weights stand."""
        if not self._assets.on or first == last:
            return [
                (
                    self._run_rows(prices, first, last, cut(rows, first, last), touched, self._no_moves),
                    prices.cycles[first:last],
                )
            ]
        outputs: list[tuple[PodOutput, Int64]] = []
        while first < last:
            end, moves, due = self._assets.run(prices, first, last)
            own = cut(rows, first, end)
            if due:
                moves = self._assets.allocate(
                    moves, end - first - 1, net_signals(self._standing, own, self._pod.max_leverage)
                )
            moves = moves._replace(factor=np.ones(len(own.row)))
            outputs.append((self._run_rows(prices, first, end, own, touched, moves), prices.cycles[first:end]))
            self._factors.append(moves.factor)
            first, touched = end, self._untouched
        return outputs

    def _run_rows(
        self, prices: PriceBlock, first: int, last: int, rows: IntentRows, touched: Bool, moves: MoveRows
    ) -> PodOutput:
        out = pod_output(last - first, len(touched), len(rows.row), len(moves.row))
        run_block(
            self._book, self._book_rules, self._standing, self._horizon, self._pod.max_leverage,
            prices.cycles[first:last], prices.open[first:last], prices.close[first:last], prices.fresh[first:last],
            rows, touched, out, self._assets.factors, moves,
        )  # fmt: skip
        return out

    def _due_events(self, to_cycle: int, begun: dict[int, int], more: list[StrategyEvent]) -> list[StrategyEvent]:
        """What key groups told up to ``to_cycle``, and ``more``, in order."""
        if not self._events and not more and not begun:
            return []
        due = self._quarantined.events([e for e in self._events if e.cycle <= to_cycle], begun)
        self._events = [e for e in self._events if e.cycle > to_cycle]
        return merged_drift([*due, *more])

    # ------------------------------------------------------------ commands
    def _accepted(self, messages: list[tuple[int, SideMessage]]) -> list[tuple[int, ControlCommand]]:
        """Commands of this portfolio that are obeyed, by cycle."""
        given = [(c, m.message) for c, m in messages if m.topic == "control" and self._judge.concerns(m.message)]
        return [(cycle, command) for cycle, command in given if self._judge.judge(command, cycle).accepted]

    def _obey(self, commands: list[ControlCommand]) -> Bool:
        """Applies kill switches; [S] True for symbols whose netting changed."""
        touched = np.zeros(len(self._pod.symbols), np.bool_)
        for command in commands:
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
                mode = None
                for name in legs_of(schedule, names[place], self._plan):
                    mode = stronger(mode, switches.covers(self._pod.id, schedule.strategy_id, schedule.id, name))
                if mode == "flatten":
                    # It leaves the netting for good: a freeze that stays behind must not bring the target back.
                    touched[place] |= standing.obeyed[place, row] != 0.0
                    standing.obeyed[place, row] = standing.obeyed_confidence[place, row] = 0.0
                elif mode is None and standing.frozen[place, row]:
                    touched[place] |= resume(standing, place, row)
                standing.frozen[place, row] = mode is not None
                standing.held[place] &= mode == "freeze"

    def _reconfigured(self, cycle: int, touched: Bool) -> Clips:
        """The first cycle after a configuration change: everything is netted anew; says which targets went."""
        gone, self._withdrawn = self._withdrawn or [], None
        self._switch(touched)
        touched[:] = True
        n = len(gone)
        symbols = self._pod.symbols[[place for place, _ in gone]].astype(np.int32)
        reason = np.full(n, int(Reason.CONFIG_TARGET_WITHDRAWN), np.int32)
        return Clips(
            np.full(n, cycle, np.int64), np.full(n, self._pod.index, np.int32), symbols, reason,
            np.array([weight for _, weight in gone], np.float64), np.zeros(n), np.zeros(n, np.bool_),
        )  # fmt: skip

    # ------------------------------------------------------------ output
    def _frame(
        self,
        after: int,
        to_cycle: int,
        prices: PriceBlock,
        intents: Intents,
        weight: Float64,
        events: list[StrategyEvent],
        outputs: list[tuple[PodOutput, Int64]],
        cuts: list[Clips],
    ) -> PodFrame:
        changed = [changes(out, cycles, self._pod.symbols) for out, cycles in outputs]
        clipped = [clips(out, cycles, self._pod.symbols, self._pod.index) for out, cycles in outputs]
        cuts = [table for table in cuts if len(table.cycle)]
        clipped = [by_cycle(joined(Clips, [*cuts, *clipped]))] if cuts else clipped
        daily_return = end_to_end([out.day_return[: out.counts[2]] for out, _ in outputs])
        sharpe, drawdown = self._rolling.take(daily_return)
        return PodFrame(
            pod=self._pod.index,
            counter=self._frames,
            after_cycle=after,
            to_cycle=to_cycle,
            changes=joined(TargetChanges, changed),
            clips=joined(Clips, clipped),
            intents=intents,
            intent_weight=weight,
            events=events,
            book_cycle=prices.cycles,
            book_equity=end_to_end([out.equity for out, _ in outputs]),
            daily_cycle=end_to_end([cycles[out.day_row[: out.counts[2]]] for out, cycles in outputs]),
            daily_return=daily_return,
            daily_trades=end_to_end([out.day_trades[: out.counts[2]] for out, _ in outputs]),
            daily_sharpe=sharpe,
            daily_drawdown=drawdown,
            transitions=self._assets.take_transitions(),
        )

    # ------------------------------------------------------------ for metrics
    def schedule_states(self) -> list[ScheduleState]:
        """Suspensions and limits of every schedule."""
        return self._holds.states()

    def evaluated_bars(self) -> dict[int, int]:
        """Bars evaluated by pod-scope schedules since this object was made."""
        return self._strategies.evaluated()

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
            "strategies": self._strategies.snapshot(),
            "external": self._external.snapshot(),
            "holds": self._holds.snapshot(),
            "gate": self._gate.snapshot(),
            "book": {n: v.copy() for n, v in self._book._asdict().items()},
            "standing": {n: v.copy() for n, v in self._standing._asdict().items()},
            "withdrawn": self._withdrawn,
            "assets": self._assets.snapshot(),
            "rolling": self._rolling.snapshot(),
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
        self._strategies.restore(snapshot["strategies"])
        self._external.restore(snapshot["external"])
        self._holds.restore(snapshot["holds"])
        self._gate.restore(snapshot["gate"])
        self._book = type(self._book)(**{n: v.copy() for n, v in snapshot["book"].items()})
        self._standing = type(self._standing)(**{n: v.copy() for n, v in snapshot["standing"].items()})
        self._withdrawn = snapshot["withdrawn"]
        self._assets.restore(snapshot["assets"])
        self._rolling.restore(snapshot["rolling"])
