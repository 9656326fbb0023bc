"""risk_profile: a budget for each risk profile, a policy within each (spec 6, seed 004 "risk_profile").

Budgets are normalised. What the profiles leave that no pod has goes to the profiles that are not listed, in equal
parts; without such, the present ones share it in proportion. No profile gets less than ``profile_floor``, which is cut
at 1/n for n present profiles; a budget of 0 is honoured.
"""

from __future__ import annotations

import numpy as np

from operators.allocate.box_simplex import proportional_box
from operators.allocate.policies.groups import by_group, normalised, within
from operators.allocate.policies.inputs import Context, PolicyAnswer, PolicyInputs
from schemas.configuration.capital import RiskProfile


def risk_profile(policy: RiskProfile, inputs: PolicyInputs, context: Context) -> PolicyAnswer:
    """Each pod's part of its profile's budget."""
    groups = by_group([pod.profile for pod in inputs.pods])
    shares, lifted = profile_shares(policy, list(groups))
    answer = within(shares, groups, dict.fromkeys(groups, ("within_profile", policy.within_profile)), inputs, context)
    return PolicyAnswer(answer.weights, {"profile_floor_adjustment": lifted, "profiles": shares, **answer.why})


def profile_shares(policy: RiskProfile, present: list[str]) -> tuple[dict[str, float], bool]:
    """Share of each present profile, and whether the floor lifted one."""
    budgets = normalised(policy.profiles)
    shares = {profile: budgets.get(profile, 0.0) for profile in present}
    unlisted = [profile for profile in present if profile not in budgets]
    left = max(0.0, 1.0 - sum(shares.values()))
    shares |= dict.fromkeys(unlisted, left / len(unlisted) if unlisted else 0.0)
    shares = normalised(shares)
    floor = min(policy.profile_floor, 1.0 / len(present))
    refused = [profile for profile in present if policy.profiles.get(profile) == 0]
    least = np.array([0.0 if profile in refused else floor for profile in present])
    given = np.array(list(shares.values()))
    if not (given < least).any():
        return shares, False
    # A profile without a budget has no ratio to keep: it stands at the floor.
    bounded = proportional_box(given, least, np.maximum(least, (given > 0.0).astype(np.float64)))
    return dict(zip(present, bounded.tolist(), strict=True)), True
