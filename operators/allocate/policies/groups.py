"""Pods in groups, each with a share of the capital and a policy within."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from operators.allocate.policies.inputs import Context, PolicyAnswer, PolicyInputs
from operators.frames import Float64
from schemas.configuration.capital import CapitalPolicy


def by_group(names: list[str]) -> dict[str, list[int]]:
    """Places of the pods of each group, groups by name."""
    return {group: [n for n, name in enumerate(names) if name == group] for group in sorted(set(names))}


def normalised(shares: dict[str, float]) -> dict[str, float]:
    """Shares that sum to 1; equal ones where all are 0."""
    total = math.fsum(shares.values())
    if total > 0.0:
        return {group: share / total for group, share in shares.items()}
    return dict.fromkeys(shares, 1.0 / len(shares)) if shares else {}


def within(
    shares: dict[str, float],
    groups: dict[str, list[int]],
    policies: dict[str, tuple[str, CapitalPolicy]],
    inputs: PolicyInputs,
    context: Context,
) -> PolicyAnswer:
    """Each group's share times the weights of its policy; ``policies`` gives (key, policy) by group.

    What a policy keeps as cash stays cash.
    """
    weights: Float64 = np.zeros(len(inputs.pods))
    parts: dict[str, Any] = {}
    for group, places in groups.items():
        key, policy = policies[group]
        answer = context.ask(f"{key}[{group}]", policy, inputs.take(places))
        weights[places] = shares[group] * answer.weights
        parts[group] = {"share": shares[group], "members": len(places), **answer.why}
    return PolicyAnswer(weights, {"parts": parts})
