"""Notes the first error of a flow where it is raised, and adds a step that says when the cluster has come together.

See :mod:`flows.process.failure` for why. Only the outermost edge of user code is wrapped: what bytewax calls once a
batch, not once an item.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import (
    DynamicSource,
    FixedPartitionedSource,
    StatefulSourcePartition,
    StatelessSourcePartition,
)
from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import DynamicSink, FixedPartitionedSink, StatefulSinkPartition, StatelessSinkPartition

from flows.process import failure

#: Step id of the readiness step; it has no state, so it is no recovery key.
READY_STEP = "cluster_is_ready"


def _noting(call: Callable[..., Any]) -> Callable[..., Any]:
    def noted(*arguments: Any) -> Any:
        try:
            return call(*arguments)
        except StopIteration:
            raise
        except BaseException as error:
            failure.note(error)
            raise

    return noted


class _Partition(StatefulSourcePartition[Any, Any]):
    def __init__(self, inner: StatefulSourcePartition[Any, Any]) -> None:
        self.next_batch = _noting(inner.next_batch)  # type: ignore[method-assign]
        self.next_awake = _noting(inner.next_awake)  # type: ignore[method-assign]
        self.snapshot = _noting(inner.snapshot)  # type: ignore[method-assign]
        self.close = _noting(inner.close)  # type: ignore[method-assign]

    def next_batch(self) -> Iterable[Any]:
        raise NotImplementedError

    def snapshot(self) -> Any:
        raise NotImplementedError


class _Source(FixedPartitionedSource[Any, Any]):
    def __init__(self, inner: FixedPartitionedSource[Any, Any]) -> None:
        self._inner = inner

    def list_parts(self) -> list[str]:
        return list(_noting(self._inner.list_parts)())

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> StatefulSourcePartition[Any, Any]:
        return _Partition(_noting(self._inner.build_part)(step_id, for_part, resume_state))


class _Logic(StatefulBatchLogic[Any, Any, Any]):
    def __init__(self, inner: StatefulBatchLogic[Any, Any, Any]) -> None:
        for name in ("on_batch", "on_notify", "on_eof", "notify_at", "snapshot"):
            setattr(self, name, _noting(getattr(inner, name)))

    def on_batch(self, values: list[Any]) -> tuple[Iterable[Any], bool]:
        raise NotImplementedError

    def snapshot(self) -> Any:
        raise NotImplementedError


class _SinkPartition(StatefulSinkPartition[Any, Any]):
    def __init__(self, inner: StatefulSinkPartition[Any, Any]) -> None:
        for name in ("write_batch", "snapshot", "close"):
            setattr(self, name, _noting(getattr(inner, name)))

    def write_batch(self, values: list[Any]) -> None:
        raise NotImplementedError

    def snapshot(self) -> Any:
        raise NotImplementedError


class _Sink(FixedPartitionedSink[Any, Any]):
    def __init__(self, inner: FixedPartitionedSink[Any, Any]) -> None:
        self._inner = inner
        self.part_fn = _noting(inner.part_fn)  # type: ignore[method-assign]

    def list_parts(self) -> list[str]:
        return list(_noting(self._inner.list_parts)())

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> StatefulSinkPartition[Any, Any]:
        return _SinkPartition(_noting(self._inner.build_part)(step_id, for_part, resume_state))


class _StatelessSinkPartition(StatelessSinkPartition[Any]):
    def __init__(self, inner: StatelessSinkPartition[Any]) -> None:
        for name in ("write_batch", "close"):
            setattr(self, name, _noting(getattr(inner, name)))

    def write_batch(self, items: list[Any]) -> None:
        raise NotImplementedError


class _DynamicSink(DynamicSink[Any]):
    def __init__(self, inner: DynamicSink[Any]) -> None:
        self._inner = inner

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSinkPartition[Any]:
        return _StatelessSinkPartition(_noting(self._inner.build)(step_id, worker_index, worker_count))


def _guarded_builder(builder: Callable[[Any], Any]) -> Callable[[Any], Any]:
    build = _noting(builder)
    return lambda state: _Logic(build(state))


def _guarded_value(name: str, value: Any) -> Any:
    if isinstance(value, FixedPartitionedSource):
        return _Source(value)
    if isinstance(value, FixedPartitionedSink):
        return _Sink(value)
    if isinstance(value, DynamicSink):
        return _DynamicSink(value)
    if name == "builder":
        return _guarded_builder(value)
    if name in ("mapper", "predicate"):
        return _noting(value)
    return value


def guard(flow: Dataflow) -> Dataflow:
    """Lets every core step of ``flow`` note the first error that it raises; returns the same flow."""
    pending = list(flow.substeps)
    while pending:
        step: Any = pending.pop()
        pending += step.substeps
        if not hasattr(step, "core"):
            continue
        for name in ("source", "sink", "builder", "mapper", "predicate"):
            value = getattr(step, name, None)
            if value is not None:
                # The dataclass is frozen for users of bytewax; the runtime reads the field when it builds the step.
                object.__setattr__(step, name, _guarded_value(name, value))
    return flow


class _EndsAtOnce(StatelessSourcePartition[Any]):
    def next_batch(self) -> Iterable[Any]:
        raise StopIteration


class _ReadySource(DynamicSource[Any]):
    def __init__(self, on_ready: Callable[[], None]) -> None:
        self._on_ready = on_ready

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSourcePartition[Any]:
        self._on_ready()
        return _EndsAtOnce()


def announce_ready(flow: Dataflow, on_ready: Callable[[], None]) -> None:
    """Adds a step without output that calls ``on_ready`` in every worker once the cluster's processes are connected."""
    op.input(READY_STEP, flow, _ReadySource(on_ready))
