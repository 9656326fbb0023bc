"""Capital policies: the recursive union of what may stand under ``capital`` (spec 6, seeds 001 and 004).

A policy is a mapping with a ``name``, or the name alone where its defaults do. Names that the seeds use for the same
thing are aliases. Policies that take other policies compose to any depth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError, model_validator

from schemas.configuration.base import NonNegativeFloat, PositiveFloat, Section, Slug, UnitFraction

#: Names that older documents use.
ALIASES: Final = {
    "composite": "blended",
    "drawdown_adaptive": "drawdown_guard",
    "fixed": "fixed_weight",
    "smoothed_allocation": "smoothed",
    "tag_budget": "tag_quota",
    "vol_target": "volatility_target",
}
#: Daily returns that are kept of each pod: no lookback is longer.
MOST_DAYS: Final = 512
#: Metrics of a pod that ``metric_weighted`` may name; percentages are in percent, volatilities a year.
POD_METRICS: Final = (
    "avg_confidence",
    "calmar",
    "drawdown_pct",
    "equity",
    "live_days",
    "max_drawdown_pct",
    "mean_return",
    "realized_volatility",
    "realized_vs_target_vol_pct",
    "rolling_drawdown_30d",
    "rolling_sharpe_30d",
    "sharpe",
    "sharpe_t_stat",
    "signals",
    "total_return",
    "win_rate",
)

Days = Annotated[int, Field(ge=2, le=MOST_DAYS)]
Covariance = Literal["ledoit_wolf", "sample", "ewma", "diagonal"]


class Policy(Section):
    """What every policy takes."""

    label: str | None = None
    rebalance_seconds: PositiveFloat | None = None


class History(Policy):
    """A policy that looks at pods' daily returns; with fewer than ``min_returns`` a pod is unknown."""

    lookback_days: Days = 60
    min_returns: Annotated[int, Field(ge=2)] = 20

    @model_validator(mode="after")
    def _reachable(self) -> History:
        if self.min_returns > self.lookback_days:
            raise ValueError(
                f"min_returns {self.min_returns} exceeds lookback_days {self.lookback_days}: no pod would ever be known"
            )
        return self


class Moments(History):
    """A policy that estimates covariances."""

    lookback_days: Days = 120
    covariance: Covariance = "ledoit_wolf"
    ewma_decay: Annotated[float, Field(gt=0, lt=1)] = 0.94


class EqualWeight(Policy):
    """Every pod gets 1/n."""

    name: Literal["equal_weight"] = "equal_weight"


class FixedWeight(Policy):
    """Weights by hand; their sum over the pods lies in (0, 1]; what is left stays cash."""

    name: Literal["fixed_weight"]
    weights: dict[str, UnitFraction | dict[Slug, UnitFraction]]

    def flat(self) -> dict[str, float]:
        """Weights by ``key`` or ``key:profile``."""
        found: dict[str, float] = {}
        for key, value in self.weights.items():
            if isinstance(value, dict):
                found |= {f"{key}:{profile}": weight for profile, weight in value.items()}
            else:
                found[key] = value
        return found


class InverseVolatility(History):
    """1/max(volatility, 1e-8), normalised."""

    name: Literal["inverse_volatility"]


class RiskParity(Moments):
    """Equal contributions to risk."""

    name: Literal["risk_parity"] = "risk_parity"


class Kelly(Moments):
    """Growth-optimal fractions of shrunk moments, of which ``fraction`` is used and the rest is cash."""

    name: Literal["kelly"]
    fraction: UnitFraction = 0.25
    ramp_days: NonNegativeFloat = 180.0
    mean_shrinkage: UnitFraction | None = None
    budget: Literal["proportional", "optimal"] = "proportional"


class VolatilityTarget(History):
    """More for pods that hit their volatility target."""

    name: Literal["volatility_target"]
    target: PositiveFloat | None = None
    fallback: CapitalPolicy = EqualWeight()


class SignalStrength(Policy):
    """More for pods with strong, confident signals."""

    name: Literal["signal_strength"]
    floor: UnitFraction = 0.10


