"""What the trading flow's adapters measure, once a block or frame: counts come in frames, wall time is taken here."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter

import msgspec
import numpy as np

from operators.frames import BAR, KIND, DeadLetters, GroupFrame, MarketBlock, OutputBlock, PodFrame, RecordBlock
from operators.normalize.group_step import GroupStep
from operators.plan import Plan
from operators.strategy_evaluate.runtime import EvaluationWatch
from schemas.metrics import Metrics
from schemas.reasons import Reason

STAGES = ("decode", "group", "side", "pod", "portfolio")
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
        for partition in (g.partition for g in plan.groups):
            lag = metrics.gauge("weir_watermark_lag_seconds").labels("market", str(partition))
            lag.set_function(lambda p=partition: self._watermark_lag(p))  # type: ignore[misc]
        metrics.gauge("weir_build_info").labels(code_version, plan.config_hash).set(1)

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

    # ------------------------------------------------------------ input
    def decoded(self, blocks: list[MarketBlock], records: int) -> int:
        """Notes decoded market blocks of so many records; returns the number of bars in them."""
        bars = sum(int(np.count_nonzero(b.integers[KIND] == BAR)) for b in blocks)
        self._metrics.counter("weir_records_total").labels("market").inc(records)
        self._metrics.counter("weir_bars_total").inc(bars)
        return bars

    def side(self, block: RecordBlock) -> None:
        """Notes a block of a side topic."""
        self._metrics.counter("weir_records_total").labels(block.topic).inc(len(block.payloads))

    def letters(self, letters: DeadLetters | None) -> None:
        """Notes dead letters by reason."""
        if letters is None:
            return
        for reason, number in Counter(row.reason for row in letters.rows).items():
            self._metrics.counter("weir_dead_letters_total").labels(letters.topic, reason).inc(number)
            if reason == Reason.INPUT_LATE.name:
                self._metrics.counter("weir_late_total").labels(letters.topic).inc(number)

    def _watermark_lag(self, partition: int) -> float:
        own = self._watermarks.get(partition)
        return 0.0 if own is None else (max(list(self._watermarks.values())) - own) / 1e9

    # ------------------------------------------------------------ key groups
    def group(self, group: int, step: GroupStep, frames: list[GroupFrame]) -> None:
        """Notes what a key group's step did with a block."""
        if step.clock.watermark >= 0:
            self._watermarks[group] = step.clock.watermark
        self._evaluated(group, step)
        for frame in frames:
            self._intents(frame)
            self._events(frame)
            if len(frame.degraded):
                self._degraded[group] = int(np.count_nonzero(frame.degraded[-1]))
        if frames:
            self._metrics.gauge("weir_degraded_symbols").set(sum(list(self._degraded.values())))

    def _evaluated(self, group: int, step: GroupStep) -> None:
        for schedule, bars in step.evaluated_bars().items():
            more = bars - self._bars_before.get((group, schedule), 0)
            if more:
                self._bars_before[group, schedule] = bars
                strategy = self._plan.schedules[schedule].strategy_id
                self._metrics.counter("strategy_events_total").labels(strategy).inc(more)
        more = step.duplicates - self._duplicates_before.get(group, 0)
        if more:
            self._duplicates_before[group] = step.duplicates
            self._metrics.counter("weir_duplicates_total").labels("market").inc(more)

    def _intents(self, frame: GroupFrame) -> None:
        intents = frame.intents
        if not len(intents):
            return
        emitted = np.bincount(intents.schedule)
        confidence = np.bincount(intents.schedule, weights=intents.confidence)
        for index in np.flatnonzero(emitted).tolist():
            schedule, number = self._plan.schedules[index], int(emitted[index])
            place = (self._portfolio_of[index], schedule.id)
            self._metrics.counter("strategy_intents_total").labels(schedule.strategy_id).inc(number)
            self._metrics.counter("schedule_signals_total").labels(*place).inc(number)
            self._metrics.gauge("schedule_avg_confidence").labels(*place).set(float(confidence[index]) / number)

    def _events(self, frame: GroupFrame) -> None:
        for event in frame.events:
            schedule = self._plan.schedules[event.schedule]
            if event.reason in _ERRORS:
                self._metrics.counter("strategy_errors_total").labels(schedule.strategy_id).inc()
            elif event.reason == Reason.STRATEGY_CIRCUIT_OPEN.name:
                self._open_circuits.add((event.schedule, frame.group))
            elif event.reason == Reason.STRATEGY_CIRCUIT_CLOSED.name:
                self._open_circuits.discard((event.schedule, frame.group))
            else:
                continue
            is_open = any(number == event.schedule for number, _ in list(self._open_circuits))
            place = (self._portfolio_of[event.schedule], schedule.id)
            self._metrics.gauge("schedule_circuit_open").labels(*place).set(is_open)

    # ------------------------------------------------------------ pods and portfolios
    def pod(self, frame: PodFrame) -> None:
        """Notes a pod's conflicts, cuts and equity."""
        portfolio = self._portfolio_of_pod[frame.pod]
        conflicts = int(np.count_nonzero(frame.changes.conflict))
        if conflicts:
            self._metrics.counter("intent_conflict_total").inc(conflicts)
        if len(frame.clips.reason):
            self._cuts(portfolio, Counter(frame.clips.reason.tolist()))
        if len(frame.book_equity):
            pod = self._plan.pods[frame.pod].id
            self._metrics.gauge("weir_pod_equity").labels(portfolio, pod).set(float(frame.book_equity[-1]))

    def portfolio(self, block: OutputBlock) -> None:
        """Notes what a portfolio decided."""
        name, metrics = block.portfolio, self._metrics
        before = self._decided.get(name)
        if before is not None:
            metrics.counter("weir_cycles_total").labels(name).inc((block.to_cycle - before) // self._plan.cycle_ns)
        self._decided[name] = block.to_cycle
        self._cuts(name, block.clips)
        if block.fills:
            metrics.counter("weir_fills_total").labels(name).inc(block.fills)
        if not block.bodies:
            return
        metrics.counter("weir_decisions_total").labels(name).inc(len(block.bodies))
        for side in ("buy", "sell"):
            mark = f'"side":"{side}"'.encode()
            number = sum(mark in order for order in block.orders)
            if number:
                metrics.counter("weir_orders_total").labels(name, side).inc(number)
        self._stands(name, _STANDING.decode(block.bodies[-1]))

    def _stands(self, portfolio: str, standing: _Standing) -> None:
        metrics = self._metrics
        metrics.gauge("weir_portfolio_equity").labels(portfolio).set(standing.equity)
        if standing.equity > 0:
            gross, net = standing.gross_exposure / standing.equity, standing.net_exposure / standing.equity
            metrics.gauge("weir_portfolio_gross_exposure_ratio").labels(portfolio).set(gross)
            metrics.gauge("weir_portfolio_net_exposure_ratio").labels(portfolio).set(net)
        for state in _TRADING_STATES:
            metrics.gauge("weir_trading_state").labels(portfolio, state).set(state == standing.trading_state)
        for pod, fraction in zip(standing.pods.pod, standing.pods.fraction, strict=True):
            metrics.gauge("weir_pod_capital_fraction").labels(portfolio, pod).set(fraction)

    def _cuts(self, portfolio: str, by_reason: Mapping[int, int]) -> None:
        for code, number in by_reason.items():
            reason = Reason(code).name
            self._metrics.counter("weir_clips_total").labels(portfolio, reason).inc(number)
            if reason.startswith(_ALLOCATOR):
                self._metrics.counter("allocator_reject_total").labels(reason).inc(number)


class _TimedWatch:
    """Tells another watch, and takes the time between enter and leave of each thread."""

    def __init__(self, inner: EvaluationWatch, histograms: Mapping[tuple[str, str], object]) -> None:
        self._inner, self._histograms = inner, histograms
        self._running = threading.local()

    def enter(self, schedule: str, cycle: int, portfolio: str = "") -> None:
        self._inner.enter(schedule, cycle, portfolio)
        self._running.evaluation = (portfolio, schedule), perf_counter()

    def leave(self) -> None:
        key, started = self._running.evaluation
        self._histograms[key].observe((perf_counter() - started) * 1e3)
        self._inner.leave()
