"""Writes given states into a new recovery folder, through bytewax itself.

bytewax decides by a hash of its own which file a state belongs to, so states are not written into the files by hand:
a flow runs for one epoch whose sources bear the ids of the steps and hand out the states as their snapshots.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from flows.process.recovery_folder import RecoveryFolder
from flows.process.worker import execute

#: State by key, by step id.
States = Mapping[str, Mapping[str, Any]]


class _Seed(StatefulSourcePartition[Any, Any]):
    def __init__(self, state: Any) -> None:
        self._state = state

    def next_batch(self) -> Iterable[Any]:
        raise StopIteration

    def snapshot(self) -> Any:
        return self._state


class _Seeds(FixedPartitionedSource[Any, Any]):
    def __init__(self, states: Mapping[str, Any]) -> None:
        self._states = states

    def list_parts(self) -> list[str]:
        return sorted(self._states)

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> _Seed:
        return _Seed(self._states[for_part])


class _Nothing(StatelessSinkPartition[Any]):
    def write_batch(self, items: list[Any]) -> None:
        """Sources that end at once give nothing."""


class _Nowhere(DynamicSink[Any]):
    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Nothing:
        return _Nothing()


def write_states(folder: RecoveryFolder, states: States) -> None:
    """Fills a new, locked recovery folder with ``states``; a flow whose steps have these ids resumes from them."""
    flow = Dataflow("seeding")
    streams = []
    for number, (step, of_step) in enumerate(sorted(states.items())):
        if of_step:
            streams.append(op.input(f"seed_{number}", flow, _Seeds(of_step)))
            # Frozen for users of bytewax; the runtime reads the id when it builds the step, and files rows under it.
            object.__setattr__(flow.substeps[-1], "step_id", step)
    if not streams:
        return
    op.output("nowhere", op.merge("all", *streams), _Nowhere())
    execute(flow, addresses=[], process=0, workers=1, recovery_folder=folder.snapshots, epoch_seconds=0.0)
