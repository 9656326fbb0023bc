"""A trading desk for tests: pods and portfolios fed by hand, cycle by cycle, with prices, intents and commands.

Strategies are left out: a test says which schedule wants what, so every number can be followed on paper. What was fed
is kept, so that the same log can be played again with other cuts, or over snapshots.
"""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from operators.frames import GroupFrame, Intents, OutputBlock, PodFrame, SideFrame, SideMessage
from operators.intents import no_intents
from operators.plan import Plan, compile_plan
from operators.pods.book import Book
from operators.pods.pod_step import PodStep
from operators.portfolio.ledger import Ledger
from operators.portfolio.portfolio_step import PortfolioStep
from operators.strategy_evaluate.registry import default_registry
from schemas.configuration import parse_configuration
from schemas.decision import DecisionBody
from schemas.messages import ControlCommand, OverlayUpdate, Target

HOUR = 3_600_000_000_000
DAY = 24 * HOUR
#: Midnight that begins 1 January 2024; cycle n closes n hours later.
START = 1_704_067_200_000_000_000

Price = float | tuple[float, float]
Wants = Mapping[str, Mapping[str, float | tuple[float, float]]]


def pod(name: str, *schedules: str, **more: Any) -> dict[str, Any]:
    """A pod whose schedules trade every symbol, without costs of its own unless given."""
    named = [s if isinstance(s, dict) else {"id": s} for s in schedules or (name,)]
    own = [{"strategy": "sma_cross", **s} for s in named]
    return {"id": name, "slippage_bps": 0, "schedules": own, **more}


def configuration(
    *pods: Mapping[str, Any],
    symbols: Iterable[str | Mapping[str, Any]] = ("AAA",),
    partitions: int = 1,
    portfolios: list[dict[str, Any]] | None = None,
    overlay: bool = False,
    **portfolio: Any,
) -> dict[str, Any]:
    """A document of one portfolio without costs and heartbeats, unless given; lots of 0.01 unless given."""
    instruments = [{"lot": 0.01, "interval": "1h", **({"symbol": s} if isinstance(s, str) else s)} for s in symbols]
    plain = {"execution": {"slippage_bps": 0}, "heartbeat_cycles": 0, "capital": {"name": "equal_weight"}}
    own = [{"id": "main", "pods": list(pods) or [pod("alpha")], **plain, **portfolio}]
    return {
        "time": {"cycle_seconds": 3600, "side_lag_seconds": 0},
        "topics": {"market": {"partitions": partitions}, "control": {}, **({"overlay": {}} if overlay else {})},
        "instruments": instruments,
        "portfolios": [{**plain, **p} for p in portfolios] if portfolios else own,
    }


def plan_of(document: Mapping[str, Any]) -> Plan:
    """The plan of a document, with the strategies that ship."""
    return compile_plan(parse_configuration(dict(document)), default_registry())


@dataclass
class Row:
    """What one cycle brought."""

    cycle: int
    prices: dict[str, Price]
    wants: Wants
    degraded: frozenset[str]
    commands: list[ControlCommand]
    overlays: list[OverlayUpdate] = field(default_factory=list)


