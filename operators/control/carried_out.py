"""Ids of commands that were carried out: each counts once, and memory is bounded (spec 13).

An id is kept for a window after its command's own time (``ts``, or a later ``effective_at``). A command that is older
than the window when its cycle comes is refused, so that one whose id was forgotten can never come again.
"""

from __future__ import annotations

from schemas.messages import ControlCommand


def moment(command: ControlCommand) -> int:
    """A command's own time in UTC ns."""
    return max(command.ts, command.effective_at or 0)


class CarriedOut:
    """Remembered ids with their time; ``window`` in ns."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._moments: dict[str, int] = {}

    def __contains__(self, command: ControlCommand) -> bool:
        return command.id in self._moments

    def __len__(self) -> int:
        return len(self._moments)

    def is_too_old(self, command: ControlCommand, cycle: int) -> bool:
        """True when an earlier one with this id might have been forgotten."""
        return cycle > moment(command) + self._window

    def add(self, command: ControlCommand, cycle: int) -> None:
        """Remembers a command of ``cycle``, and forgets what would be refused for its age from now on."""
        self._moments = {i: m for i, m in self._moments.items() if m + self._window >= cycle}
        self._moments[command.id] = moment(command)

    def snapshot(self) -> list[tuple[str, int]]:
        """(id, time) in the order in which they came."""
        return list(self._moments.items())

    def restore(self, snapshot: list[tuple[str, int]]) -> None:
        """Goes on from a snapshot."""
        self._moments = dict(snapshot)
