"""What a session's crash and invariance tests went through, for one line at its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final


@dataclass(slots=True)
class Tally:
    """Kills that fell in the middle of the log, crash points that fired, shapes that ran, hashes that came out."""

    kills: int = 0
    points: set[str] = field(default_factory=set)
    shapes: set[tuple[object, ...]] = field(default_factory=set)
    hashes: set[str] = field(default_factory=set)

    def line(self) -> str:
        """All of it; one hash is what must come out."""
        return (
            f"{self.kills} kills in the middle of the log, {len(self.points)} named points hit"
            f" ({', '.join(sorted(self.points))}), {len(self.shapes)} shapes,"
            f" {len(self.hashes)} decision hash(es): {', '.join(sorted(h[:16] for h in self.hashes))}"
        )


TALLY: Final = Tally()
