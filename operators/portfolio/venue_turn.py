"""Whose turn it is in a loop with a paper venue (design, "Feedback goes through the log").

After ``CycleEnd(T)`` the venue answers with fills and a tick of T, and says nothing until the next cycle end. So the
portfolio's next cycle, whichever that is, waits for the tick of the last one and for nothing else; empty cycles between
two bars need no answer.
"""

from __future__ import annotations

from typing import Any

from operators.contiguity import next_counter
from operators.frames import BEGINNING, SideFrame
from operators.plan import Plan
from schemas.partitioning import murmur2_partition


class VenueTurn:
    """What one portfolio has asked of its venue, and how far that has answered."""

    def __init__(self, plan: Plan, portfolio: int) -> None:
        fills = plan.configuration.topics.fills
        own = plan.portfolios[portfolio].id
        #: the portfolio's own partition of the fills topic
        self.partition = murmur2_partition(own.encode(), fills.partitions if fills is not None else 1)
        self._asked = self._answered = BEGINNING
        self._counter = 0

    def arrive(self, frame: SideFrame) -> None:
        """A frame of the own partition; raises ContiguityError when one before it is missing."""
        self._counter = next_counter(f"fills-{frame.partition}", self._counter, frame.counter)
        self._answered = frame.passed

    def ended(self, cycle: int) -> None:
        """The end of ``cycle`` was marked."""
        self._asked = cycle

    @property
    def is_venues(self) -> bool:
        """True while the venue has not answered the last cycle end."""
        return self._answered < self._asked

    def snapshot(self) -> dict[str, Any]:
        """Asked, answered, counter."""
        return {"asked": self._asked, "answered": self._answered, "counter": self._counter}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Goes on from a snapshot."""
        self._asked, self._answered = snapshot["asked"], snapshot["answered"]
        self._counter = snapshot["counter"]
