"""Who hears whom in the trading flow: key groups and side partitions to pods and portfolios."""

from __future__ import annotations

from typing import Any, Final

import bytewax.operators as op
from bytewax.dataflow import Stream
from bytewax.operators import KeyedStream

from flows.stages import Numbered, Routed
from operators.frames import Beat
from operators.plan import Plan

#: Which stages read a side topic, by the beginning of their keys.
READERS: Final[dict[str, tuple[str, ...]]] = {
    "control": ("pod-", "portfolio-"),
    "fills": ("portfolio-",),
    "overlay": ("portfolio-",),
}
_BEAT: Final = Beat("step")


def to_stage(step_id: str, routed: Stream[Routed], stage: str) -> KeyedStream[Numbered]:
    """The items for one stage, keyed."""
    prefix = f"{stage}-"

    def mine(batch: list[Routed]) -> list[Routed]:
        return [item for item in batch if item[0].startswith(prefix)]

    return op.flat_map_batch(step_id, routed, mine)


def value_of(keyed: tuple[str, Any]) -> Any:
    """The value of a keyed item."""
    return keyed[1]


class Fan:
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
        readers = READERS.get(topic, ())
        routed: list[Routed] = []
        for key, number in self.everyone:
            reads = key in self._hearing if topic == "signals" else key.startswith(readers)
            routed.append((key, (number, item if reads else _BEAT)))
        return routed
