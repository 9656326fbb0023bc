"""The plan: a configuration compiled to indices and columns, which every stage shares.

Symbols, intervals, pods and schedules are numbered once, in sorted or configured order, so that stages exchange
integers and reductions run over sorted symbols (design, "Floats").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from operators.frames import Bool, Float64, Int32, Int64
from operators.strategy_evaluate.reference import market_of
from operators.strategy_evaluate.registry import Registry
from operators.strategy_evaluate.strategy import Strategy
from schemas.canonical import document_hash
from schemas.configuration import Configuration, ConfigurationError, config_hash
from schemas.configuration.base import interval_nanoseconds, seconds_to_nanoseconds
from schemas.configuration.instruments import BUILT_IN_CALENDARS, Calendar, Instrument
from schemas.configuration.portfolio import Portfolio, Schedule
from schemas.configuration.retired import Retired
from schemas.partitioning import partition_rule


@dataclass(frozen=True, slots=True)
class SchedulePlan:
    """A schedule with its strategy resolved. ``symbols`` are global indices in ascending order."""

    index: int
    id: str
    pod: int
    strategy_id: str
    version: str
    strategy: Strategy
    parameter_hash: str
    interval: int
    horizon: str
    symbols: Int32
    share: float
    warmup_bars: int
    on_silence: str
    interval_ns: int
    cadence_ns: int | None
    max_drift_ns: int | None
    #: as configured: window, limits, profile, tags, priority
    settings: Schedule


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """A key group: the symbols of one market partition (global indices, ascending) and who trades them.

    ``schedules`` pairs a schedule's index with its symbols as positions within the group; those that see all symbols of
    a pod run there. ``shared`` are the positions of symbols whose bars and quotes pods need for that.
    """

    partition: int
    symbols: Int32
    schedules: tuple[tuple[int, Int32], ...]
    shared: Int32


@dataclass(frozen=True, slots=True)
class PodPlan:
    """A pod: its symbols (global, ascending), its schedules and the key groups that it waits for."""

    index: int
    id: str
    portfolio: int
    symbols: Int32
    schedules: tuple[int, ...]
    groups: tuple[int, ...]
    max_leverage: float
    slippage: float
    #: whether a schedule follows the signals topic
    hears_signals: bool
    #: no longer configured: it is kept until its holdings are gone
    retired: bool = False


@dataclass(frozen=True, slots=True)
class PortfolioPlan:
    """A portfolio: its pods, the symbols that any of them trades, and the key groups that it waits for."""

    index: int
    id: str
    configuration: Portfolio
    pods: tuple[int, ...]
    symbols: Int32
    groups: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that the stages need, fixed for a run."""

    configuration: Configuration
    config_hash: str
    cycle_ns: int
    symbols: tuple[str, ...]
    symbol_index: dict[str, int]
    instruments: tuple[Instrument, ...]
    calendars: tuple[tuple[str, Calendar], ...]
    intervals: tuple[str, ...]
    interval_ns: Int64
    #: interval of bars and schedules that name none
    default_interval: str
    #: group of each symbol
    group_of: Int32
    groups: tuple[GroupPlan, ...]
    schedules: tuple[SchedulePlan, ...]
    pods: tuple[PodPlan, ...]
    portfolios: tuple[PortfolioPlan, ...]
    #: declared features of the widest schedule
    feature_width: int
    #: what ``allow_partial_start`` left out: schedule id and why
    left_out: tuple[tuple[str, str], ...]
    #: what pods hold of what is no longer traded
    retired: tuple[Retired, ...] = ()

    def instrument_column(self, name: str) -> Float64:
        """One numeric attribute of every instrument, by global symbol index."""
        return np.array([float(getattr(i, name)) for i in self.instruments], np.float64)


def compile_plan(
    configuration: Configuration,
    registry: Registry,
    source: str = "configuration",
    retired: tuple[Retired, ...] = (),
) -> Plan:
    """Compiles a configuration whose ``from_dump`` parts are resolved; raises ConfigurationError with every fault.

    ``retired`` is what an earlier configuration traded and pods still hold: it is watched until it is sold.
    """
    return _Compiler(configuration, registry, source, retired).plan()


