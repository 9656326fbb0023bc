"""Rows of ``allocation_rows``: the allocator's trace, a row for each pod."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

from operators.allocate.dashboard import AllocationSnapshot
from schemas.decision import DecisionBody

_TEXTS: Final = ("pod", "policy", "label", "trigger", "state", "regime_label")
_NUMBERS: Final = (
    "before", "raw", "clamped", "bounded", "limited", "fraction",
    "regime_multiplier", "leverage_used", "leverage_limit", "equity",
)  # fmt: skip
#: Column by the step of the trace that gives it.
_STEPS: Final = {"raw": "raw", "clamped": "lifecycle", "bounded": "bounds", "limited": "turnover"}


class AllocationColumns:
    """What a batch gathers; decisions without an allocation have no row."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self._columns: dict[str, list[Any]] = {name: [] for name in (*_TEXTS, *_NUMBERS)}

    def add(self, body: DecisionBody) -> None:
        """The rows of a decision."""
        if body.capital is None:
            self.counts.append(0)
            return
        equity = dict(zip(body.pods.pod, body.pods.equity, strict=True))
        snapshot = AllocationSnapshot(body.portfolio, body.sequence, body.cycle, body.capital, equity)
        for pod in snapshot.fractions:
            for name, value in _row(snapshot, pod).items():
                self._columns[name].append(value)
        self.counts.append(len(snapshot.fractions))

    def arrays(self) -> dict[str, pa.Array]:
        """The columns beside the keys."""
        kinds = dict.fromkeys(_TEXTS, pa.string()) | dict.fromkeys(_NUMBERS, pa.float64())
        return {name: pa.array(values, kinds[name]) for name, values in self._columns.items()}


def _row(snapshot: AllocationSnapshot, pod: str) -> dict[str, Any]:
    trace, regime = snapshot.trace, snapshot.step("regime")
    leverage = snapshot.step("leverage").get("pods", {}).get(pod, {})
    return {
        "pod": pod,
        "policy": trace["policy"],
        "label": trace["label"] or "",
        "trigger": trace["trigger"],
        "state": snapshot.step("lifecycle").get("states", {}).get(pod) or "",
        "regime_label": regime.get("label", ""),
        "before": trace["before"][pod],
        **{name: snapshot.step(step).get("weights", {}).get(pod) for name, step in _STEPS.items()},
        "fraction": trace["fractions"][pod],
        "regime_multiplier": regime.get("multiplier", 1.0),
        "leverage_used": leverage.get("used", 0.0),
        "leverage_limit": leverage.get("limit", 0.0),
        "equity": snapshot.equity[pod],
    }
