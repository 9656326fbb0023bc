"""The comparer as a step of the flow: measures, and never fails the flow."""

from __future__ import annotations

from typing import Any

from bytewax.operators import StatefulBatchLogic

from flows.metrics import process_metrics
from flows.shadow.comparer import SHADOW, Comparer, Divergence
from flows.shadow.isolation import ShadowEnded, ended_by
from operators.frames import OutputBlock


class CompareLogic(StatefulBatchLogic[tuple[str, Any], Any, dict[str, Any]]):
    """Compares one portfolio; values are (side, OutputBlock, Beat or ShadowEnded). Nothing leaves."""

    def __init__(self, state: dict[str, Any] | None) -> None:
        self._comparer: Comparer | None = None
        self._portfolio = "" if state is None else state["portfolio"]
        self._ended = state is not None and state["comparer"] is None and state["ended"]
        if state is not None and state["comparer"] is not None:
            try:
                self._comparer = Comparer(self._portfolio)
                self._comparer.restore(state["comparer"])
            except Exception as error:
                self._end(error)

    def on_batch(self, values: list[tuple[str, Any]]) -> tuple[list[Any], bool]:
        """Measures what can be compared."""
        for side, item in values:
            if self._ended:
                break
            if isinstance(item, ShadowEnded):
                self._ended, self._comparer = True, None
            elif isinstance(item, OutputBlock):
                self._take(side, item)
        return [], False

    def _take(self, side: str, block: OutputBlock) -> None:
        self._portfolio = block.portfolio
        if self._comparer is None:
            self._comparer = Comparer(block.portfolio)
        try:
            found = self._comparer.take(side, block)
        except Exception as error:
            self._end(error)
            return
        if side == SHADOW:
            process_metrics().gauge("weir_shadow_up").set(1)
        if found is not None:
            measure(block.portfolio, found)

    def _end(self, error: Exception) -> None:
        ended_by(error, f"shadow comparison of {self._portfolio}")
        self._ended, self._comparer = True, None

    def on_eof(self) -> tuple[list[Any], bool]:
        """Nothing is flushed."""
        return [], False

    def snapshot(self) -> dict[str, Any]:
        """The comparer's state."""
        state = None if self._comparer is None else self._comparer.snapshot()
        return {"portfolio": self._portfolio, "comparer": state, "ended": self._ended}


def measure(portfolio: str, found: Divergence) -> None:
    """Sets the metrics of what was compared."""
    metrics = process_metrics()
    metrics.counter("weir_shadow_cycles_total").labels(portfolio).inc(found.cycles)
    metrics.counter("weir_shadow_diverged_cycles_total").labels(portfolio).inc(found.diverged)
    for change in ("same", "added", "dropped", "resized"):
        metrics.counter("weir_shadow_orders_total").labels(portfolio, change).inc(getattr(found.orders, change))
    metrics.gauge("weir_shadow_target_distance").labels(portfolio).set(found.target_distance)
    if found.equity_ratio is not None:
        metrics.gauge("weir_shadow_equity_ratio").labels(portfolio).set(found.equity_ratio)
    if found.gross_exposure_ratio is not None:
        metrics.gauge("weir_shadow_gross_exposure_ratio").labels(portfolio).set(found.gross_exposure_ratio)
