"""Holds side messages whose event time jumps far ahead until something confirms it (design, "Bad clocks").

The rule is that of :mod:`operators.normalize.jumps`. Holding a message does not change when it takes effect, for the
watermark waits with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from schemas.messages import ClockTick


@dataclass(slots=True)
class HeldMessage:
    """A decoded message with its position, record timestamp (ns), payload and how many messages came after it."""

    message: Any
    offset: int
    timestamp: int
    payload: bytes
    later: int = 0


class SideJumpGate:
    """State of one side partition: ``latest`` event time let through (ns; None before the first), and what is held."""

    def __init__(self, max_jump_ns: int, confirmations: int) -> None:
        self._max_jump = max_jump_ns
        self._confirmations = confirmations
        self.latest: int | None = None
        self.held: list[HeldMessage] = []

    def pass_message(self, new: HeldMessage) -> tuple[list[HeldMessage], list[HeldMessage]]:
        """Takes the next message; returns what may go on, in order, and what nothing confirmed."""
        ts = new.message.ts
        jumps = self.latest is not None and ts > self.latest + self._max_jump
        tick = isinstance(new.message, ClockTick)
        if jumps and not tick and not self._confirmed_by(new.message):
            refused = self._age()
            self.held.append(new)
            return [], refused
        reached = ts + self._max_jump if jumps and not tick else ts
        passing = [*(h for h in self.held if h.message.ts <= reached), new]
        self.held = [h for h in self.held if h.message.ts > reached]
        furthest = max(p.message.ts for p in passing)
        self.latest = furthest if self.latest is None else max(self.latest, furthest)
        return passing, self._age()

    def _confirmed_by(self, message: Any) -> bool:
        """True when another message jumped about as far; the same one sent twice confirms nothing."""
        return any(abs(message.ts - h.message.ts) <= self._max_jump and message != h.message for h in self.held)

    def _age(self) -> list[HeldMessage]:
        for held in self.held:
            held.later += 1
        refused = [h for h in self.held if h.later >= self._confirmations]
        self.held = [h for h in self.held if h.later < self._confirmations]
        return refused

    def snapshot(self) -> dict[str, Any]:
        """Latest event time and held messages."""
        held = [(h.message, h.offset, h.timestamp, h.payload, h.later) for h in self.held]
        return {"latest": self.latest, "held": held}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Goes on from a snapshot."""
        self.latest = snapshot["latest"]
        self.held = [HeldMessage(*held) for held in snapshot["held"]]