class MetricRule(Section):
    """One metric's part of a score: weight x scale x clamp(metric, min, max)."""

    weight: float = 1.0
    scale: float = 1.0
    min: float | None = None
    max: float | None = None
    default: float | None = None

    @model_validator(mode="after")
    def _order(self) -> MetricRule:
        if self.min is not None and self.max is not None and self.max < self.min:
            raise ValueError(f"max {self.max} lies below min {self.min}")
        return self


class MetricWeighted(Policy):
    """A score from pods' metrics."""

    name: Literal["metric_weighted"]
    metrics: dict[str, MetricRule] = {}
    default_score: NonNegativeFloat = 0.1
    fallback: CapitalPolicy = EqualWeight()

    @model_validator(mode="after")
    def _known(self) -> MetricWeighted:
        unknown = sorted(set(self.metrics) - set(POD_METRICS))
        if unknown:
            raise ValueError(
                f"no metric {', '.join(unknown)}; there are {', '.join(POD_METRICS)}"
                " (wall-clock latencies are none: a replay could not repeat them)"
            )
        return self


class Smoothed(Policy):
    """An exponential average over another policy's weights."""

    name: Literal["smoothed"]
    base: CapitalPolicy = RiskParity()
    alpha: Annotated[float, Field(gt=0, le=1)] = 0.35
    min_delta: UnitFraction = 0.0


class DrawdownGuard(Policy):
    """Cuts pods in a drawdown; percentages of the pod's highest equity."""

    name: Literal["drawdown_guard"]
    base: CapitalPolicy = RiskParity()
    warning_pct: Annotated[float, Field(ge=0, le=100)] = 10.0
    panic_pct: Annotated[float, Field(gt=0, le=100)] = 20.0
    pressure_weight: UnitFraction = 0.7
    min_weight: UnitFraction = 0.05

    @model_validator(mode="after")
    def _order(self) -> DrawdownGuard:
        if self.panic_pct <= self.warning_pct:
            raise ValueError(f"panic_pct {self.panic_pct} must lie above warning_pct {self.warning_pct}")
        return self


class RiskProfile(Policy):
    """Budgets by risk profile, and a policy within each."""

    name: Literal["risk_profile"]
    profiles: Annotated[dict[Slug, NonNegativeFloat], Field(min_length=1)]
    within_profile: CapitalPolicy = RiskParity()
    profile_floor: UnitFraction = 0.0

    @model_validator(mode="after")
    def _sum(self) -> RiskProfile:
        if not sum(self.profiles.values()) > 0:
            raise ValueError("profiles: at least one budget must be more than 0")
        return self


class Component(Section):
    """One policy of a mixture."""

    policy: CapitalPolicy
    weight: NonNegativeFloat = 1.0
    label: str | None = None


class Blended(Policy):
    """A mixture of policies."""

    name: Literal["blended"]
    components: Annotated[list[Component], Field(min_length=1)]
    normalize_components: bool = True
    fallback: CapitalPolicy = EqualWeight()


class TagQuota(Policy):
    """Quotas by tag, and a policy within each."""

    name: Literal["tag_quota"]
    tags: Annotated[dict[Slug, NonNegativeFloat], Field(min_length=1)]
    default_weight: NonNegativeFloat = 1.0
    within_tag: CapitalPolicy = EqualWeight()
    fallback: CapitalPolicy = EqualWeight()


def _named(value: Any) -> Any:
    """A name alone stands for a policy with its defaults; aliases are replaced."""
    document = {"name": value} if isinstance(value, str) else value
    if isinstance(document, dict) and document.get("name") in ALIASES:
        return {**document, "name": ALIASES[document["name"]]}
    return document


