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
from flows.connections import Connections, connect
from flows.dump.dead_letter_sink import dead_letter_key
from flows.measurements import FlowMeasurements
from flows.metrics import process_metrics
from flows.process import drain, outcome
from flows.process.watchdog import watch
from flows.quarantine import earliest
from flows.settings import FlowSettings
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

_LOG = logging.getLogger(__name__)
_SIDE_TOPICS = ("control", "fills", "overlay", "signals")
#: Which stages read a side topic, by the beginning of their keys.
_READERS: dict[str, tuple[str, ...]] = {
    "control": ("pod-", "portfolio-"),
    "fills": ("portfolio-",),
    "overlay": ("portfolio-",),
}
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
    market = _market(flow, plan, connections, measure, quarantined)
    side = _side(flow, plan, connections, measure)
    routed = market if side is None else op.merge("stage_inputs", market, side)
    pods = _pods(routed, plan, measure, quarantined)
    inputs = op.merge("portfolio_inputs", _to(routed, "portfolio"), pods)
    decisions = _portfolios(inputs, plan, measure, settings.once)
    op.output("decisions", decisions, connections.decisions)
    op.output("dead_letters", _letters(routed), connections.dead_letters)
    return flow


# ---------------------------------------------------------------- routing
def _to(routed: Stream[Routed], stage: str) -> KeyedStream[Numbered]:
    """The items for one stage, keyed."""
    prefix = f"{stage}-"

    def mine(batch: list[Routed]) -> list[Routed]:
        return [item for item in batch if item[0].startswith(prefix)]

    return op.flat_map_batch(f"to_{stage}", routed, mine)


def _letters(routed: Stream[Routed]) -> KeyedStream[DeadLetters | Beat]:
    def mine(batch: list[Routed]) -> list[tuple[str, Any]]:
        return [(key[len("letters-") :], item) for key, (_, item) in batch if key.startswith("letters-")]

    return op.flat_map_batch("to_dead_letters", routed, mine)


class _Fan:
    """Who hears a key group or a side partition."""

    def __init__(self, plan: Plan) -> None:
        self._groups: dict[int, list[tuple[str, int]]] = {g.partition: [] for g in plan.groups}
        self.everyone: list[tuple[str, int]] = []
        for portfolio in plan.portfolios:
            key = (f"portfolio-{portfolio.id}", portfolio.index)
            self.everyone.append(key)
            for group in portfolio.groups:
                self._groups[group].append(key)
        self._hearing: set[str] = set()
        for pod in plan.pods:
            key = (f"pod-{pod.index:05d}", pod.index)
            self.everyone.append(key)
            if pod.hears_signals:
                self._hearing.add(key[0])
            for group in pod.groups:
                self._groups[group].append(key)

    def group(self, group: int, item: Any) -> list[Routed]:
        """``item`` for every pod and portfolio that waits for the key group."""
        return [(key, (number, item)) for key, number in self._groups[group]]

    def side(self, topic: str, item: Any) -> list[Routed]:
        """``item`` of a side topic for whoever reads it, and a beat for the others."""
        readers = _READERS.get(topic, ())
        routed: list[Routed] = []
        for key, number in self.everyone:
            reads = key in self._hearing if topic == "signals" else key.startswith(readers)
            routed.append((key, (number, item if reads else _BEAT)))
        return routed


def _letter(topic: str, partition: int, letters: DeadLetters | None) -> Routed:
    return f"letters-{dead_letter_key(topic, partition)}", (partition, letters or _BEAT)


# ---------------------------------------------------------------- market
def _market(
    flow: Dataflow, plan: Plan, connections: Connections, measure: FlowMeasurements, quarantined: dict[str, int]
) -> Stream[Routed]:
    decoders = {g.partition: MarketDecoder(plan, g.partition) for g in plan.groups}
    fan = _Fan(plan)

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

    records = op.input("market", flow, connections.sources["market"])
    blocks = op.flat_map_batch("decode", records, decode)

    def ended(step: GroupStep, group: int) -> None:
        for found in open_cycles.of_group(plan, step, group):
            outcome.left_open(*found)

    watching = measure.watching(watch)
    logic = _stage(lambda n: GroupStep(plan, n, quarantined, watch=watching), run, ended)
    stepped = op.stateful_batch("group", blocks, logic)
    return op.map("group_out", stepped, _value)


def _value(keyed: tuple[str, Any]) -> Any:
    return keyed[1]


def _stage(
    make: Callable[[int], Any],
    run: Callable[[Any, int, Any], Iterable[Any]],
    ended: Callable[[Any, int], None] | None = None,
) -> Callable[[dict[str, Any] | None], StageLogic]:
    return lambda state: StageLogic(make, run, state, ended)


# ---------------------------------------------------------------- side topics
def _side(flow: Dataflow, plan: Plan, connections: Connections, measure: FlowMeasurements) -> Stream[Routed] | None:
    fan = _Fan(plan)
    streams: list[Stream[Routed]] = []
    for topic in _SIDE_TOPICS:
        if topic not in connections.sources:
            continue
        records = op.input(topic, flow, connections.sources[topic])
        keyed = op.map(f"{topic}_key", records, _side_key)
        logic = _stage(lambda n, t=topic: SideStep(plan, t, n), _side_run(topic, fan, measure))  # type: ignore[misc]
        stepped = op.stateful_batch(f"{topic}_side", keyed, logic)
        streams.append(op.map(f"{topic}_out", stepped, _value))
    return op.merge("side", *streams) if streams else None


def _side_key(block: RecordBlock) -> tuple[str, Numbered]:
    return f"{block.topic}-{block.partition:05d}", (block.partition, block)


def _side_run(topic: str, fan: _Fan, measure: FlowMeasurements) -> Callable[[SideStep, int, RecordBlock], list[Routed]]:
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
    stepped = op.stateful_batch("pod", _to(routed, "pod"), logic)
    return op.map("pod_out", stepped, _value)


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
    return op.map("portfolio_out", stepped, _value)
