"""Units and meanings of the capital policies' keys, for ``docs/configuration.md``."""

from __future__ import annotations

from typing import Final

_ASK: Final = "`portfolios[].capital`"


def _section(model: str, name: str, purpose: str) -> tuple[str, str, str]:
    return model, f"{_ASK}, name `{name}`", purpose


#: As ``SECTIONS`` of :mod:`schemas.configuration_page`.
POLICY_SECTIONS: Final = (
    _section("EqualWeight", "equal_weight", "Every pod gets 1/n."),
    _section("FixedWeight", "fixed_weight", "Weights by hand; what they leave stays cash."),
    _section("InverseVolatility", "inverse_volatility", "1/volatility of daily returns."),
    _section("RiskParity", "risk_parity", "Equal contributions to risk."),
    _section("Kelly", "kelly", "A fraction of the growth-optimal portfolio; the rest is cash."),
    _section("VolatilityTarget", "volatility_target", "More for pods that hit their volatility target."),
    _section("SignalStrength", "signal_strength", "More for pods with strong, confident signals."),
    _section("MetricWeighted", "metric_weighted", "A score from pods' metrics."),
    ("MetricRule", f"{_ASK}`.metrics.<metric>`", "weight x scale x clamp(metric, min, max)."),
    _section("Smoothed", "smoothed", "An exponential average over another policy."),
    _section("DrawdownGuard", "drawdown_guard", "Cuts another policy's weight of pods in a drawdown."),
    _section("RiskProfile", "risk_profile", "A budget for each risk profile, a policy within each."),
    _section("Blended", "blended", "A mixture of policies."),
    ("Component", f"{_ASK}`.components[]`", "One policy of a mixture."),
    _section("TagQuota", "tag_quota", "A quota for each tag, a policy within each."),
)

_COMMON: Final = {
    "name": ("", "Which policy."),
    "label": ("", "Written into the allocator's trace."),
    "rebalance_seconds": ("s", "Overrides `rebalance.interval_seconds`; of nested policies the outermost counts."),
}
_HISTORY: Final = {
    **_COMMON,
    "lookback_days": ("days", "Daily returns of a pod's own book that are looked at."),
    "min_returns": ("days", "With fewer a pod is unknown."),
}
_MOMENTS: Final = {
    **_HISTORY,
    "covariance": ("", "How covariances are estimated; `diagonal` takes pods as uncorrelated."),
    "ewma_decay": ("", "With `ewma`: weight of a day over that of the next."),
}
_FALLBACK: Final = ("", "The policy, by name or as a section, that is asked instead.")

POLICY_MEANINGS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "EqualWeight": _COMMON,
    "FixedWeight": {
        **_COMMON,
        "weights": ("of equity", "By pod, schedule or strategy, each plain or by profile; sum over pods in (0, 1]."),
    },
    "InverseVolatility": _HISTORY,
    "RiskParity": _MOMENTS,
    "Kelly": {
        **_MOMENTS,
        "fraction": ("", "Part of full Kelly that is used."),
        "ramp_days": ("days", "A younger pod is weighed by risk parity in part; 0: never."),
        "mean_shrinkage": ("", "How far means are pulled together; null: estimated (Bayes-Stein)."),
        "budget": ("", "How more than the whole capital is brought back: in proportion, or to the optimum under it."),
    },
    "VolatilityTarget": {
        **_HISTORY,
        "target": ("a year", "Of pods that have no `volatility_target` of their own."),
        "fallback": ("", "Weighs pods whose volatility or target is unknown."),
    },
    "SignalStrength": {**_COMMON, "floor": ("of 1/n", "Part of an equal share that every pod keeps.")},
    "MetricWeighted": {
        **_COMMON,
        "metrics": ("", "Rules by metric; [capital](capital.md#metric_weighted) lists them."),
        "default_score": ("", "Score before any rule."),
        "fallback": _FALLBACK,
    },
    "MetricRule": {
        "weight": ("", "Sign and size of its part."),
        "scale": ("", "A second factor."),
        "min": ("", "A lower value counts as this."),
        "max": ("", "A higher value counts as this."),
        "default": ("", "Taken for a value that is missing or not finite; null: no part."),
    },
    "Smoothed": {
        **_COMMON,
        "base": ("", "The policy that is smoothed."),
        "alpha": ("", "Part of the way that a rebalance goes."),
        "min_delta": ("of equity", "A smaller change of a weight is not made."),
    },
    "DrawdownGuard": {
        **_COMMON,
        "base": ("", "The policy whose weights are cut."),
        "warning_pct": ("%", "Up to this drawdown nothing is cut."),
        "panic_pct": ("%", "From this drawdown on only `min_weight` is left."),
        "pressure_weight": ("", "Weight of the drawdown of the last 30 days."),
        "min_weight": ("", "Part that is left at least."),
    },
    "RiskProfile": {
        **_COMMON,
        "profiles": ("", "Budgets by profile; they are normalised."),
        "within_profile": ("", "The policy within each profile."),
        "profile_floor": ("of equity", "Least share of a present profile, cut at 1/n."),
    },
    "Blended": {
        **_COMMON,
        "components": ("", "At least one."),
        "normalize_components": ("", "Each component's weights are made to sum to 1 first."),
        "fallback": _FALLBACK,
    },
    "Component": {
        "policy": ("", "By name or as a section."),
        "weight": ("", "Its share; the shares are normalised."),
        "label": ("", "Its name in the trace."),
    },
    "TagQuota": {
        **_COMMON,
        "tags": ("", "Quotas by tag; they are normalised."),
        "default_weight": ("", "Quota of pods without a listed tag."),
        "within_tag": ("", "The policy within each tag."),
        "fallback": ("", "Weighs the pods without a listed tag; all of them when no pod has one."),
    },
}