class _Compiler:
    def __init__(
        self, configuration: Configuration, registry: Registry, source: str, retired: tuple[Retired, ...]
    ) -> None:
        self.configuration = configuration
        self.registry = registry
        self.source = source
        self.retired = retired
        self.problems: list[str] = []
        self.left_out: list[tuple[str, str]] = []

    def plan(self) -> Plan:
        configuration = self.configuration
        if isinstance(configuration.instruments, str):
            raise ConfigurationError(self.source, ["instruments: from_dump needs a dump with instruments.json"])
        instruments = tuple(sorted(configuration.instruments, key=lambda i: i.symbol))
        if not instruments:
            raise ConfigurationError(self.source, ["instruments: at least one is needed"])
        cycle_seconds, partitions = configuration.time.cycle_seconds, configuration.topics.market.partitions
        if isinstance(cycle_seconds, str):
            raise ConfigurationError(self.source, ["time.cycle_seconds: from_dump needs a dump with an interval"])
        if isinstance(partitions, str):
            raise ConfigurationError(self.source, ["topics.market.partitions: from_dump needs a dump"])
        self.cycle_ns = seconds_to_nanoseconds(cycle_seconds)
        self.symbols = tuple(i.symbol for i in instruments)
        self.symbol_index = {s: n for n, s in enumerate(self.symbols)}
        self.instruments = instruments
        self._index_intervals()
        group_of = self._groups_of_symbols(partitions)
        schedules = self._schedules()
        self._check_asset_bounds(schedules)
        if self.problems:
            raise ConfigurationError(self.source, self.problems)
        pods = self._pods(schedules, group_of)
        return Plan(
            configuration=configuration,
            config_hash=config_hash(configuration),
            cycle_ns=self.cycle_ns,
            symbols=self.symbols,
            symbol_index=self.symbol_index,
            instruments=instruments,
            calendars=tuple(sorted({**BUILT_IN_CALENDARS, **configuration.calendars}.items())),
            intervals=self.intervals,
            interval_ns=np.array([interval_nanoseconds(i) for i in self.intervals], np.int64),
            default_interval=self.default_interval,
            group_of=group_of,
            groups=self._groups(partitions, group_of, schedules),
            schedules=schedules,
            pods=pods,
            portfolios=self._portfolios(pods),
            feature_width=max((len(s.strategy.features()) for s in schedules), default=0),
            left_out=tuple(self.left_out),
            retired=self.retired,
        )

    def _default_interval(self) -> str:
        used = sorted({i.interval for i in self.instruments if i.interval is not None}, key=interval_nanoseconds)
        if used:
            return used[0]
        seconds = self.cycle_ns // 1_000_000_000
        return f"{seconds}s"

    def _index_intervals(self) -> None:
        self.default_interval = self._default_interval()
        used = {self.default_interval}
        used.update(s.interval or self.default_interval for _, _, s in self._enabled())
        self.intervals = tuple(sorted(used, key=interval_nanoseconds))

    def _enabled(self) -> list[tuple[int, int, Schedule]]:
        """(portfolio, pod) positions and schedule of every enabled schedule, in configured order."""
        found: list[tuple[int, int, Schedule]] = []
        pod_number = 0
        for portfolio_number, portfolio in enumerate(self.configuration.portfolios):
            for pod in portfolio.pods:
                found += [(portfolio_number, pod_number, s) for s in pod.schedules if s.enabled]
                pod_number += 1
            pod_number += len(self._retired_pods(portfolio))
        return found

    def _retired_pods(self, portfolio: Portfolio) -> list[Retired]:
        """What is left of pods that the portfolio no longer has."""
        configured = {p.id for p in portfolio.pods}
        return [r for r in self.retired if r.portfolio == portfolio.id and r.pod not in configured]

    def _groups_of_symbols(self, partitions: int) -> Int32:
        market = self.configuration.topics.market
        groups = np.zeros(len(self.symbols), np.int32)
        for number, symbol in enumerate(self.symbols):
            if market.partitioner == "explicit":
                if symbol not in market.partition_of or market.partition_of[symbol] >= partitions:
                    self.problems.append(
                        f"topics.market.partition_of.{symbol}: name a partition below {partitions} for every symbol"
                    )
                    continue
                groups[number] = market.partition_of[symbol]
            else:
                groups[number] = partition_rule(market.partitioner, partitions)(symbol)
        return groups

    def _schedules(self) -> tuple[SchedulePlan, ...]:
        enabled = self._enabled()
        compiled: list[SchedulePlan] = []
        for _, pod_number, schedule in enabled:
            siblings = sum(1 for _, p, _ in enabled if p == pod_number)
            path = f"schedules.{schedule.id}"
            names = self.symbols if schedule.symbols == "*" else tuple(sorted(set(schedule.symbols)))
            missing = [n for n in names if n not in self.symbol_index]
            if missing:
                self.problems.append(f"{path}.symbols: no instrument for {', '.join(missing)}")
                continue
            interval = schedule.interval or self.default_interval
            try:
                strategy = self._strategy(schedule, names, interval)
            except ConfigurationError as error:
                found = [f"{path}.{problem}" for problem in error.problems]
                if self.configuration.allow_partial_start:
                    self.left_out += [(schedule.id, problem) for problem in found]
                else:
                    self.problems += found
                continue
            self.problems += [f"{path}.{problem}" for problem in self._pod_scope_problems(strategy, names)]
            compiled.append(
                SchedulePlan(
                    index=len(compiled),
                    id=schedule.id,
                    pod=pod_number,
                    strategy_id=strategy.strategy_type,
                    version=strategy.version,
                    strategy=strategy,
                    parameter_hash=document_hash(parameter_document(strategy)),
                    interval=self.intervals.index(interval),
                    horizon=schedule.horizon or interval,
                    symbols=np.array([self.symbol_index[n] for n in names], np.int32),
                    share=schedule.share if schedule.share is not None else 1.0 / siblings,
                    warmup_bars=schedule.warmup_bars,
                    on_silence=schedule.on_silence,
                    interval_ns=interval_nanoseconds(interval),
                    cadence_ns=_nanoseconds(schedule.cadence_seconds),
                    max_drift_ns=_nanoseconds(schedule.max_drift_seconds),
                    settings=schedule,
                )
            )
        if enabled and not compiled:
            self.problems += [f"{problem} (nothing else would start)" for _, problem in self.left_out]
        return tuple(compiled)

    def _check_asset_bounds(self, schedules: tuple[SchedulePlan, ...]) -> None:
        """Every pod's asset weights must be able to sum to 1 within their bounds."""
        pods = [pod for portfolio in self.configuration.portfolios for pod in portfolio.pods]
        for number, pod in enumerate(pods):
            assets = {s for schedule in schedules if schedule.pod == number for s in schedule.symbols.tolist()}
            problem = pod.asset_allocator.bounds_problem(len(assets))
            if problem is not None:
                self.problems.append(f"pods.{pod.id}.asset_allocator: {problem}")

    def _strategy(self, schedule: Schedule, names: tuple[str, ...], interval: str) -> Strategy:
        instruments = [self.instruments[self.symbol_index[n]] for n in names]
        calendars = {**BUILT_IN_CALENDARS, **self.configuration.calendars}
        market = market_of(instruments, calendars, interval_nanoseconds(interval))
        return self.registry.build(schedule.strategy, schedule.parameters, market, self.configuration.capabilities)

    def _pod_scope_problems(self, strategy: Strategy, names: tuple[str, ...]) -> list[str]:
        problems: list[str] = []
        if strategy.driven_by == "signals" and self.configuration.topics.signals is None:
            problems.append(f"strategy: {strategy.strategy_type} follows the signals topic; configure topics.signals")
        if strategy.legs and len(names) != strategy.legs:
            problems.append(f"symbols: {strategy.strategy_type} trades {strategy.legs} legs, {len(names)} given")
        if strategy.legs:
            # A leg that may not be sold would leave the other one alone.
            problems += [
                f"symbols: {n} is a leg that may have to be sold short, and its instrument says shortable: false"
                for n in names
                if not self.instruments[self.symbol_index[n]].shortable
            ]
        return problems

    def _groups(self, partitions: int, group_of: Int32, schedules: tuple[SchedulePlan, ...]) -> tuple[GroupPlan, ...]:
        groups: list[GroupPlan] = []
        for partition in range(partitions):
            symbols = np.flatnonzero(group_of == partition).astype(np.int32)
            traders: list[tuple[int, Int32]] = []
            shared: Bool = np.zeros(len(symbols), np.bool_)
            for schedule in schedules:
                local = np.flatnonzero(np.isin(symbols, schedule.symbols)).astype(np.int32)
                if len(local) and schedule.strategy.scope == "symbol":
                    traders.append((schedule.index, local))
                elif schedule.strategy.driven_by == "bars":
                    shared[local] = True
            groups.append(GroupPlan(partition, symbols, tuple(traders), np.flatnonzero(shared).astype(np.int32)))
        return tuple(groups)

    def _pods(self, schedules: tuple[SchedulePlan, ...], group_of: Int32) -> tuple[PodPlan, ...]:
        pods: list[PodPlan] = []
        for portfolio_number, portfolio in enumerate(self.configuration.portfolios):
            left = {r.pod: r.symbols for r in self.retired if r.portfolio == portfolio.id}
            converting = [self.symbol_index[c] for c in portfolio.conversions.values() if c in self.symbol_index]
            members = [(p.id, p.max_leverage, p.slippage_bps, False) for p in portfolio.pods]
            members += [(r.pod, r.max_leverage, r.slippage_bps, True) for r in self._retired_pods(portfolio)]
            for name, max_leverage, slippage_bps, retired in members:
                own = tuple(s for s in schedules if s.pod == len(pods))
                held = [self.symbol_index[s] for s in left.get(name, ())]
                traded = [*(s.symbols for s in own), np.array([*converting, *held], np.int32)]
                watched = np.unique(np.concatenate(traded)).astype(np.int32)
                # A pod whose schedules are all off still closes its cycles, or its portfolio would wait for ever.
                groups = group_of[watched] if len(watched) else np.unique(group_of)
                pods.append(
                    PodPlan(
                        index=len(pods),
                        id=name,
                        portfolio=portfolio_number,
                        symbols=watched,
                        schedules=tuple(s.index for s in own),
                        groups=tuple(sorted({int(g) for g in groups})),
                        max_leverage=max_leverage,
                        slippage=slippage_bps * 1e-4,
                        retired=retired,
                        hears_signals=any(s.strategy.driven_by == "signals" for s in own),
                    )
                )
        return tuple(pods)

    def _portfolios(self, pods: tuple[PodPlan, ...]) -> tuple[PortfolioPlan, ...]:
        portfolios: list[PortfolioPlan] = []
        for number, portfolio in enumerate(self.configuration.portfolios):
            own = tuple(p for p in pods if p.portfolio == number)
            symbols = np.unique(np.concatenate([np.empty(0, np.int32), *(p.symbols for p in own)])).astype(np.int32)
            groups = tuple(sorted({g for p in own for g in p.groups}))
            portfolios.append(
                PortfolioPlan(number, portfolio.id, portfolio, tuple(p.index for p in own), symbols, groups)
            )
        return tuple(portfolios)


def parameter_document(strategy: Strategy) -> dict[str, Any]:
    """What ``parameter_hash`` covers: type, version and every parameter, defaults included."""
    return {
        "type": strategy.strategy_type,
        "version": strategy.version,
        "parameters": strategy.parameters.model_dump(mode="json"),
    }


def _nanoseconds(seconds: float | None) -> int | None:
    return None if seconds is None else seconds_to_nanoseconds(seconds)
