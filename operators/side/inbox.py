"""Side messages on their way to a stage: due in the first cycle T with T - side_lag >= e."""

from __future__ import annotations

from typing import Any

from operators.frames import BEGINNING, SideFrame, SideMessage
from operators.plan import Plan
from schemas.configuration.base import seconds_to_nanoseconds

#: Order of topics within one cycle.
_PRECEDENCE = {"control": 0, "fills": 1, "overlay": 2, "signals": 3}


def side_partitions(plan: Plan, topics: tuple[str, ...]) -> tuple[str, ...]:
    """Upstream names of the configured side partitions of ``topics``; one that is not configured counts as closed."""
    names: list[str] = []
    for topic in topics:
        settings = getattr(plan.configuration.topics, topic)
        if settings is not None:
            names += [f"{topic}-{p}" for p in range(settings.partitions)]
    return tuple(names)


class SideInbox:
    """Messages that wait for their cycle."""

    def __init__(self, plan: Plan) -> None:
        self._cycle = plan.cycle_ns
        self._lag = seconds_to_nanoseconds(plan.configuration.time.side_lag_seconds)
        # A paper venue answers the end of a cycle, and its answer takes effect in the next one.
        modes = {p.configuration.execution.mode for p in plan.portfolios}
        self._fills_lag = plan.cycle_ns if "paper_venue" in modes else self._lag
        self._waiting: list[SideMessage] = []

    def closed_to(self, frame: SideFrame) -> int:
        """The last cycle T whose side messages of this partition are all here: T - side_lag <= passed."""
        if frame.passed == BEGINNING:
            return BEGINNING
        return (frame.passed + self._lag) // self._cycle * self._cycle

    def add(self, frame: SideFrame) -> None:
        """Keeps a frame's messages until they are due."""
        self._waiting += frame.messages

    def cycle_of(self, message: SideMessage) -> int:
        """The cycle in which a message takes effect."""
        lag = self._fills_lag if message.topic == "fills" else self._lag
        return -(-(message.effective + lag) // self._cycle) * self._cycle

    def first_cycle(self) -> int | None:
        """The earliest cycle in which a waiting message takes effect."""
        return min((self.cycle_of(m) for m in self._waiting), default=None)

    def take(self, to_cycle: int) -> list[tuple[int, SideMessage]]:
        """(cycle, message) of everything due by ``to_cycle``, in the order in which it applies."""
        due = [(self.cycle_of(m), m) for m in self._waiting]
        self._waiting = [m for c, m in due if c > to_cycle]
        ready = [(c, m) for c, m in due if c <= to_cycle]
        ready.sort(key=lambda d: (d[0], _PRECEDENCE[d[1].topic], d[1].effective, d[1].partition, d[1].offset))
        return ready

    def snapshot(self) -> list[Any]:
        """The waiting messages."""
        return [(m.effective, m.topic, m.partition, m.offset, m.late, m.message) for m in self._waiting]

    def restore(self, snapshot: list[Any]) -> None:
        """Goes on from a snapshot."""
        self._waiting = [SideMessage(*saved) for saved in snapshot]
