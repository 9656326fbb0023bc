"""The paper execution service: market and orders in, fills out, exactly once (design, "Feedback goes through the log").

A venue of its own beside the trading flow, which knows it by its topics alone. Step ids are recovery keys.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow, Stream

from flows.errors import InvalidInput
from flows.kafka.append_sink import KafkaAppendSink
from flows.kafka.run_ahead import RunAhead
from flows.kafka.source import KafkaSource
from flows.kafka.topics import partition_count
from flows.process import drain, outcome
from flows.process.alone import run_alone
from flows.stages import Numbered, StageLogic
from flows.topics import client_settings, topic_name
from operators.frames import Beat, MarketBlock, RecordBlock
from operators.normalize.decode import MarketDecoder
from operators.normalize.group_step import GroupStep
from operators.plan import Plan, compile_plan
from operators.strategy_evaluate.registry import default_registry
from operators.venue.orders_step import OrdersStep
from operators.venue.venue_step import VenueFrame, VenueStep
from schemas.configuration import Configuration, load_configuration

_BEAT = Beat("venue")


class VenueProgress:
    """The last cycle that each portfolio's venue has answered: what the market source is held by."""

    def __init__(self, portfolios: list[str]) -> None:
        self._answered: dict[str, int | None] = dict.fromkeys(portfolios)

    def answered(self, portfolio: str, cycle: int) -> None:
        """``cycle`` of ``portfolio`` is answered."""
        self._answered[portfolio] = cycle

    def poll(self) -> None:
        """Nothing to read: it is told."""

    @property
    def slowest(self) -> int | None:
        """The last answered cycle of the slowest portfolio, None while one has none."""
        cycles = [c for c in self._answered.values() if c is not None]
        return min(cycles) if len(cycles) == len(self._answered) else None


def market_only(plan: Plan) -> Plan:
    """The plan without anybody who trades: its groups close their cycles by the same rule, and evaluate nothing."""
    return replace(plan, groups=tuple(replace(group, schedules=()) for group in plan.groups))


def paper_execution(configuration: Configuration, *, drain_when: Callable[[], bool] | None = None) -> Dataflow:
    """The dataflow; give it a recovery folder of its own.

    Args:
        configuration: that of the trading flow; ``paper_venue`` says how the venue trades.
        drain_when: when it says True the flow ends.

    Raises:
        ConfigurationError: the configuration does not compile.
        InvalidInput: no portfolio is in ``paper_venue`` mode.
        Unavailable: a topic does not exist.
    """
    trading = [p.id for p in configuration.portfolios if p.execution.mode == "paper_venue"]
    if not trading:
        raise InvalidInput("no portfolio has execution.mode: paper_venue; there is nothing for a paper venue to fill")
    plan = market_only(compile_plan(configuration, default_registry()))
    client = client_settings(configuration)
    progress = VenueProgress(trading)
    bound = RunAhead(progress, configuration.kafka.hold_cycles * plan.cycle_ns)
    flow = Dataflow("paper_execution")

    def source(role: str, partitions: int, held: RunAhead | None) -> KafkaSource:
        return KafkaSource(
            role,
            topic_name(configuration, role),
            range(partitions),
            client,
            batch=configuration.kafka.poll_messages,
            run_ahead=held,
            drain=drain_when,
        )

    orders_topic = topic_name(configuration, "orders")
    market = op.input("market", flow, source("market", len(plan.groups), bound))
    orders = op.input("orders", flow, source("orders", partition_count(client, orders_topic), None))
    routed = op.merge("venue_inputs", _market(market, plan, trading), _orders(orders, plan, trading))
    reports = _venues(routed, plan, progress)
    cluster = configuration.kafka.cluster_id
    sink: KafkaAppendSink[VenueFrame] = KafkaAppendSink(
        client, cluster, "fills", topic_name(configuration, "fills"), trading, lambda frame: frame.records
    )
    op.output("fills", reports, sink)
    return flow


def _market(records: Stream[RecordBlock], plan: Plan, trading: list[str]) -> Stream[tuple[str, Numbered]]:
    decoders = {g.partition: MarketDecoder(plan, g.partition) for g in plan.groups}
    hears = {
        g.partition: [(p.id, p.index) for p in plan.portfolios if p.id in trading and g.partition in p.groups]
        for g in plan.groups
    }

    def decode(batch: list[RecordBlock]) -> list[tuple[str, Numbered]]:
        return [(f"group-{b.partition:05d}", (b.partition, decoders[b.partition].decode(b))) for b in batch]

    def run(step: GroupStep, group: int, block: MarketBlock) -> list[tuple[str, Numbered]]:
        frames, _ = step.step(block)
        items: list[Any] = [*frames] or [_BEAT]
        return [(key, (number, item)) for item in items for key, number in hears[group]]

    def logic(state: dict[str, Any] | None) -> StageLogic:
        return StageLogic(lambda n: GroupStep(plan, n), run, state)

    stepped = op.stateful_batch("group", op.flat_map_batch("decode", records, decode), logic)
    return op.map("group_out", stepped, _value)


def _orders(records: Stream[RecordBlock], plan: Plan, trading: list[str]) -> Stream[tuple[str, Numbered]]:
    index = {p.id: p.index for p in plan.portfolios if p.id in trading}

    def run(step: OrdersStep, partition: int, block: RecordBlock) -> list[tuple[str, Numbered]]:
        frames = [f for f in step.step(block) if f.portfolio in index]
        heard = {f.portfolio for f in frames}
        beats = [(name, (number, _BEAT)) for name, number in index.items() if name not in heard]
        return [*((f.portfolio, (index[f.portfolio], f)) for f in frames), *beats]

    def logic(state: dict[str, Any] | None) -> StageLogic:
        return StageLogic(OrdersStep, run, state)

    keyed = op.map("orders_key", records, _orders_key)
    return op.map("orders_out", op.stateful_batch("orders_step", keyed, logic), _value)


def _orders_key(block: RecordBlock) -> tuple[str, Numbered]:
    return f"orders-{block.partition:05d}", (block.partition, block)


def _venues(routed: Stream[tuple[str, Numbered]], plan: Plan, progress: VenueProgress) -> Any:
    def run(step: VenueStep, portfolio: int, item: Any) -> list[Any]:
        frame = None if isinstance(item, Beat) else step.step(item)
        if frame is None:
            return [_BEAT]
        progress.answered(frame.portfolio, frame.to_cycle)
        outcome.count("reports", len(frame.records))
        return [frame]

    def logic(state: dict[str, Any] | None) -> StageLogic:
        return StageLogic(lambda n: VenueStep(plan, n), run, state)

    return op.stateful_batch("venue", routed, logic)


def _value(keyed: tuple[str, Any]) -> Any:
    return keyed[1]


def run_paper_execution(configuration_file: Path, recovery: Path) -> dict[str, int]:
    """Runs the venue until SIGTERM or SIGINT; returns what was counted.

    Raises ConfigurationError, and what :func:`flows.process.alone.run_alone` raises.
    """
    configuration = load_configuration(configuration_file)
    epoch = configuration.runtime.epoch_seconds
    return run_alone(lambda: paper_execution(configuration, drain_when=drain.requested), recovery, epoch)
