"""The trading dataflow (design, "Data flow"): sources, key groups, pods, portfolios, sinks.

Step ids are recovery keys: a test freezes them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow, Stream
from bytewax.operators import KeyedStream

from flows import open_cycles
from flows.connections import connect
from flows.dump.dead_letter_sink import dead_letter_key
from flows.fan import Fan, to_stage, value_of
from flows.measurements import FlowMeasurements
from flows.metrics import process_metrics
from flows.process import drain, outcome
from flows.process.watchdog import watch
from flows.quarantine import earliest
from flows.settings import FlowSettings
from flows.shadow.flow import add_shadow, step_prefix
from flows.stages import Numbered, Routed, StageLogic
from operators.frames import (
    Beat,
    DeadLetters,
    GroupFrame,
    MarketBlock,
    OutputBlock,
    PodFrame,
    RecordBlock,
    SideFrame,
)
from operators.normalize.decode import MarketDecoder
from operators.normalize.group_step import GroupStep
from operators.plan import Plan, compile_plan
from operators.pods.pod_step import PodStep
from operators.portfolio.portfolio_step import PortfolioStep
from operators.side.side_step import SideStep
from operators.strategy_evaluate.registry import default_registry
from schemas.configuration import parse_configuration

_LOG = logging.getLogger(__name__)
_SIDE_TOPICS = ("control", "fills", "overlay", "signals")
_BEAT = Beat("step")


def build_trading(settings: FlowSettings) -> Dataflow:
    """The dataflow of one run; raises ConfigurationError before anything is opened."""
    plan = compile_plan(settings.parsed(), default_registry(), retired=tuple(settings.retired))
    for schedule, problem in plan.left_out:
        _LOG.warning("schedule %s is left out (allow_partial_start): %s", schedule, problem)
    connections = connect(settings, plan)
    measure = FlowMeasurements(plan, process_metrics(), settings.code_version)
    flow = Dataflow("weir")
    quarantined = earliest(settings.quarantined)
    roles = [role for role in ("market", *_SIDE_TOPICS) if role in connections.sources]
    records = {role: op.input(role, flow, connections.sources[role]) for role in roles}
    market = _market(records["market"], plan, measure, quarantined)
    side = _side(records, plan, measure)
    routed = market if side is None else op.merge("stage_inputs", market, side)
    pods = _pods(routed, plan, measure, quarantined)
    inputs = op.merge("portfolio_inputs", to_stage("to_portfolio", routed, "portfolio"), pods)
    decisions = _portfolios(inputs, plan, measure, settings.once)
    op.output("decisions", decisions, connections.decisions)
    op.output("dead_letters", _letters(routed), connections.dead_letters)
    if settings.shadow is not None:
        assert connections.shadow is not None
        candidate = compile_plan(parse_configuration(settings.shadow.configuration, "shadow"), default_registry())
        add_shadow(
            candidate,
            step_prefix(settings.shadow),
            records,
            decisions,
            [p.id for p in plan.portfolios],
            (connections.shadow, connections.shadow_key),
            quarantined,
        )
    return flow


# ---------------------------------------------------------------- routing
def _letters(routed: Stream[Routed]) -> KeyedStream[DeadLetters | Beat]:
    def mine(batch: list[Routed]) -> list[tuple[str, Any]]:
        return [(key[len("letters-") :], item) for key, (_, item) in batch if key.startswith("letters-")]

    return op.flat_map_batch("to_dead_letters", routed, mine)


def _letter(topic: str, partition: int, letters: DeadLetters | None) -> Routed:
    return f"letters-{dead_letter_key(topic, partition)}", (partition, letters or _BEAT)


# ---------------------------------------------------------------- market
def _market(
    records: Stream[RecordBlock], plan: Plan, measure: FlowMeasurements, quarantined: dict[str, int]
) -> Stream[Routed]:
    decoders = {g.partition: MarketDecoder(plan, g.partition) for g in plan.groups}
    fan = Fan(plan)

    def decode(batch: list[RecordBlock]) -> list[tuple[str, Numbered]]:
        with measure.timed("decode"):
            blocks = [decoders[b.partition].decode(b) for b in batch]
        outcome.count("bars", measure.decoded(blocks, sum(len(b.payloads) for b in batch)))
        return [(f"group-{b.partition:05d}", (b.partition, b)) for b in blocks]

    def run(step: GroupStep, group: int, block: MarketBlock) -> list[Routed]:
        with measure.timed("group"):
            frames, letters = step.step(block)
        measure.group(group, step, frames)
        measure.letters(letters)
        routed = [_letter("market", group, letters)]
        items: list[GroupFrame | Beat] = [*frames] or [_BEAT]
        for item in items:
            routed += fan.group(group, item)
        return routed

    blocks = op.flat_map_batch("decode", records, decode)

    def ended(step: GroupStep, group: int) -> None:
        for found in open_cycles.of_group(plan, step, group):
            outcome.left_open(*found)

    watching = measure.watching(watch)
    logic = _stage(lambda n: GroupStep(plan, n, quarantined, watch=watching), run, ended)
    stepped = op.stateful_batch("group", blocks, logic)
    return op.map("group_out", stepped, value_of)


def _stage(
    make: Callable[[int], Any],
    run: Callable[[Any, int, Any], Iterable[Any]],
    ended: Callable[[Any, int], None] | None = None,
) -> Callable[[dict[str, Any] | None], StageLogic]:
    return lambda state: StageLogic(make, run, state, ended)


# ---------------------------------------------------------------- side topics
def _side(records: dict[str, Stream[RecordBlock]], plan: Plan, measure: FlowMeasurements) -> Stream[Routed] | None:
    fan = Fan(plan)
    streams: list[Stream[Routed]] = []
    for topic in _SIDE_TOPICS:
        if topic not in records:
            continue
        keyed = op.map(f"{topic}_key", records[topic], _side_key)
        logic = _stage(lambda n, t=topic: SideStep(plan, t, n), _side_run(topic, fan, measure))  # type: ignore[misc]
        stepped = op.stateful_batch(f"{topic}_side", keyed, logic)
        streams.append(op.map(f"{topic}_out", stepped, value_of))
    return op.merge("side", *streams) if streams else None


def _side_key(block: RecordBlock) -> tuple[str, Numbered]:
    return f"{block.topic}-{block.partition:05d}", (block.partition, block)


def _side_run(topic: str, fan: Fan, measure: FlowMeasurements) -> Callable[[SideStep, int, RecordBlock], list[Routed]]:
    def run(step: SideStep, partition: int, block: RecordBlock) -> list[Routed]:
        with measure.timed("side"):
            frame, letters = step.step(block)
        measure.side(block)
        measure.letters(letters)
        item: SideFrame | Beat = frame if frame is not None else _BEAT
        return [_letter(topic, partition, letters), *fan.side(topic, item)]

    return run


# ---------------------------------------------------------------- pods and portfolios
def _pods(
    routed: Stream[Routed], plan: Plan, measure: FlowMeasurements, quarantined: dict[str, int]
) -> KeyedStream[Numbered]:
    owner = {p.index: (f"portfolio-{plan.portfolios[p.portfolio].id}", p.portfolio) for p in plan.pods}

    def run(step: PodStep, pod: int, item: GroupFrame | SideFrame | Beat) -> list[Routed]:
        frame: PodFrame | None = None
        if not isinstance(item, Beat):
            with measure.timed("pod"):
                frame = step.step(item)
        if frame is not None:
            measure.pod(frame)
            measure.schedules(pod, step, frame)
        key, number = owner[pod]
        return [(key, (number, frame if frame is not None else _BEAT))]

    watching = measure.watching(watch)
    logic = _stage(lambda n: PodStep(plan, n, quarantined, watching), run)
    stepped = op.stateful_batch("pod", to_stage("to_pod", routed, "pod"), logic)
    return op.map("pod_out", stepped, value_of)


def _portfolios(items: KeyedStream[Numbered], plan: Plan, measure: FlowMeasurements, once: bool) -> KeyedStream[Any]:
    def run(step: PortfolioStep, portfolio: int, item: GroupFrame | PodFrame | SideFrame | Beat) -> list[Any]:
        block: OutputBlock | None = None
        if not isinstance(item, Beat):
            with measure.timed("portfolio"):
                block = step.step(item)
        if block is not None:
            measure.portfolio(block)
            if once:
                drain.request()
        return [(plan.portfolios[portfolio].id, block if block is not None else _BEAT)]

    def ended(step: PortfolioStep, portfolio: int) -> None:
        for found in open_cycles.of_portfolio(plan, step, portfolio):
            outcome.left_open(*found)

    stepped = op.stateful_batch("portfolio", items, _stage(lambda n: PortfolioStep(plan, n), run, ended))
    return op.map("portfolio_out", stepped, value_of)
