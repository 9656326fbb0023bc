"""Keeps a shadow's errors its own: whatever fails in it ends the shadow, and the live flow goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from bytewax.operators import StatefulBatchLogic

from flows.metrics import process_metrics
from flows.stages import Numbered, StageLogic

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ShadowEnded:
    """Stands for every frame of a shadow that has ended, so that nothing further down waits for it."""

    reason: str


def ended_by(error: Exception, where: str) -> ShadowEnded:
    """Logs the error and shows it in the metrics."""
    reason = f"{where}: {type(error).__name__}: {error}"
    _LOG.error("the shadow has ended, the live flow goes on: %s", reason, exc_info=error)
    process_metrics().gauge("weir_shadow_up").set(0)
    return ShadowEnded(reason)


class IsolatedLogic(StatefulBatchLogic[Numbered, Any, dict[str, Any]]):
    """A :class:`~flows.stages.StageLogic` of the shadow.

    Args:
        name: the stage, for the log.
        make, run, state: as for a StageLogic.
        forward: where an item goes that is passed on as it is: called with key number and item.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[int], Any],
        run: Callable[[Any, int, Any], Iterable[Any]],
        forward: Callable[[int, Any], list[Any]],
        state: dict[str, Any] | None,
    ) -> None:
        self._name, self._forward = name, forward
        self._ended: ShadowEnded | None = None
        self._inner: StageLogic | None = None
        if state is not None and state["ended"] is not None:
            self._ended = ShadowEnded(state["ended"])
            return
        try:
            self._inner = StageLogic(make, run, None if state is None else state["inner"])
        except Exception as error:
            self._ended = ended_by(error, name)

    def on_batch(self, values: list[Numbered]) -> tuple[list[Any], bool]:
        """What leaves; after an error, the news of it."""
        out: list[Any] = []
        for number, item in values:
            out += self._step(number, item)
        return out, False

    def _step(self, number: int, item: Any) -> list[Any]:
        if self._ended is None and isinstance(item, ShadowEnded):
            self._ended = item
        if self._ended is None and self._inner is not None:
            try:
                return self._inner.on_batch([(number, item)])[0]
            except Exception as error:
                self._ended, self._inner = ended_by(error, f"{self._name} {number}"), None
        assert self._ended is not None
        return self._forward(number, self._ended)

    def on_eof(self) -> tuple[list[Any], bool]:
        """Nothing is flushed."""
        return [], False

    def snapshot(self) -> dict[str, Any]:
        """The step's state, or why there is none."""
        if self._ended is None and self._inner is not None:
            try:
                return {"ended": None, "inner": self._inner.snapshot()}
            except Exception as error:
                self._ended, self._inner = ended_by(error, self._name), None
        return {"ended": "" if self._ended is None else self._ended.reason, "inner": None}
