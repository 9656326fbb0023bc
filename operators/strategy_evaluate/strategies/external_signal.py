"""``external_signal``: passes an outside model's view of the signals topic through (spec 3)."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from operators.bars import BarBlock
from operators.frames import Bool, Float64
from operators.normalize.features.feature import Feature
from operators.strategy_evaluate.strategy import Parameters, Strategy, Targets
from schemas.messages import SignalEnvelope

NANOSECONDS = 1_000_000_000


class ExternalSignalParameters(Parameters):
    """``model`` and ``horizon``: whose views, of which horizon; unset: all. A view counts until its own ``expires_at``,
    else for ``ttl_seconds`` of event time after its ``ts``. Views with less than ``min_confidence`` are flat."""

    model: str | None = None
    horizon: str | None = None
    ttl_seconds: Annotated[float, Field(gt=0)] = 86_400.0
    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.0


class ExternalSignal(Strategy):
    """Strength and confidence of the latest view of each symbol, flat when it has expired.

    Views take effect at the cycle that the side topic's rule gives them, in the pod's step; see
    ``operators/pods/external_signals.py``. Of several views in one cycle the last one counts.
    """

    strategy_type = "external_signal"
    version = "1.0.0"
    aliases = ("external_signal",)
    scope = "pod"
    driven_by = "signals"
    parameters_type = ExternalSignalParameters
    parameters: ExternalSignalParameters

    def hears(self, view: SignalEnvelope) -> bool:
        """Whether a view is of the model and horizon that it follows."""
        p = self.parameters
        return p.model in (None, view.model) and p.horizon in (None, view.horizon)

    def target(self, view: SignalEnvelope) -> tuple[float, float]:
        """(strength, confidence) that a view asks for."""
        if view.confidence < self.parameters.min_confidence:
            return 0.0, view.confidence
        return view.strength, view.confidence

    def expires(self, view: SignalEnvelope) -> int:
        """Event time in ns from which a view no longer counts."""
        if view.expires_at is not None:
            return view.expires_at
        return view.ts + round(self.parameters.ttl_seconds * NANOSECONDS)

    def features(self) -> tuple[Feature, ...]:
        """None."""
        return ()

    def initial_state(self, symbols: int) -> dict[str, Any]:
        """Nothing: the pod keeps the views."""
        return {}

    def step(self, bars: BarBlock, features: tuple[Float64, ...], ready: Bool, state: dict[str, Any]) -> Targets:
        """Bars say nothing to it: no target."""
        return Targets.nothing(np.shape(ready))
