"""Counts of a journal: by day, by pod and by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from flows.journal.line import JournalLine
from flows.journal.segment import day_of
from schemas.decision import DecisionBody


@dataclass(slots=True)
class Counts:
    """How often something happened."""

    decisions: int = 0
    intents: int = 0
    clips: int = 0
    orders: int = 0
    cancels: int = 0
    fills: int = 0
    transitions: int = 0
    commands: int = 0

    def add(self, body: DecisionBody) -> None:
        """One decision."""
        self.decisions += 1
        self.intents += 0 if body.intents is None else len(body.intents.symbol)
        self.clips += 0 if body.clips is None else len(body.clips.reason)
        self.orders += 0 if body.orders is None else len(body.orders.symbol)
        self.fills += 0 if body.fills is None else len(body.fills.symbol)
        self.cancels += len(body.cancels or ())
        self.transitions += len(body.transitions or ())
        self.commands += len(body.commands or ())


@dataclass(slots=True)
class JournalStats:
    """What a journal holds. ``reasons`` counts those of clips, cancels and transitions; ``pods`` intents and clips."""

    total: Counts = field(default_factory=Counts)
    portfolios: dict[str, Counts] = field(default_factory=dict)
    days: dict[str, Counts] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    pods: dict[str, dict[str, int]] = field(default_factory=dict)
    signed_by: Counter[str] = field(default_factory=Counter)
    first_cycle: int = 0
    last_cycle: int = 0
    heartbeats: int = 0


def journal_stats(lines: Iterable[JournalLine]) -> JournalStats:
    """Counts over all lines; raises MalformedLine for a body that does not match the schema."""
    stats = JournalStats()
    for line in lines:
        body = line.body()
        for counts in (
            stats.total,
            stats.portfolios.setdefault(body.portfolio, Counts()),
            stats.days.setdefault(day_of(body.cycle), Counts()),
        ):
            counts.add(body)
        stats.reasons.update(reasons_of(body))
        stats.signed_by[line.envelope.key_id or "unsigned"] += 1
        stats.heartbeats += body.heartbeat
        stats.first_cycle = min(stats.first_cycle or body.cycle, body.cycle)
        stats.last_cycle = max(stats.last_cycle, body.cycle)
        _add_pods(stats, body)
    return stats


def reasons_of(body: DecisionBody) -> list[str]:
    """Reasons of a decision's clips, cancels and transitions."""
    reasons = [] if body.clips is None else list(body.clips.reason)
    for row in [*(body.cancels or ()), *(body.transitions or ())]:
        reasons.append(str(row.get("reason", "")))
    return reasons


def _add_pods(stats: JournalStats, body: DecisionBody) -> None:
    tables = (("intents", body.intents), ("targets", body.targets), ("clips", body.clips))
    for name, table in tables:
        for pod in () if table is None else table.pod:
            counts = stats.pods.setdefault(pod or "(portfolio)", {"intents": 0, "targets": 0, "clips": 0})
            counts[name] += 1
