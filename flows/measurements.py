"""What the trading flow's adapters measure, once a block or frame: counts come in frames, wall time is taken here."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Protocol

import msgspec
import numpy as np

from operators.frames import (
    BAR,
    BEGINNING,
    KIND,
    DeadLetters,
    GroupFrame,
    MarketBlock,
    OutputBlock,
    PodFrame,
    RecordBlock,
)
from operators.normalize.group_step import GroupStep
from operators.plan import Plan
from operators.strategy_evaluate.runtime import EvaluationWatch
from schemas.metrics import Metrics
from schemas.reasons import Reason

STAGES = ("decode", "group", "side", "pod", "portfolio")
_REASONS = {int(reason): reason.name for reason in Reason}
_ERRORS = frozenset((Reason.STRATEGY_ERROR.name, Reason.STRATEGY_NOT_FINITE.name))
#: Areas of reason codes that the allocator gives.
_ALLOCATOR = ("LEVERAGE_", "CAPITAL_", "POD_")
_TRADING_STATES = ("ACTIVE", "REDUCING", "HALTED")


class _Pods(msgspec.Struct):
    equity: list[float]
    fraction: list[float]
    pod: list[str]


class _Standing(msgspec.Struct):
    """The part of a decision's body that gauges show."""

    equity: float
    gross_exposure: float
    net_exposure: float
    trading_state: str
    pods: _Pods


_STANDING = msgspec.json.Decoder(_Standing)


