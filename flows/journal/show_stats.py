"""Prints the counts of a journal, with rich."""

from __future__ import annotations

from dataclasses import astuple, fields
from typing import Final

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from flows.journal.show import event_time
from flows.journal.stats import Counts, JournalStats

#: Days that are shown; the rest is summed in the total.
MOST_DAYS: Final = 20


def stats_view(stats: JournalStats) -> RenderableType:
    """Tables by portfolio, day, pod and reason."""
    signed = ", ".join(f"{key} {count:,}" for key, count in sorted(stats.signed_by.items()))
    span = f"{event_time(stats.first_cycle)} to {event_time(stats.last_cycle)}" if stats.first_cycle else "empty"
    head = f"{span}; heartbeats {stats.heartbeats:,}; signed by: {signed or 'nobody'}"
    days = dict(sorted(stats.days.items())[-MOST_DAYS:])
    pods = Table("pod", "intents", "targets", "clips", box=None, pad_edge=False)
    for pod, counts in sorted(stats.pods.items()):
        pods.add_row(escape(pod), *(f"{counts[name]:,}" for name in ("intents", "targets", "clips")))
    reasons = Table("reason", "count", box=None, pad_edge=False)
    for reason, count in sorted(stats.reasons.items(), key=lambda row: (-row[1], row[0])):
        reasons.add_row(escape(reason), f"{count:,}")
    return Group(
        head,
        _counts("portfolio", {**stats.portfolios, "all": stats.total}),
        _counts(f"day (last {len(days)})", days),
        pods,
        reasons,
    )


def _counts(label: str, rows: dict[str, Counts]) -> Table:
    table = Table(label, *(one.name for one in fields(Counts)), box=None, pad_edge=False)
    for name, counts in rows.items():
        table.add_row(escape(name), *(f"{value:,}" for value in astuple(counts)))
    return table
