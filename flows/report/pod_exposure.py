"""How large each pod's targets stood, from the changes that decisions tell."""

from __future__ import annotations

import math

from schemas.decision import PodTable, TargetTable


class PodExposure:
    """Standing target weights by pod and symbol. ``largest`` is each pod's highest Σ|weight| × share of capital."""

    def __init__(self) -> None:
        self.largest: dict[str, float] = {}
        self._weights: dict[str, dict[str, float]] = {}
        self._gross: dict[str, float] = {}

    def take(self, pods: PodTable, targets: TargetTable | None) -> None:
        """One decision, in sequence."""
        if targets is not None:
            for pod, symbol, weight in zip(targets.pod, targets.symbol, targets.weight, strict=True):
                self._weights.setdefault(pod, {})[symbol] = weight
            for pod in set(targets.pod):
                self._gross[pod] = math.fsum(map(abs, self._weights[pod].values()))
        for pod, fraction in zip(pods.pod, pods.fraction, strict=True):
            self.largest[pod] = max(self.largest.get(pod, 0.0), fraction * self._gross.get(pod, 0.0))
