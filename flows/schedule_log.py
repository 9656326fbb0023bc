"""Reports of every schedule in the log of a live run (seed 001, "per-strategy performance snapshots").

One structured line a schedule, ``strategy.metrics``, with what its metrics show; for people, never for a decision.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import structlog

from schemas.metrics import STRATEGIES, Metrics

_BY_SCHEDULE = frozenset(m.name for m in STRATEGIES if m.labels == ("portfolio", "schedule"))


def schedule_reports(metrics: Metrics) -> Iterator[dict[str, Any]]:
    """Portfolio, schedule and the values of its metrics, for every schedule that has any; sorted."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for family in metrics.registry.collect():
        for sample in family.samples:
            if sample.name in _BY_SCHEDULE:
                key = (sample.labels["portfolio"], sample.labels["schedule"])
                found.setdefault(key, {})[sample.name] = sample.value
    for (portfolio, schedule), values in sorted(found.items()):
        yield {"portfolio": portfolio, "schedule": schedule, **dict(sorted(values.items()))}


def log_schedules(metrics: Metrics) -> None:
    """Writes the reports of all schedules of this process."""
    log = structlog.get_logger()
    for report in schedule_reports(metrics):
        log.info("strategy.metrics", **report)
