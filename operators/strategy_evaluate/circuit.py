"""The circuit breaker of one schedule in one key group, on event time alone (spec 3)."""

from __future__ import annotations

from dataclasses import dataclass

from operators.frames import BEGINNING


@dataclass(slots=True)
class Circuit:
    """Opens after ``limit`` errors in a row, until event time + ``open_ns``; then one evaluation decides.

    What is skipped while it is open is no error (spec 3, Defect), so it always gets its chance to close.
    """

    limit: int
    open_ns: int
    errors: int = 0
    open_until: int = BEGINNING

    @property
    def is_open(self) -> bool:
        """Open, or half-open once event time has reached ``open_until``."""
        return self.open_until != BEGINNING

    def success(self) -> bool:
        """Notes a good evaluation; True when that closes the circuit."""
        closes = self.is_open
        self.errors = 0
        self.open_until = BEGINNING
        return closes

    def failure(self, cycle: int) -> bool:
        """Notes an error at ``cycle``; True when that opens the circuit, or opens it again when it was half-open."""
        self.errors += 1
        if not self.is_open and self.errors < self.limit:
            return False
        self.open_until = cycle + self.open_ns
        return True