class FlowMeasurements:
    """Sets the metrics of one trading flow in one process.

    Args:
        plan: names of strategies, schedules, pods and portfolios.
        metrics: where they are set.
        code_version: digest of the sources, for ``weir_build_info``.
    """

    def __init__(self, plan: Plan, metrics: Metrics, code_version: str = "") -> None:
        self._plan, self._metrics = plan, metrics
        self._portfolio_of_pod = [plan.portfolios[p.portfolio].id for p in plan.pods]
        self._portfolio_of = [self._portfolio_of_pod[s.pod] for s in plan.schedules]
        self._strategy_of = {(self._portfolio_of[s.index], s.id): s.strategy_id for s in plan.schedules}
        self._stages = {stage: metrics.histogram("weir_cycle_latency_seconds").labels(stage) for stage in STAGES}
        self._watermarks: dict[int, int] = {}
        self._bars_before: dict[tuple[int, int], int] = {}
        self._duplicates_before: dict[int, int] = {}
        self._degraded: dict[int, int] = {}
        self._open_circuits: set[tuple[int, int]] = set()
        self._decided: dict[str, int] = {}
        # Finding a metric by its labels costs several times what setting it does.
        self._counters: dict[tuple[str, ...], _Counts] = {}
        self._gauges: dict[tuple[str, ...], _Shows] = {}
        self._set("weir_build_info", 1, code_version, plan.config_hash)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Takes the wall time of one item in a stage."""
        started = perf_counter()
        try:
            yield
        finally:
            self._stages[stage].observe(perf_counter() - started)

    def watching(self, watch: EvaluationWatch) -> EvaluationWatch:
        """``watch``, which also takes each evaluation's wall time."""
        histogram = self._metrics.histogram("strategy_latency_ms")
        return _TimedWatch(watch, {key: histogram.labels(s) for key, s in self._strategy_of.items()})

    def _count(self, name: str, number: float, *labels: str) -> None:
        counter = self._counters.get((name, *labels))
        if counter is None:
            family = self._metrics.counter(name)
            counter = self._counters[name, *labels] = family.labels(*labels) if labels else family
        counter.inc(number)

    def _set(self, name: str, value: float, *labels: str) -> None:
        gauge = self._gauges.get((name, *labels))
        if gauge is None:
            family = self._metrics.gauge(name)
            gauge = self._gauges[name, *labels] = family.labels(*labels) if labels else family
        gauge.set(value)

    # ------------------------------------------------------------ input
    def decoded(self, blocks: list[MarketBlock], records: int) -> int:
        """Notes decoded market blocks of so many records; returns the number of bars in them."""
        bars = sum(int(np.count_nonzero(b.integers[KIND] == BAR)) for b in blocks)
        self._count("weir_records_total", records, "market")
        self._count("weir_bars_total", bars)
        return bars

    def side(self, block: RecordBlock) -> None:
        """Notes a block of a side topic."""
        self._count("weir_records_total", len(block.payloads), block.topic)

    def letters(self, letters: DeadLetters | None) -> None:
        """Notes dead letters by reason."""
        if letters is None:
            return
        for reason, number in Counter(row.reason for row in letters.rows).items():
            self._count("weir_dead_letters_total", number, letters.topic, reason)
            if reason == Reason.INPUT_LATE.name:
                self._count("weir_late_total", number, letters.topic)

    def _watermark(self, partition: int, watermark: int) -> None:
        """Keeps a group's watermark; how far it lags is worked out when somebody asks."""
        if watermark == BEGINNING:
            return
        is_new = partition not in self._watermarks
        self._watermarks[partition] = watermark
        if is_new:
            gauge = self._metrics.gauge("weir_watermark_lag_seconds").labels("market", str(partition))
            gauge.set_function(lambda: (max([*self._watermarks.values()]) - self._watermarks[partition]) / 1e9)

    # ------------------------------------------------------------ key groups
    def group(self, group: int, step: GroupStep, frames: list[GroupFrame]) -> None:
        """Notes what a key group's step did with a block."""
        self._watermark(group, step.clock.watermark)
        self._evaluated(group, step)
        for frame in frames:
            self._intents(frame)
            self._events(frame)
            if len(frame.degraded):
                self._degraded[group] = int(np.count_nonzero(frame.degraded[-1]))
        if frames:
            self._set("weir_degraded_symbols", sum([*self._degraded.values()]))

    def _evaluated(self, group: int, step: GroupStep) -> None:
        for schedule, bars in step.evaluated_bars().items():
            more = bars - self._bars_before.get((group, schedule), 0)
            if more:
                self._bars_before[group, schedule] = bars
                strategy = self._plan.schedules[schedule].strategy_id
                self._count("strategy_events_total", more, strategy)
        more = step.duplicates - self._duplicates_before.get(group, 0)
        if more:
            self._duplicates_before[group] = step.duplicates
            self._count("weir_duplicates_total", more, "market")

    def _intents(self, frame: GroupFrame) -> None:
        intents = frame.intents
        if not len(intents):
            return
        emitted = np.bincount(intents.schedule)
        confidence = np.bincount(intents.schedule, weights=intents.confidence)
        for index in np.flatnonzero(emitted).tolist():
            schedule, number = self._plan.schedules[index], int(emitted[index])
            place = (self._portfolio_of[index], schedule.id)
            self._count("strategy_intents_total", number, schedule.strategy_id)
            self._count("schedule_signals_total", number, *place)
            self._set("schedule_avg_confidence", float(confidence[index]) / number, *place)

    def _events(self, frame: GroupFrame) -> None:
        for event in frame.events:
            schedule = self._plan.schedules[event.schedule]
            if event.reason in _ERRORS:
                self._count("strategy_errors_total", 1, schedule.strategy_id)
            elif event.reason == Reason.STRATEGY_CIRCUIT_OPEN.name:
                self._open_circuits.add((event.schedule, frame.group))
            elif event.reason == Reason.STRATEGY_CIRCUIT_CLOSED.name:
                self._open_circuits.discard((event.schedule, frame.group))
            else:
                continue
            is_open = any(number == event.schedule for number, _ in [*self._open_circuits])
            place = (self._portfolio_of[event.schedule], schedule.id)
            self._set("schedule_circuit_open", is_open, *place)

    # ------------------------------------------------------------ pods and portfolios
    def pod(self, frame: PodFrame) -> None:
        """Notes a pod's conflicts, cuts and equity."""
        portfolio = self._portfolio_of_pod[frame.pod]
        conflicts = int(np.count_nonzero(frame.changes.conflict))
        if conflicts:
            self._count("intent_conflict_total", conflicts)
        if len(frame.clips.reason):
            self._cuts(portfolio, Counter(frame.clips.reason.tolist()))
        if len(frame.book_equity):
            pod = self._plan.pods[frame.pod].id
            self._set("weir_pod_equity", float(frame.book_equity[-1]), portfolio, pod)

    def portfolio(self, block: OutputBlock) -> None:
        """Notes what a portfolio decided."""
        name = block.portfolio
        before = self._decided.get(name)
        if before is not None:
            self._count("weir_cycles_total", (block.to_cycle - before) // self._plan.cycle_ns, name)
        self._decided[name] = block.to_cycle
        self._cuts(name, block.clips)
        if block.fills:
            self._count("weir_fills_total", block.fills, name)
        if not block.bodies:
            return
        self._count("weir_decisions_total", len(block.bodies), name)
        orders = b"".join(block.orders)
        for side in ("buy", "sell"):
            number = orders.count(f'"side":"{side}"'.encode())
            if number:
                self._count("weir_orders_total", number, name, side)
        self._stands(name, _STANDING.decode(block.bodies[-1]))

    def _stands(self, portfolio: str, standing: _Standing) -> None:
        self._set("weir_portfolio_equity", standing.equity, portfolio)
        if standing.equity > 0:
            gross, net = standing.gross_exposure / standing.equity, standing.net_exposure / standing.equity
            self._set("weir_portfolio_gross_exposure_ratio", gross, portfolio)
            self._set("weir_portfolio_net_exposure_ratio", net, portfolio)
        for state in _TRADING_STATES:
            self._set("weir_trading_state", state == standing.trading_state, portfolio, state)
        for pod, fraction in zip(standing.pods.pod, standing.pods.fraction, strict=True):
            self._set("weir_pod_capital_fraction", fraction, portfolio, pod)

    def _cuts(self, portfolio: str, by_reason: Mapping[int, int]) -> None:
        for code, number in by_reason.items():
            reason = _REASONS[code]
            self._count("weir_clips_total", number, portfolio, reason)
            if reason.startswith(_ALLOCATOR):
                self._count("allocator_reject_total", number, reason)


class _Counts(Protocol):
    """A counter, to those who only add to it."""

    def inc(self, amount: float) -> None: ...


class _Shows(Protocol):
    """A gauge, to those who only set it."""

    def set(self, value: float) -> None: ...


class _Observes(Protocol):
    """A histogram, to those who only fill it."""

    def observe(self, amount: float) -> None: ...


class _TimedWatch:
    """Tells another watch, and takes the time between enter and leave of each thread."""

    def __init__(self, inner: EvaluationWatch, histograms: Mapping[tuple[str, str], _Observes]) -> None:
        self._inner, self._histograms = inner, histograms
        self._running = threading.local()

    def enter(self, schedule: str, cycle: int, portfolio: str = "") -> None:
        self._inner.enter(schedule, cycle, portfolio)
        self._running.evaluation = (portfolio, schedule), perf_counter()

    def leave(self) -> None:
        key, started = self._running.evaluation
        self._histograms[key].observe((perf_counter() - started) * 1e3)
        self._inner.leave()
