"""Limits of the risk gate that a command may change at run time: name under ``guards`` -> column of the rules (spec 7).

A new limit is one line in :data:`RUN_TIME_LIMITS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from operators.portfolio.ledger import Rules
from schemas.configuration.base import seconds_to_nanoseconds


@dataclass(frozen=True, slots=True)
class RunTimeLimit:
    """Where a limit stands in the rules.

    Attributes:
        field: of :class:`Rules`.
        may_be_off: whether null is a value of it.
        in_seconds: configured in seconds, kept in ns.
    """

    field: str
    may_be_off: bool = True
    in_seconds: bool = False

    def value(self, given: float | None) -> float | int:
        """A value as the rules hold it; a limit that is off is beyond everything."""
        if self.in_seconds:
            return 2**62 if given is None else min(seconds_to_nanoseconds(given), 2**62)
        return np.inf if given is None else float(given)


RUN_TIME_LIMITS: Final[dict[str, RunTimeLimit]] = {
    "max_position": RunTimeLimit("max_position"),
    "max_symbol_notional": RunTimeLimit("max_notional"),
    "max_gross_exposure": RunTimeLimit("max_gross", may_be_off=False),
    "max_price_age_seconds": RunTimeLimit("max_age", in_seconds=True),
}


def limit_problem(name: str, value: float | None = 1.0) -> str | None:
    """What is wrong with a limit's name or value."""
    limit = RUN_TIME_LIMITS.get(name)
    if limit is None:
        return f"limit {name!r} is not one that a command may change; known: {', '.join(sorted(RUN_TIME_LIMITS))}"
    if value is None and not limit.may_be_off:
        return f"limit {name} cannot be off: give a value"
    return None


def with_limits(rules: Rules, limits: Mapping[str, float | None]) -> Rules:
    """The configured rules with what commands have set."""
    changed = {RUN_TIME_LIMITS[name].field: RUN_TIME_LIMITS[name].value(v) for name, v in sorted(limits.items())}
    return rules._replace(**changed)  # type: ignore[arg-type]