CapitalPolicy = Annotated[
    EqualWeight
    | FixedWeight
    | InverseVolatility
    | RiskParity
    | Kelly
    | VolatilityTarget
    | SignalStrength
    | MetricWeighted
    | Smoothed
    | DrawdownGuard
    | RiskProfile
    | Blended
    | TagQuota,
    Field(discriminator="name"),
    BeforeValidator(_named),
]
for _model in (Component, VolatilityTarget, MetricWeighted, Smoothed, DrawdownGuard, RiskProfile, Blended, TagQuota):
    _model.model_rebuild()
_ADAPTER: TypeAdapter[Any] = TypeAdapter(CapitalPolicy)


def parse_policy(document: Any) -> CapitalPolicy:
    """A policy from plain values, as a control command carries it; raises ValueError with every fault."""
    try:
        policy: CapitalPolicy = _ADAPTER.validate_python(document)
    except ValidationError as error:
        faults = [f"{'.'.join(str(p) for p in f['loc']) or 'capital'}: {f['msg']}" for f in error.errors()]
        raise ValueError("; ".join(faults)) from None
    return policy


def parts(policy: CapitalPolicy) -> list[tuple[str, CapitalPolicy]]:
    """(key, policy) of the policies that one wraps."""
    if isinstance(policy, Smoothed | DrawdownGuard):
        return [("base", policy.base)]
    if isinstance(policy, RiskProfile):
        return [("within_profile", policy.within_profile)]
    if isinstance(policy, Blended):
        own = [(f"components.{n}", c.policy) for n, c in enumerate(policy.components)]
        return [*own, ("fallback", policy.fallback)]
    if isinstance(policy, TagQuota):
        return [("within_tag", policy.within_tag), ("fallback", policy.fallback)]
    if isinstance(policy, VolatilityTarget | MetricWeighted):
        return [("fallback", policy.fallback)]
    return []


def walk(policy: CapitalPolicy, path: str = "capital") -> Iterator[tuple[str, CapitalPolicy]]:
    """(path, policy) of a policy and of everything that it wraps, outermost first."""
    yield path, policy
    for key, part in parts(policy):
        yield from walk(part, f"{path}.{key}")


class Traded(Section):
    """What a fixed weight can name of a schedule."""

    schedule: str
    strategy: str
    profile: str


def matching_weight(weights: dict[str, float], pod: str, traded: Sequence[Traded]) -> tuple[str, float] | None:
    """(key, weight) of the first match: schedule:profile, strategy:profile, schedule, strategy; a pod's id counts as a
    schedule's, and each kind is tried over all schedules in their order before the next."""
    profiles = list(dict.fromkeys(t.profile for t in traded))
    schedules, strategies = [pod, *(t.schedule for t in traded)], [t.strategy for t in traded]
    candidates = [f"{pod}:{p}" for p in profiles]
    candidates += [f"{t.schedule}:{t.profile}" for t in traded] + [f"{t.strategy}:{t.profile}" for t in traded]
    for key in [*candidates, *schedules, *strategies]:
        if key in weights:
            return key, weights[key]
    return None


def fixed_weight_problems(policy: CapitalPolicy, pods: dict[str, list[Traded]]) -> list[str]:
    """What is wrong with every fixed weight in a policy, given the pods' schedules."""
    problems: list[str] = []
    for path, part in walk(policy):
        if not isinstance(part, FixedWeight):
            continue
        weights = part.flat()
        matches = [m for pod, traded in pods.items() if (m := matching_weight(weights, pod, traded)) is not None]
        unknown = sorted(key for key in weights if not _names_something(key, pods))
        if unknown:
            problems.append(
                f"{path}.weights names unknown pods: {', '.join(unknown)}"
                " (a key is a pod, schedule or strategy, or one of these with :profile)"
            )
        total = sum(weight for _, weight in matches)
        if not unknown and not 0 < total <= 1 + 1e-9:
            problems.append(f"{path}.weights sum to {total:g}; they must sum to more than 0 and at most 1")
    return problems


def _names_something(key: str, pods: dict[str, list[Traded]]) -> bool:
    name, _, profile = key.partition(":")
    return any(
        name in (pod, t.schedule, t.strategy) and profile in ("", t.profile)
        for pod, traded in pods.items()
        for t in traded
    )
