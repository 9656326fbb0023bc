"""Decisions and orders of one portfolio step, on their way out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from operators.frames import OutputBlock


@dataclass(slots=True)
class Written:
    """Collected cycle by cycle; see :class:`operators.frames.OutputBlock` for the columns."""

    cycles: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    orders: list[bytes] = field(default_factory=list)
    order_decisions: list[int] = field(default_factory=list)
    clips: Counter[int] = field(default_factory=Counter)
    fills: int = 0

    def block(self, portfolio: str, counter: int, to_cycle: int, first_sequence: int) -> OutputBlock:
        """All of it as the frame that the sink takes."""
        return OutputBlock(
            portfolio=portfolio,
            counter=counter,
            to_cycle=to_cycle,
            first_sequence=first_sequence,
            cycles=self.cycles,
            bodies=self.bodies,
            hashes=self.hashes,
            orders=self.orders,
            order_decisions=self.order_decisions,
            clips=dict(self.clips),
            fills=self.fills,
        )
