"""drawdown_guard: cuts the base's weight of pods in a drawdown; what it cuts is cash (spec 6, seed 004).

P = 0 below the warning, 1 from the panic on, linear between; pressure = the 30-day drawdown over the panic, at most 1;
c = max(P, pressure·pressure_weight, min(1, P + 0.5·pressure)); weight = max(min_weight, 1 − c)·base.
"""

from __future__ import annotations

import numpy as np

from operators.allocate.policies.inputs import Context, PolicyAnswer, PolicyInputs
from schemas.configuration.capital import DrawdownGuard


def drawdown_guard(policy: DrawdownGuard, inputs: PolicyInputs, context: Context) -> PolicyAnswer:
    """The base's weights, each times what its pod's drawdown leaves of it."""
    base = context.ask("base", policy.base, inputs)
    panic = policy.panic_pct / 100.0
    cuts = [cut(policy, p.drawdown, min(max(p.pressure, 0.0) / panic, 1.0)) for p in inputs.pods]
    kept = np.maximum(policy.min_weight, 1.0 - np.array(cuts))
    why = {
        "cut": inputs.by_pod(cuts),
        "drawdown": inputs.by_pod([p.drawdown for p in inputs.pods]),
        "parts": {"base": {"weights": inputs.by_pod(base.weights), **base.why}},
    }
    return PolicyAnswer(kept * base.weights, why)


def cut(policy: DrawdownGuard, drawdown: float, pressure: float) -> float:
    """c of a pod; an unknown drawdown is the worst."""
    if not (np.isfinite(drawdown) and np.isfinite(pressure)):
        return 1.0
    span = (policy.panic_pct - policy.warning_pct) / 100.0
    penalty = min(max((drawdown - policy.warning_pct / 100.0) / span, 0.0), 1.0)
    return max(penalty, pressure * policy.pressure_weight, min(1.0, penalty + 0.5 * pressure))
