"""Views of pods for tests of policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from operators.allocate.policies.evaluate import weigh
from operators.allocate.policies.inputs import Memory, PodView, PolicyAnswer, PolicyInputs
from operators.frames import Float64
from schemas.configuration.capital import parse_policy

#: 30 days of a pod that gains and loses 1 % in turn.
WAVE: Float64 = np.array([0.01, -0.01] * 15)
#: Every policy with what it needs, for tests of what holds for all.
EVERY_POLICY: dict[str, dict[str, Any]] = {
    "equal_weight": {},
    "fixed_weight": {"weights": {"p0": 0.3, "p1": 0.2}},
    "inverse_volatility": {},
    "risk_parity": {},
    "kelly": {"ramp_days": 30},
    "volatility_target": {"target": 0.2},
    "signal_strength": {},
    "metric_weighted": {"metrics": {"sharpe": {"weight": 1.5, "min": -1, "max": 3}, "win_rate": {"default": 0.5}}},
    "smoothed": {"base": "risk_parity"},
    "drawdown_guard": {"base": "inverse_volatility"},
    "risk_profile": {"profiles": {"balanced": 2, "bold": 1}, "profile_floor": 0.1},
    "blended": {"components": [{"policy": "kelly", "weight": 2}, {"policy": "signal_strength"}]},
    "tag_quota": {"tags": {"trend": 2, "mean": 1}, "within_tag": "risk_parity", "fallback": "signal_strength"},
}


def view(name: str, returns: Float64 = WAVE, **more: Any) -> PodView:
    """A pod that lived as many days as it has returns."""
    return PodView(**{"id": name, "returns": returns, "live_days": len(returns), **more})


def pods_of(*views: PodView, periods_per_year: float = 365) -> PolicyInputs:
    return PolicyInputs(views, periods_per_year)


def ask(name: str, inputs: PolicyInputs, memory: Memory | None = None, /, **settings: Any) -> PolicyAnswer:
    """What a policy answers."""
    return weigh(parse_policy({"name": name, **settings}), inputs, {} if memory is None else memory)


def weights_of(name: str, inputs: PolicyInputs, /, **settings: Any) -> list[float]:
    answer = ask(name, inputs, **settings)
    found: list[float] = answer.weights.tolist()
    return found


def noise(count: int, days: int = 60, seed: int = 3, scale: float = 0.01) -> list[Float64]:
    """Independent returns, each pod a little wilder than the one before."""
    random = np.random.default_rng(seed)
    return [random.normal(0.0004, scale * (1 + n / count), days) for n in range(count)]


def document(name: str) -> Mapping[str, Any]:
    return {"name": name, **EVERY_POLICY[name]}
