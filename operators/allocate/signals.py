"""The standing intents of a portfolio's schedules, as a policy sums them up."""

from __future__ import annotations

from typing import Any

import numpy as np

from operators.frames import Float64, Intents
from operators.plan import Plan


class StandingSignals:
    """Last strength and confidence of every (schedule, symbol)."""

    def __init__(self, plan: Plan, portfolio: int) -> None:
        own = plan.portfolios[portfolio]
        schedules = [s for p in own.pods for s in plan.pods[p].schedules]
        self._reference = own.configuration.reference_capital
        self._row = np.full(len(plan.schedules), -1, np.int64)
        self._row[schedules] = np.arange(len(schedules))
        self._symbols = own.symbols
        self._pod = np.array([plan.schedules[s].pod - own.pods[0] for s in schedules], np.int64)
        self._pods = len(own.pods)
        self._strength: Float64 = np.zeros((len(schedules), len(own.symbols)))
        self._confidence: Float64 = np.zeros((len(schedules), len(own.symbols)))

    def note(self, intents: Intents) -> None:
        """Intents in the order of their cycles; a notional counts by its part of the reference capital."""
        if not len(intents):
            return
        row, place = self._row[intents.schedule], np.searchsorted(self._symbols, intents.symbol)
        strength = np.where(np.isnan(intents.strength), intents.notional / self._reference, intents.strength)
        # Of several intents of a pair the last one stands.
        _, last = np.unique((row * len(self._symbols) + place)[::-1], return_index=True)
        last = len(row) - 1 - last
        self._strength[row[last], place[last]] = strength[last]
        self._confidence[row[last], place[last]] = intents.confidence[last]

    def by_pod(self) -> tuple[Float64, Float64]:
        """[P] Σ|strength| and [P] mean confidence of what is not flat, 0 without any."""
        signals, confidence = np.zeros(self._pods), np.zeros(self._pods)
        standing = self._strength != 0.0
        for row, pod in enumerate(self._pod.tolist()):
            signals[pod] += float(np.abs(self._strength[row]).sum())
            confidence[pod] += float(self._confidence[row][standing[row]].sum())
        count = np.zeros(self._pods)
        np.add.at(count, self._pod, standing.sum(axis=1))
        return signals, np.divide(confidence, count, out=np.zeros(self._pods), where=count > 0)

    def snapshot(self) -> dict[str, Any]:
        """The standing values."""
        return {"strength": self._strength.copy(), "confidence": self._confidence.copy()}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Goes on from a snapshot."""
        self._strength, self._confidence = snapshot["strength"].copy(), snapshot["confidence"].copy()
