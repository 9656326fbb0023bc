"""The portfolio step: pod frames, prices and commands in; explained decisions and orders out (spec 6-9)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from typing import Any

import numpy as np

from operators.aggregate_intents.offset import OFFSET_LIMIT
from operators.allocate.capital import Capital
from operators.barrier.barrier import Barrier
from operators.barrier.prices import PriceBlock, PriceJoin, empty_group_frame
from operators.contiguity import SnapshotError
from operators.control.risk_limits import with_limits
from operators.frames import BEGINNING, GroupFrame, Int64, OutputBlock, PodFrame, SideFrame, SideMessage
from operators.lifecycle.pod_lifecycles import PodLifecycles
from operators.plan import Plan
from operators.portfolio.commands import PortfolioControl
from operators.portfolio.cycle import run_cycles
from operators.portfolio.cycle_output import CLIPS, FILLS, Prices, cycle_output
from operators.portfolio.decision import DecisionWriter
from operators.portfolio.evidence import NO_CHANGES, Evidence, first_cycle, split_pod_frame
from operators.portfolio.executions import ExecutionBook
from operators.portfolio.intent_columns import IntentNames
from operators.portfolio.ledger import ACTIVE, HALTED, REDUCING, Ledger, new_ledger, portfolio_rules
from operators.portfolio.run_columns import RunColumns, RunTables
from operators.portfolio.venue_turn import VenueTurn
from operators.portfolio.written import Written
from operators.side.inbox import SideInbox, side_partitions
from schemas.canonical import canonical_value
from schemas.reasons import Reason

PORTFOLIO_SNAPSHOT = 4
_STATES = {"ACTIVE": ACTIVE, "REDUCING": REDUCING, "HALTED": HALTED}


class PortfolioStep:
    """State and step of one portfolio."""

    def __init__(self, plan: Plan, portfolio: int) -> None:
        own = plan.portfolios[portfolio]
        self._plan, self._own = plan, own
        pods, symbols = len(own.pods), len(own.symbols)
        self._cycle = BEGINNING
        self._start: int | None = None
        self._frames = 0
        mode = own.configuration.execution.mode
        sides = ("control", "overlay", *(("fills",) if mode == "live" else ()))
        self._barrier = Barrier(
            (
                *(f"group-{g}" for g in own.groups),
                *(f"pod-{p}" for p in own.pods),
                *side_partitions(plan, sides),
            )
        )
        self._prices = PriceJoin(plan, own.symbols, own.groups)
        self._waiting: dict[int, deque[PodFrame]] = {p: deque() for p in own.pods}
        self._inbox = SideInbox(plan)
        self._capital = Capital(plan, portfolio)
        self._lifecycles = PodLifecycles(plan, portfolio)
        self._moves: list[dict[str, Any]] = []
        self._rules = self._configured = portfolio_rules(plan, portfolio)
        state = HALTED if mode == "live" else _STATES[own.configuration.guards.initial_state]
        self._ledger = new_ledger(pods, symbols, own.configuration.initial_equity, state)
        self._control = PortfolioControl(plan, portfolio)
        self._writer = DecisionWriter(plan, portfolio)
        self._tables = RunTables(plan, portfolio, self._rules, self._writer.orders.lines)
        self._names = IntentNames(plan, own.pods[0])
        self._pod_equity = np.ones(pods)
        self._heartbeat = own.configuration.heartbeat_cycles * plan.cycle_ns
        self._offset_high = False
        self._faults: list[dict[str, Any]] = []
        self._out = cycle_output(pods, symbols)
        self._turn = VenueTurn(plan, portfolio) if mode == "paper_venue" else None
        self._executions = None if mode == "internal_paper" else ExecutionBook(plan, portfolio, self._writer.orders)
        self._unanswered: list[int] = []
        #: transitions of a configuration change that no decision has told yet
        self._reconfigured: list[dict[str, Any]] = []
        self._load_kernels()

    def _load_kernels(self) -> None:
        """Compiled code is loaded before the first cycle: it would hold that one up."""
        nothing = self._prices.take(BEGINNING, np.empty(0, np.int64))
        block = Prices(nothing.cycles, nothing.open, nothing.close, nothing.fresh, nothing.degraded)
        run_cycles(self._ledger, self._rules, block, NO_CHANGES, 0, 0, 0, False, self._out)

    # ------------------------------------------------------------ step
    def step(self, frame: GroupFrame | PodFrame | SideFrame) -> OutputBlock | None:
        """Takes a frame of an upstream key; answers when the barrier moves."""
        if isinstance(frame, SideFrame) and frame.topic == "fills" and self._turn is not None:
            if frame.partition == self._turn.partition:
                self._turn.arrive(frame)
                self._inbox.add(frame)
        elif isinstance(frame, SideFrame):
            self._inbox.add(frame)
            closed_to = max(self._inbox.closed_to(frame), BEGINNING)
            self._barrier.arrive(f"{frame.topic}-{frame.partition}", frame.counter, closed_to)
        elif isinstance(frame, PodFrame):
            self._waiting[frame.pod].append(frame)
            self._barrier.arrive(f"pod-{frame.pod}", frame.counter, frame.to_cycle)
        else:
            self._prices.add(frame)
            self._barrier.arrive(f"group-{frame.group}", frame.counter, frame.to_cycle)
        written, first_sequence, before = Written(), self._writer.sequence + 1, self._cycle
        while (frontier := self._frontier()) > self._cycle:
            self._run(frontier, written)
        if self._cycle == before:
            return None
        self._frames += 1
        return written.block(self._own.id, self._frames, self._cycle, first_sequence)

    def _frontier(self) -> int:
        """How far the step may go now: to the barrier, or with a paper venue to the next cycle that is its turn."""
        frontier = self._barrier.frontier()
        if self._turn is None or frontier <= self._cycle:
            return frontier
        if self._turn.is_venues:
            return self._cycle
        waiting = [first_cycle(frames[0]) for frames in self._waiting.values() if frames]
        starts = [self._prices.first_cycle(), self._inbox.first_cycle(), *waiting]
        if self._heartbeat and self._start is not None:
            starts.append((self._cycle // self._heartbeat + 1) * self._heartbeat)
        row = min((c for c in starts if c is not None), default=frontier)
        return min(frontier, max(row, self._cycle + self._plan.cycle_ns))

    def _run(self, to_cycle: int, written: Written) -> None:
        after, self._cycle = self._cycle, to_cycle
        messages = self._inbox.take(to_cycle)
        if self._turn is not None:
            # What a venue says unasked may be due in a cycle that is over.
            messages = [(max(c, after + self._plan.cycle_ns), m) for c, m in messages]
        evidence = Evidence(self._plan, self._own, self._names, self._due_frames(to_cycle))
        prices = self._prices.take(to_cycle, self._extra_cycles(after, to_cycle, messages, evidence))
        if len(prices.cycles):
            self._run_block(prices, messages, evidence, written)

    def _due_frames(self, to_cycle: int) -> list[PodFrame]:
        """The parts of waiting pod frames up to ``to_cycle``; the rest waits on."""
        due: list[PodFrame] = []
        for frames in self._waiting.values():
            while frames and frames[0].after_cycle < to_cycle:
                head, tail = split_pod_frame(frames.popleft(), to_cycle)
                if head is not None:
                    due.append(head)
                if tail is not None:
                    frames.appendleft(tail)
        return sorted(due, key=lambda f: (f.pod, f.after_cycle))

    def _extra_cycles(
        self, after: int, to_cycle: int, messages: list[tuple[int, SideMessage]], evidence: Evidence
    ) -> Int64:
        """Cycles in which something happens besides prices: commands, pods' reports and heartbeats."""
        extra = {c for c, _ in messages} | evidence.cycles()
        if self._start is None:
            starts = [c for c in (*extra, self._prices.first_cycle()) if c is not None and c <= to_cycle]
            self._start = min(starts, default=None)
        if self._heartbeat and self._start is not None:
            first = max(after // self._heartbeat + 1, -(-self._start // self._heartbeat)) * self._heartbeat
            extra.update(range(first, to_cycle + 1, self._heartbeat))
        return np.array(sorted(extra), np.int64)

    def _run_block(
        self, prices: PriceBlock, messages: list[tuple[int, SideMessage]], evidence: Evidence, written: Written
    ) -> None:
        cycles = prices.cycles.tolist()
        block = Prices(prices.cycles, prices.open, prices.close, prices.fresh, prices.degraded)
        evidence.align(prices.cycles, self._pod_equity)
        changes, notes = evidence.changes(prices.cycles)
        reported = {c for c, _ in messages} | evidence.cycles()
        if self._reconfigured:
            reported.add(cycles[0])
        breaks = sorted({c for c, _ in messages} | evidence.days() | evidence.frozen.keys())
        row = at = 0
        while row < len(cycles):
            now = cycles[row]
            due = [m for c, m in messages if c == now] if messages else []
            if due:
                self._obey(due, now)
            if now in evidence.frozen:
                self._control.freeze(evidence.frozen[now], self._ledger)
            if self._executions is not None:
                for message in due:
                    if message.topic == "fills":
                        self._executions.apply(message, now, self._ledger, self._rules)
                self._unanswered = self._executions.expire_unanswered(now, self._ledger)
            drifted = evidence.completes_day(now) and self._capital.drifted(evidence.equity_at(now))
            capital = self._rebalance(now, evidence, drifted) if drifted or now >= self._capital.next_due() else None
            # What a venue answers depends on each cycle, so these go one by one.
            first, limit = row, self._next_break(row, cycles, breaks) if self._executions is None else row + 1
            anew = capital is not None or bool(self._reconfigured)
            row, at = run_cycles(self._ledger, self._rules, block, changes, first, limit, at, anew, self._out)
            run = self._tables.columns(self._out, row - first, self._ledger, notes)
            self._conclude(first, cycles[first:row], run, prices, evidence, capital, reported, written)
        self._inform_capital(evidence, None)
        self._pod_equity = evidence.last_equity()

    def _next_break(self, row: int, cycles: list[int], breaks: list[int]) -> int:
        """The first row after ``row`` before which commands or capital may change what the kernel works with."""
        now = cycles[row]
        place = bisect_right(breaks, now)
        limit = bisect_left(cycles, breaks[place]) if place < len(breaks) else len(cycles)
        due = bisect_left(cycles, self._capital.next_due())
        return min(limit, due) if due > row else limit

    def _obey(self, due: list[SideMessage], now: int) -> None:
        """Commands and overlay updates of a cycle; what cannot be used is told of in its decision."""
        commands = [m for m in due if m.topic == "control"]
        if commands:
            reconciled = self._executions is None or self._executions.reconciled
            self._control.apply(commands, now, self._ledger, self._capital, reconciled)
            self._follow_orders(now)
        for side in due:
            if side.topic != "overlay" or side.message.portfolio != self._own.id or side.message.kind != "regime":
                continue
            fault = self._capital.note_regime(side.message.body, side.effective)
            if fault is not None:
                detail = f"{side.topic}/{side.partition} offset {side.offset}: {fault}"
                self._faults.append(_event(Reason.CAPITAL_REGIME_IGNORED, detail))

    def _follow_orders(self, now: int) -> None:
        """Brings limits and retired pods in line with what operators have set."""
        standing = self._control.standing
        self._rules = with_limits(self._configured, standing.limits)
        names = [self._plan.pods[p].id for p in self._own.pods]
        if self._lifecycles.retire([n for n, name in enumerate(names) if name in standing.retired], now):
            self._capital.note_states(self._lifecycles.states())

    # ------------------------------------------------------------ capital
    def _rebalance(self, now: int, evidence: Evidence, drifted: bool) -> dict[str, Any] | None:
        self._inform_capital(evidence, now)
        # Lifecycle first: capital is clamped by the states that it leaves.
        self._moves = self._lifecycles.judge(now)
        self._capital.note_states(self._lifecycles.states())
        gross = np.abs(self._ledger.pod_weight).sum(axis=1)
        trace = self._capital.rebalance(now, evidence.equity_at(now), gross, drifted=drifted)
        if trace is not None:
            room = self._capital.room
            self._ledger.fraction[:] = self._capital.fractions
            self._ledger.room[:] = room.budget, room.capacity, float(room.crisis)
        return trace

    def _inform_capital(self, evidence: Evidence, now: int | None) -> None:
        """What the pods reported up to ``now`` (all, with None)."""
        for pod in range(len(self._own.pods)):
            days = evidence.take_days(pod, now)
            self._capital.note_days(pod, days.cycle, days.value)
            self._lifecycles.note_days(pod, days.cycle, days.value, days.trades, days.sharpe)
        for pod, all_excluded in evidence.take_exclusions(now):
            self._lifecycles.note_excluded(pod, all_excluded)
        self._capital.signals.note(evidence.take_intents(now))

    # ------------------------------------------------------------ decisions
    def _conclude(
        self,
        first: int,
        cycles: list[int],
        run: RunColumns,
        prices: PriceBlock,
        evidence: Evidence,
        capital: dict[str, Any] | None,
        reported: set[int],
        written: Written,
    ) -> None:
        """Writes the decisions of a run; commands and capital belong to its first cycle."""
        before = [0] * len(run.ends[0])
        for row, now in enumerate(cycles):
            ends = run.ends[row]
            acted, before = ends != before, ends
            heartbeat = self._heartbeat > 0 and now % self._heartbeat == 0
            told = acted or heartbeat or now in reported or (row == 0 and (capital or self._moves))
            if not (told or self._executions is not None):
                continue
            cycle = evidence.cycle(now, self._inputs(first + row, prices))
            if row == 0:
                report = self._control.take_report()
                if report.commands or report.transitions:
                    cycle.commands = canonical_value(report.commands)
                    cycle.cancelled = report.cancelled
                moves, self._moves = self._moves, []
                told = self._reconfigured + report.transitions + moves
                cycle.transitions = canonical_value(told + cycle.transitions)
                self._reconfigured = []
                if capital is not None:
                    cycle.capital = canonical_value(capital)
                cycle.events, self._faults = cycle.events + self._faults, []
                if self._executions is not None:
                    cycle.executions, told = self._executions.take()
                    written.fills += 0 if cycle.executions is None else len(cycle.executions.symbol)
                    cycle.events = cycle.events + told
                    cycle.cancelled = cycle.cancelled + self._unanswered
            if run.offset[row] >= 0.0:
                cycle.events = cycle.events + self._offset(run.offset[row])
            busy = acted or cycle.is_busy()
            if busy or heartbeat or self._turn is not None:
                body, digest, orders = self._writer.write(cycle, run, row, not busy)
                if self._turn is not None:
                    self._turn.ended(now)
                    orders.append(self._writer.orders.cycle_end(now, len(orders)))
                written.order_decisions += [len(written.bodies)] * len(orders)
                written.cycles.append(now)
                written.bodies.append(body)
                written.hashes.append(digest)
                written.orders += orders
        written.clips.update(self._out.clip_reason[: self._out.counts[CLIPS]].tolist())
        # What pods trade among each other is no fill.
        written.fills += int(np.count_nonzero(self._out.fill_lots[: self._out.counts[FILLS]]))

    def _offset(self, ratio: float) -> list[dict[str, Any]]:
        """The warning that pods offset each other, when it begins."""
        was_high, self._offset_high = self._offset_high, ratio > OFFSET_LIMIT
        if was_high or not self._offset_high:
            return []
        detail = f"pods offset {ratio:g} of their gross exposure; warned above {OFFSET_LIMIT:g}"
        return [_event(Reason.INTENT_OFFSET_HIGH, detail)]

    def _inputs(self, row: int, prices: PriceBlock) -> list[tuple[str, int, int, int]]:
        first, last = prices.first_offset[row].tolist(), prices.last_offset[row].tolist()
        return [("market", g, first[n], last[n]) for n, g in enumerate(self._prices.groups) if last[n] >= 0]

    # ------------------------------------------------------------ what waits
    def waiting_cycles(self) -> Int64:
        """Cycles with prices that the barrier has not let through, ascending."""
        return self._prices.waiting()

    def slowest(self) -> tuple[str, int]:
        """The upstream key that holds the barrier back, and the cycle up to which it has closed."""
        upstream = self._barrier.slowest()
        return upstream, self._barrier.closed_to(upstream)

    # ------------------------------------------------------------ state
    def snapshot(self) -> dict[str, Any]:
        """A versioned snapshot; see :meth:`restore`."""
        return {
            "version": PORTFOLIO_SNAPSHOT,
            "symbols": [self._plan.symbols[s] for s in self._own.symbols.tolist()],
            "pods": [self._plan.pods[p].id for p in self._own.pods],
            "cycle": self._cycle,
            "start": self._start,
            "frames": self._frames,
            "barrier": self._barrier.snapshot(),
            "prices": self._prices.snapshot(),
            "waiting": [f for frames in self._waiting.values() for f in frames],
            "inbox": self._inbox.snapshot(),
            "capital": self._capital.snapshot(),
            "lifecycles": self._lifecycles.snapshot(),
            "ledger": {n: v.copy() for n, v in self._ledger._asdict().items()},
            "control": self._control.snapshot(),
            "writer": self._writer.snapshot(),
            "pod_equity": self._pod_equity.copy(),
            "offset_high": self._offset_high,
            "turn": None if self._turn is None else self._turn.snapshot(),
            "executions": None if self._executions is None else self._executions.snapshot(),
            "reconfigured": list(self._reconfigured),
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Goes on from a snapshot; raises SnapshotError for an unknown version or another layout."""
        name = f"portfolio {self._own.id}"
        if snapshot.get("version") != PORTFOLIO_SNAPSHOT:
            raise SnapshotError(name, snapshot.get("version"), PORTFOLIO_SNAPSHOT)
        if snapshot["symbols"] != [self._plan.symbols[s] for s in self._own.symbols.tolist()]:
            raise SnapshotError.layout(name, "symbols")
        if snapshot["pods"] != [self._plan.pods[p].id for p in self._own.pods]:
            raise SnapshotError.layout(name, "pods")
        self._cycle, self._start, self._frames = snapshot["cycle"], snapshot["start"], snapshot["frames"]
        self._barrier.restore(snapshot["barrier"])
        self._prices.restore(snapshot["prices"], empty_group_frame(self._plan.feature_width))
        for frame in snapshot["waiting"]:
            self._waiting[frame.pod].append(frame)
        self._inbox.restore(snapshot["inbox"])
        self._capital.restore(snapshot["capital"])
        self._lifecycles.restore(snapshot["lifecycles"])
        self._ledger = Ledger(**{n: v.copy() for n, v in snapshot["ledger"].items()})
        self._control.restore(snapshot["control"])
        self._follow_orders(self._cycle)
        self._writer.restore(snapshot["writer"])
        self._pod_equity = snapshot["pod_equity"].copy()
        self._offset_high = snapshot["offset_high"]
        if self._turn is not None:
            self._turn.restore(snapshot["turn"])
        if self._executions is not None:
            self._executions.restore(snapshot["executions"])
        self._reconfigured = list(snapshot["reconfigured"])
        if self._reconfigured:
            self._control.realign(self._ledger)


def _event(reason: Reason, detail: str) -> dict[str, Any]:
    """An event of the portfolio as a whole."""
    return {"detail": detail, "reason": reason.name, "schedule": "", "symbol": ""}
