"""tag_quota: a quota for each tag, a policy within each (spec 6, seed 004 "tag_quota", "tag_budget").

A pod belongs to the first of its tags that has a quota, the primary one first. Pods without such a tag share
``default_weight`` by the fallback policy; when no pod has one, the fallback weighs them all.
"""

from __future__ import annotations

from operators.allocate.policies.groups import by_group, normalised, within
from operators.allocate.policies.inputs import Context, PodView, PolicyAnswer, PolicyInputs
from schemas.configuration.capital import TagQuota

#: No slug looks like this.
_UNTAGGED = "(untagged)"


def tag_quota(policy: TagQuota, inputs: PolicyInputs, context: Context) -> PolicyAnswer:
    """Each pod's part of its tag's quota; quotas of absent tags go to the others in proportion."""
    groups = by_group([_group(policy, pod) for pod in inputs.pods])
    if list(groups) == [_UNTAGGED]:
        fallback = context.ask("fallback", policy.fallback, inputs)
        return PolicyAnswer(fallback.weights, {"fallback": policy.fallback.name, "parts": {"fallback": fallback.why}})
    quotas = {tag: policy.tags.get(tag, policy.default_weight) for tag in groups}
    shares = normalised(quotas)
    policies = dict.fromkeys(groups, ("within_tag", policy.within_tag))
    if _UNTAGGED in policies:
        policies[_UNTAGGED] = ("fallback", policy.fallback)
    answer = within(shares, groups, policies, inputs, context)
    members = {tag: len(places) for tag, places in groups.items()}
    return PolicyAnswer(answer.weights, {"tag_members": members, "tags": shares, **answer.why})


def _group(policy: TagQuota, pod: PodView) -> str:
    return next((tag for tag in pod.tags if tag in policy.tags), _UNTAGGED)
