"""Says which cycles a log did not close, of what, and why (design, "Punctuation").

Called when a key's upstream has ended. It only reports: nothing is flushed, for end of file closes nothing.
"""

from __future__ import annotations

from operators.frames import BEGINNING
from operators.normalize.group_step import GroupStep
from operators.plan import Plan
from operators.portfolio.portfolio_step import PortfolioStep

#: Symbols that a message names; the rest is counted.
NAMED = 5

#: (of, first cycle, last cycle, number of cycles, why), as :func:`flows.process.outcome.left_open` takes it.
LeftOpen = tuple[str, int, int, int, str]

_FIX = "a ClockTick closes it (`weir seal` ends a dump with ticks, `weir clock` writes them live)"


def of_group(plan: Plan, step: GroupStep, partition: int) -> list[LeftOpen]:
    """Cycles with messages that a key group has not closed, and held messages that would open more."""
    clock = step.clock
    found: list[LeftOpen] = []
    cycles = [cycle for cycle, _ in clock.open_cycles()]
    if cycles:
        symbols = [plan.symbols[plan.groups[partition].symbols[place]] for place in clock.awaited()]
        why = f"the first still waits for {_waits_for(symbols)}; {_FIX}"
        found.append((f"market partition {partition}", cycles[0], cycles[-1], len(cycles), why))
    held = sorted({-(-ts // plan.cycle_ns) * plan.cycle_ns for ts in clock.held()})
    if held:
        why = "messages jumped this far ahead in event time and nothing confirmed it, so they are held back"
        found.append((f"held messages of market partition {partition}", held[0], held[-1], len(held), why))
    return found


def of_portfolio(plan: Plan, step: PortfolioStep, portfolio: int) -> list[LeftOpen]:
    """Cycles that key groups have closed and that wait at a portfolio's barrier, with the upstream that is behind."""
    cycles = step.waiting_cycles()
    if not len(cycles):
        return []
    upstream, closed_to = step.slowest()
    stands = "has closed nothing yet" if closed_to == BEGINNING else f"has closed only up to {closed_to}"
    why = f"{upstream} is the slowest that it waits for and {stands}; {_FIX}"
    return [(f"portfolio {plan.portfolios[portfolio].id}", int(cycles[0]), int(cycles[-1]), len(cycles), why)]


def _waits_for(symbols: list[str]) -> str:
    if not symbols:
        return "its watermark: no bar is missing, but nothing later has come on the partition"
    more = f" and {len(symbols) - NAMED} more" if len(symbols) > NAMED else ""
    return f"the final bar of {', '.join(symbols[:NAMED])}{more}"