@dataclass
class Desk:
    """Pods and portfolios of a plan; ``rows`` is the log so far, ``orders`` all wire values."""

    plan: Plan
    rows: list[Row] = field(default_factory=list)
    bodies: dict[str, list[bytes]] = field(default_factory=dict)
    orders: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pods = [PodStep(self.plan, p.index) for p in self.plan.pods]
        self.portfolios = [PortfolioStep(self.plan, p.index) for p in self.plan.portfolios]
        self._group_frames = itertools.count(1)
        self._counters = [0] * len(self.plan.groups)
        self._side_frames = 0
        self._waiting: list[ControlCommand] = []
        self._updates: list[OverlayUpdate] = []
        self._ids = itertools.count(1)
        self._last = START

    # ------------------------------------------------------------ feeding
    def cycle(
        self,
        prices: Mapping[str, Price] | None = None,
        wants: Wants | None = None,
        degraded: Iterable[str] = (),
        hours: int = 1,
    ) -> DecisionBody | None:
        """Plays the next cycle (``hours`` later); answers with the first portfolio's decision of it, if any."""
        before = len(self.bodies.get(self.plan.portfolios[0].id, []))
        commands, self._waiting = self._waiting, []
        overlays, self._updates = self._updates, []
        cycle = self._last + hours * HOUR
        # What says no time of its own was given in this cycle.
        commands = [c if c.ts else msgspec.structs.replace(c, ts=cycle) for c in commands]
        self.play([Row(cycle, dict(prices or {}), wants or {}, frozenset(degraded), commands, overlays)])
        new = self.bodies.get(self.plan.portfolios[0].id, [])[before:]
        assert len(new) <= 1
        return decoded(new[0]) if new else None

    def command(self, command: str, scope: str = "portfolio", name: str = "", **more: Any) -> None:
        """Gives a command that takes effect in the next cycle."""
        body = {k: more.pop(k) for k in ("mode", "state") if k in more} | more.pop("body", {})
        given = {
            "id": f"c{next(self._ids)}", "operator": "ada", "note": "checked", "portfolio": "main", "ts": 0,
            "body": body, **more,
        }  # fmt: skip
        self._waiting.append(ControlCommand(command=command, target=Target(scope=scope, name=name), **given))

    def overlay(self, kind: str, portfolio: str = "main", **body: Any) -> None:
        """Sends an overlay update that takes effect in the next cycle; needs ``overlay=True``."""
        self._updates.append(OverlayUpdate(portfolio=portfolio, ts=0, kind=kind, body=body))  # type: ignore[arg-type]

    def play(self, rows: list[Row]) -> None:
        """Feeds rows as one frame for each upstream key."""
        self.rows += rows
        self._last = rows[-1].cycle
        self._side_frames += 1
        messages = [
            SideMessage(row.cycle, "control", 0, (row.cycle - START) // HOUR * 1000 + n, False, command)
            for row in rows
            for n, command in enumerate(row.commands)
        ]
        self._to_all(SideFrame("control", 0, self._side_frames, rows[-1].cycle, messages))
        if self.plan.configuration.topics.overlay is not None:
            updates = [
                SideMessage(row.cycle, "overlay", 0, (row.cycle - START) // HOUR * 1000 + n, False, update)
                for row in rows
                for n, update in enumerate(row.overlays)
            ]
            for portfolio in self.portfolios:
                self._take(portfolio.step(SideFrame("overlay", 0, self._side_frames, rows[-1].cycle, updates)))
        for group in range(len(self.plan.groups)):
            self._to_group(self._frame(group, rows))

    def _frame(self, group: int, rows: list[Row]) -> GroupFrame:
        self._counters[group] += 1
        places = self.plan.groups[group].symbols.tolist()
        names = [self.plan.symbols[s] for s in places]
        prices = [[_pair(row.prices.get(n)) for n in names] for row in rows]
        table = np.array(prices, np.float64).reshape(len(rows), len(names), 2)
        wants = [w for row in rows for w in self._wants(row, set(names))]
        return GroupFrame(
            group=group,
            counter=self._counters[group],
            after_cycle=rows[0].cycle - HOUR,
            to_cycle=rows[-1].cycle,
            cycles=np.array([row.cycle for row in rows], np.int64),
            first_offset=np.array([row.cycle // HOUR for row in rows], np.int64),
            last_offset=np.array([row.cycle // HOUR for row in rows], np.int64),
            open=table[:, :, 0],
            close=table[:, :, 1],
            volume=np.full(table.shape[:2], np.nan),
            fresh=~np.isnan(table[:, :, 1]),
            degraded=np.array([[n in row.degraded for n in names] for row in rows], np.bool_),
            intents=self._intents(wants),
            events=[],
        )

    def _wants(self, row: Row, names: set[str]) -> list[tuple[int, int, int, float, float, float]]:
        numbers = {s.id: s.index for s in self.plan.schedules}
        found = []
        for schedule, symbols in row.wants.items():
            for symbol, want in symbols.items():
                if symbol in names:
                    strength, confidence = want if isinstance(want, tuple) else (want, 1.0)
                    close = _pair(row.prices.get(symbol))[1]
                    found.append(
                        (row.cycle, numbers[schedule], self.plan.symbol_index[symbol], strength, confidence, close)
                    )
        return sorted(found)

    def _intents(self, wants: list[tuple[int, int, int, float, float, float]]) -> Intents:
        if not wants:
            return no_intents(self.plan.feature_width)
        cycle, schedule, symbol, strength, confidence, price = (np.array(c) for c in zip(*wants, strict=True))
        unknown = np.full(len(wants), np.nan)
        return Intents(
            cycle.astype(np.int64), schedule.astype(np.int32), symbol.astype(np.int32), strength, unknown, confidence,
            price, np.zeros((len(wants), self.plan.feature_width)),
        )  # fmt: skip

    def _to_group(self, frame: GroupFrame) -> None:
        for portfolio in self.plan.portfolios:
            if frame.group in portfolio.groups:
                self._take(self.portfolios[portfolio.index].step(frame))
        for one in self.plan.pods:
            if frame.group in one.groups:
                self._pod(one.portfolio, self.pods[one.index].step(frame))

    def _to_all(self, frame: SideFrame) -> None:
        for portfolio in self.portfolios:
            self._take(portfolio.step(frame))
        for one in self.plan.pods:
            self._pod(one.portfolio, self.pods[one.index].step(frame))

    def _pod(self, portfolio: int, frame: PodFrame | None) -> None:
        if frame is not None:
            self._take(self.portfolios[portfolio].step(frame))

    def _take(self, output: OutputBlock | None) -> None:
        if output is not None:
            bodies = self.bodies.setdefault(output.portfolio, [])
            assert not output.bodies or output.first_sequence == len(bodies) + 1, "a gap in the decisions' sequence"
            bodies += output.bodies
            self.orders += [msgspec.json.decode(o) for o in output.orders]

    # ------------------------------------------------------------ looking
    def decisions(self, portfolio: str = "main") -> list[DecisionBody]:
        """Every decision so far."""
        return [decoded(b) for b in self.bodies.get(portfolio, [])]

    def ledger(self, portfolio: int = 0) -> Ledger:
        """A portfolio's ledger, as it stands."""
        return self.portfolios[portfolio]._ledger

    def book(self, pod_number: int = 0) -> Book:
        """A pod's own book, as it stands."""
        return self.pods[pod_number]._book

    def position(self, symbol: str, portfolio: int = 0) -> float:
        """Units that a portfolio holds."""
        ledger, own = self.ledger(portfolio), self.plan.portfolios[portfolio]
        place = own.symbols.tolist().index(self.plan.symbol_index[symbol])
        return float(ledger.attributed[:, place].sum())

    # ------------------------------------------------------------ again
    def replayed(self, cuts: Iterable[int] = (), snapshots: bool = False) -> Desk:
        """The same log on a new desk, cut at the given rows; with ``snapshots`` every step is pickled and restored at
        each cut."""
        desk = Desk(self.plan)
        borders = [0, *sorted({c for c in cuts if 0 < c < len(self.rows)}), len(self.rows)]
        for first, last in itertools.pairwise(borders):
            desk.play(self.rows[first:last])
            if snapshots:
                desk._pickle()
        return desk

    def _pickle(self) -> None:
        pods = [pickle.loads(pickle.dumps(p.snapshot())) for p in self.pods]
        portfolios = [pickle.loads(pickle.dumps(p.snapshot())) for p in self.portfolios]
        self.pods = [PodStep(self.plan, p.index) for p in self.plan.pods]
        self.portfolios = [PortfolioStep(self.plan, p.index) for p in self.plan.portfolios]
        for step, saved in zip(self.pods, pods, strict=True):
            step.restore(saved)
        for portfolio, saved in zip(self.portfolios, portfolios, strict=True):
            portfolio.restore(saved)


def desk_of(*pods: Mapping[str, Any], **more: Any) -> Desk:
    """A desk on :func:`configuration`."""
    return Desk(plan_of(configuration(*pods, **more)))


def decoded(body: bytes) -> DecisionBody:
    """A decision body."""
    return msgspec.json.decode(body, type=DecisionBody)


def clips(decision: DecisionBody | None) -> list[tuple[str, str, float, float]]:
    """(reason, symbol, before, after) of every clip of a decision."""
    if decision is None or decision.clips is None:
        return []
    t = decision.clips
    return list(zip(t.reason, t.symbol, t.before, t.after, strict=True))


def reasons(decision: DecisionBody | None) -> list[str]:
    """The reasons of a decision's clips."""
    return [c[0] for c in clips(decision)]


def quantities(decision: DecisionBody | None) -> dict[str, list[float]]:
    """Signed order quantities of a decision by symbol."""
    found: dict[str, list[float]] = {}
    if decision is not None and decision.orders is not None:
        for symbol, quantity in zip(decision.orders.symbol, decision.orders.quantity, strict=True):
            found.setdefault(symbol, []).append(quantity)
    return found


def weights(decision: DecisionBody | None) -> dict[tuple[str, str], float]:
    """Pod weights (at pod capital) that a decision changed, by (pod, symbol)."""
    if decision is None or decision.targets is None:
        return {}
    t = decision.targets
    return {(p, s): w for p, s, w in zip(t.pod, t.symbol, t.weight, strict=True)}


def _pair(price: Price | None) -> tuple[float, float]:
    if price is None:
        return np.nan, np.nan
    return price if isinstance(price, tuple) else (price, price)
