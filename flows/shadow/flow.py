"""The shadow's part of the trading flow: the same steps under ids of their own, fed by the same sources.

It reads records where the live flow reads them and decodes them by its own plan, so that a candidate may trade other
symbols; nothing of it flows back. Its orders are thrown away: only decisions leave.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Stream
from bytewax.operators import KeyedStream
from bytewax.outputs import FixedPartitionedSink

from flows.fan import Fan, to_stage, value_of
from flows.process.watchdog import SHADOW_MARK, EvaluationSlots
from flows.settings import Shadow
from flows.shadow.compared import CompareLogic
from flows.shadow.comparer import LIVE, SHADOW
from flows.shadow.isolation import IsolatedLogic, ended_by
from flows.stages import Numbered, Routed
from operators.frames import Beat, OutputBlock, RecordBlock
from operators.normalize.decode import MarketDecoder
from operators.normalize.group_step import GroupStep
from operators.plan import Plan
from operators.pods.pod_step import PodStep
from operators.portfolio.portfolio_step import PortfolioStep
from operators.side.side_step import SideStep

_BEAT = Beat("shadow")


class ShadowWatch(EvaluationSlots):
    """Tells the hang watchdog that it is the shadow's strategy that is being evaluated."""

    @staticmethod
    def enter(schedule: str, cycle: int, portfolio: str = "") -> None:
        """A strategy of the candidate is about to be called."""
        EvaluationSlots.enter(schedule, cycle, SHADOW_MARK + portfolio)


def step_prefix(shadow: Shadow) -> str:
    """What the shadow's step ids begin with."""
    return f"shadow{shadow.generation}_"


def add_shadow(
    plan: Plan,
    prefix: str,
    records: dict[str, Stream[RecordBlock]],
    live: KeyedStream[Any],
    live_portfolios: list[str],
    sink: tuple[FixedPartitionedSink[Any, Any], Callable[[str], str]],
    quarantined: dict[str, int],
) -> None:
    """Adds the shadow to the flow of its inputs.

    Args:
        plan: of the candidate, which fills its own orders.
        prefix: see :func:`step_prefix`.
        records: the live flow's sources by role; roles that the candidate does not read are left alone.
        live: the live decisions by portfolio id; live_portfolios: all of these ids.
        sink: takes the shadow's decisions, by what the function makes of the portfolio id.
        quarantined: as of the live flow.
    """
    steps = _ShadowSteps(plan, prefix, quarantined)
    streams = [steps.market(records["market"])]
    for role in ("control", "overlay", "signals"):
        if role in records and getattr(plan.configuration.topics, role) is not None:
            streams.append(steps.side(role, records[role]))
    routed = op.merge(f"{prefix}stage_inputs", *streams)
    pods = steps.pods(to_stage(f"{prefix}to_pod", routed, "pod"))
    inputs = op.merge(f"{prefix}portfolio_inputs", to_stage(f"{prefix}to_portfolio", routed, "portfolio"), pods)
    decisions = steps.portfolios(inputs)
    target, key_of = sink
    op.output(f"{prefix}decisions", op.map(f"{prefix}written", decisions, lambda item: _written(item, key_of)), target)
    # What only one side has would wait for the other for ever.
    common = set(live_portfolios) & {p.id for p in plan.portfolios}
    both = op.merge(
        f"{prefix}both",
        op.flat_map_batch(f"{prefix}of_live", live, lambda batch: _of_side(batch, LIVE, common)),
        op.flat_map_batch(f"{prefix}of_shadow", decisions, lambda batch: _of_side(batch, SHADOW, common)),
    )
    op.stateful_batch(f"{prefix}compare", both, CompareLogic)


def _of_side(batch: list[tuple[str, Any]], side: str, portfolios: set[str]) -> list[tuple[str, Any]]:
    return [(key, (side, item)) for key, item in batch if key in portfolios]


def _written(item: tuple[str, Any], key_of: Callable[[str], str]) -> tuple[str, OutputBlock | Beat]:
    key, block = key_of(item[0]), item[1]
    if isinstance(block, OutputBlock):
        return key, replace(block, orders=[], order_decisions=[])
    return key, _BEAT


