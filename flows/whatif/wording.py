"""An answer in words, for the terminal and the page."""

from __future__ import annotations

from typing import Any, Final

from flows.journal.show import event_time, number
from flows.whatif.cause import Cause
from flows.whatif.compare import FirstDifference
from flows.whatif.result import Divergence

#: How each figure is called, and whether it is a fraction to be shown in percent.
FIGURES: Final[dict[str, tuple[str, bool]]] = {
    "orders": ("Orders", False),
    "fills": ("Fills", False),
    "profit": ("Profit", False),
    "total_return": ("Return", True),
    "max_drawdown": ("Max drawdown", True),
    "sharpe": ("Sharpe ratio", False),
    "volatility": ("Volatility a year", True),
    "turnover_per_year": ("Turnover a year", False),
    "traded_notional": ("Traded notional", False),
    "notional": ("Traded notional", False),
    "fees": ("Fees", False),
    "gross_exposure_max": ("Max gross exposure", True),
    "fraction": ("Final share of capital", True),
}


def figure(name: str, value: float | None, *, signed: bool = False) -> str:
    """A figure for reading."""
    if value is None:
        return "-"
    sign = "+" if signed else ""
    if FIGURES[name][1]:
        return f"{round(100 * value, 2) + 0.0:{sign}.2f} %"
    return f"{value:{sign},.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:{sign}.3f}"


def counted(found: Divergence) -> str:
    """How many decisions and orders differ, in one sentence."""
    if found.identical:
        return f"No difference: all {found.decisions['same']:,} decisions are the same."
    totals = {
        kind: sum(getattr(counts, kind) for counts in found.orders.values())
        for kind in ("added", "dropped", "resized", "same")
    }
    decisions = sum(found.decisions.values())
    return (
        f"{decisions - found.decisions['same']:,} of {decisions:,} decisions differ; orders: {totals['added']:,} added,"
        f" {totals['dropped']:,} dropped, {totals['resized']:,} resized, {totals['same']:,} the same."
    )


def first_difference(first: FirstDifference) -> str:
    """Where two runs part, and why."""
    return f"First difference: portfolio {first.portfolio}, {event_time(first.cycle)}: {cause_text(first.cause)}"


def cause_text(cause: Cause) -> str:
    """A cause in words."""
    about = [f"{name} {value}" for name in ("pod", "schedule", "symbol") if (value := getattr(cause, name))]
    what = " ".join([cause.section, *([cause.reason] if cause.reason else [])])
    place = f" ({', '.join(about)})" if about else ""
    if cause.section == "decision":
        return "only one run decided anything"
    if cause.field:
        left, right = _part(cause.baseline, cause.field), _part(cause.candidate, cause.field)
        return f"{what}{place}: {cause.field} {left} -> {right}"
    if cause.baseline is None:
        return f"{what}{place} in the candidate alone{_cut(cause.candidate)}"
    if cause.candidate is None:
        return f"{what}{place} in the baseline alone{_cut(cause.baseline)}"
    return f"{what}{place} differs"


def _part(value: Any, field: str) -> str:
    found = value.get(field) if isinstance(value, dict) and field in value else value
    return number(found) if isinstance(found, int | float) and not isinstance(found, bool) else str(found)


def _cut(row: Any) -> str:
    if isinstance(row, dict) and {"before", "after", "unit"} <= row.keys():
        return f": {number(row['before'])} -> {number(row['after'])} {row['unit']}"
    return ""
