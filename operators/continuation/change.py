"""What a change of configuration was, as transitions for the next decision of each portfolio."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from operators.continuation.numbers import GONE, Numbers
from operators.continuation.retired import held
from operators.continuation.stopped import PodName, ScheduleKey, Stopped
from schemas.canonical import canonical_value
from schemas.reasons import Reason

#: A list of things with names is compared by name, not by place.
_NAMES = ("id", "symbol")
_ABSENT = "(absent)"
#: Differing keys that a decision names; how many more there are is told.
_MOST = 100


def differences(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(path, value before, value after) of every key in which two documents differ, sorted by path."""
    one, other = _entries(before), _entries(after)
    if one is None or other is None:
        if before != after:
            yield path, before, after
        return
    for key in sorted(one.keys() | other.keys()):
        where = f"{path}.{key}" if path else key
        if key not in one or key not in other:
            yield where, one.get(key, _ABSENT), other.get(key, _ABSENT)
        else:
            yield from differences(one[key], other[key], where)


def _entries(value: Any) -> Mapping[str, Any] | None:
    """A mapping, or a list of named things by name."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
        for name in _NAMES:
            if all(name in v for v in value):
                return {str(v[name]): v for v in value}
    return None


def transitions(stopped: Stopped, numbers: Numbers, portfolio: str) -> list[dict[str, Any]]:
    """What changed for one portfolio: the hashes and keys, then pods, then schedules."""
    plan = numbers.plan
    found = list(differences(stopped.configuration.decision_document(), plan.configuration.decision_document()))
    changed = [{"key": key, "before": _short(b), "after": _short(a)} for key, b, a in found[:_MOST]]
    evidence = {"changed": changed, "more": max(0, len(found) - _MOST)}
    rows = [_row("configuration", stopped.config_hash, plan.config_hash, Reason.CONFIG_CHANGED, evidence)]
    return [*rows, *_pods(stopped, numbers, portfolio), *_schedules(stopped, numbers, portfolio)]


def _pods(stopped: Stopped, numbers: Numbers, portfolio: str) -> Iterator[dict[str, Any]]:
    plan = numbers.plan
    own = [p for p in plan.pods if plan.portfolios[p.portfolio].id == portfolio]
    configured = {PodName(p.id, pod.id) for p in stopped.configuration.portfolios for pod in p.pods}
    remain = {p.id for p in own if not p.retired}
    for number, name in enumerate(stopped.pods):
        if name.portfolio == portfolio and name.pod not in remain:
            evidence = {"holds": list(held(stopped, number))}
            before = "configured" if name in configured else "retired"
            after = "retired" if numbers.pods[number] != GONE else "removed"
            if before != after:
                yield _row(f"pod:{name.pod}", before, after, Reason.CONFIG_POD_REMOVED, evidence)
    for pod in own:
        if not pod.retired and PodName(portfolio, pod.id) not in configured:
            yield _row(f"pod:{pod.id}", "absent", "configured", Reason.CONFIG_POD_ADDED, {})


def _schedules(stopped: Stopped, numbers: Numbers, portfolio: str) -> Iterator[dict[str, Any]]:
    plan = numbers.plan
    before = {k.schedule: (n, k) for n, k in enumerate(stopped.schedules) if k.pod.portfolio == portfolio}
    after = {k.schedule: (n, k) for n, k in enumerate(numbers.keys) if k.pod.portfolio == portfolio}
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            key = before[name][1]
            yield _row(f"schedule:{name}", _text(key), "removed", Reason.CONFIG_SCHEDULE_REMOVED, {"pod": key.pod.pod})
        elif name not in before:
            key = after[name][1]
            yield _row(f"schedule:{name}", "absent", _text(key), Reason.CONFIG_SCHEDULE_STARTED, {"pod": key.pod.pod})
        elif before[name][1] != after[name][1]:
            was, now = before[name][1], after[name][1]
            evidence = {"pod_before": was.pod.pod, "pod_after": now.pod.pod}
            yield _row(f"schedule:{name}", _text(was), _text(now), Reason.CONFIG_SCHEDULE_RESTARTED, evidence)
        else:
            key = after[name][1]
            now_traded = {plan.symbols[s] for s in plan.schedules[after[name][0]].symbols.tolist()}
            left = sorted(set(stopped.traded(key.pod)[name][1]) - now_traded)
            if left:
                evidence_left = {"pod": key.pod.pod, "symbols": left}
                yield _row(f"schedule:{name}", "trades", "leaves", Reason.CONFIG_SYMBOL_WITHDRAWN, evidence_left)


def _text(key: ScheduleKey) -> str:
    return f"{key.strategy}@{key.version} {key.parameter_hash[:12]} {key.interval}"


def _short(value: Any) -> Any:
    """A value as evidence shows it: a whole pod or instrument by its name."""
    if isinstance(value, dict):
        return next((value[n] for n in _NAMES if n in value), "(section)")
    if isinstance(value, list):
        return [_short(v) for v in value]
    return value


def _row(subject: str, before: str, after: str, reason: Reason, evidence: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = canonical_value(
        {"after": after, "before": before, "evidence": evidence, "reason": reason.name, "subject": subject}
    )
    return row