class _ShadowSteps:
    """The stages of the trading flow, each in isolation."""

    def __init__(self, plan: Plan, prefix: str, quarantined: dict[str, int]) -> None:
        self._plan, self._prefix, self._quarantined = plan, prefix, quarantined
        self._fan = Fan(plan)

    def _isolated(
        self, name: str, make: Callable[[int], Any], run: Callable[..., list[Any]], forward: Callable[..., list[Any]]
    ) -> Callable[[dict[str, Any] | None], IsolatedLogic]:
        return lambda state: IsolatedLogic(f"shadow {name}", make, run, forward, state)

    def market(self, records: Stream[RecordBlock]) -> Stream[Routed]:
        """Decode and key groups."""
        decoders = {g.partition: MarketDecoder(self._plan, g.partition) for g in self._plan.groups}

        def decode(batch: list[RecordBlock]) -> list[tuple[str, Numbered]]:
            out: list[tuple[str, Numbered]] = []
            for block in batch:
                item: Any
                try:
                    item = decoders[block.partition].decode(block)
                except Exception as error:
                    item = ended_by(error, f"decode market-{block.partition}")
                out.append((f"group-{block.partition:05d}", (block.partition, item)))
            return out

        def run(step: GroupStep, group: int, block: Any) -> list[Routed]:
            frames, _ = step.step(block)
            items: list[Any] = [*frames] or [_BEAT]
            return [routed for item in items for routed in self._fan.group(group, item)]

        logic = self._isolated(
            "group", lambda n: GroupStep(self._plan, n, self._quarantined, watch=ShadowWatch()), run, self._fan.group
        )
        keyed = op.flat_map_batch(f"{self._prefix}decode", records, decode)
        return op.map(f"{self._prefix}group_out", op.stateful_batch(f"{self._prefix}group", keyed, logic), value_of)

    def side(self, topic: str, records: Stream[RecordBlock]) -> Stream[Routed]:
        """A side topic."""

        def run(step: SideStep, _partition: int, block: RecordBlock) -> list[Routed]:
            frame, _ = step.step(block)
            return self._fan.side(topic, frame if frame is not None else _BEAT)

        def forward(_partition: int, item: Any) -> list[Routed]:
            # Everybody waits for a control partition, whoever reads it.
            return [(key, (number, item)) for key, number in self._fan.everyone]

        logic = self._isolated(topic, lambda n: SideStep(self._plan, topic, n), run, forward)
        keyed = op.map(f"{self._prefix}{topic}_key", records, _side_key)
        stepped = op.stateful_batch(f"{self._prefix}{topic}_side", keyed, logic)
        return op.map(f"{self._prefix}{topic}_out", stepped, value_of)

    def pods(self, items: KeyedStream[Numbered]) -> KeyedStream[Numbered]:
        """Pods."""
        plan = self._plan
        owner = {p.index: (f"portfolio-{plan.portfolios[p.portfolio].id}", p.portfolio) for p in plan.pods}

        def forward(pod: int, item: Any) -> list[Routed]:
            key, number = owner[pod]
            return [(key, (number, item))]

        def run(step: PodStep, pod: int, item: Any) -> list[Routed]:
            frame = None if isinstance(item, Beat) else step.step(item)
            return forward(pod, frame if frame is not None else _BEAT)

        logic = self._isolated("pod", lambda n: PodStep(plan, n, self._quarantined, ShadowWatch()), run, forward)
        return op.map(f"{self._prefix}pod_out", op.stateful_batch(f"{self._prefix}pod", items, logic), value_of)

    def portfolios(self, items: KeyedStream[Numbered]) -> KeyedStream[Any]:
        """Portfolios: (id, OutputBlock, Beat or ShadowEnded)."""
        plan = self._plan

        def forward(portfolio: int, item: Any) -> list[Any]:
            return [(plan.portfolios[portfolio].id, item)]

        def run(step: PortfolioStep, portfolio: int, item: Any) -> list[Any]:
            block = None if isinstance(item, Beat) else step.step(item)
            return forward(portfolio, block if block is not None else _BEAT)

        logic = self._isolated("portfolio", lambda n: PortfolioStep(plan, n), run, forward)
        stepped = op.stateful_batch(f"{self._prefix}portfolio", items, logic)
        return op.map(f"{self._prefix}portfolio_out", stepped, value_of)


def _side_key(block: RecordBlock) -> tuple[str, Numbered]:
    return f"{block.topic}-{block.partition:05d}", (block.partition, block)
