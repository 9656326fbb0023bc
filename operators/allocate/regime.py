"""The market's regime and fragility, from the overlay topic: how much room the portfolio has (spec 6, seed 002).

The multiplier scales the pods' fractions, the budget scales ``max_gross_leverage`` (over all symbols of a cycle), the
capacity scales every envelope and the guards' caps per symbol. Each is applied once, to what it was before any regime.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from operators.frames import BEGINNING
from schemas.configuration.base import seconds_to_nanoseconds
from schemas.configuration.capital_limits import Regime

#: From the most to the least room.
FRAGILITY_STATES = ("normal", "elevated", "stress", "crisis")
_KEYS = {"label", "posterior", "fragility"}


@dataclass(slots=True, frozen=True)
class RegimeRoom:
    """What the regime leaves: factors of fractions, of gross leverage and of caps per symbol, and the part of a bar's
    volume that an order may take. In a crisis only reductions pass."""

    label: str = ""
    posterior: float | None = None
    state: str = "normal"
    multiplier: float = 1.0
    budget: float = 1.0
    capacity: float = 1.0
    participation: float = 1.0

    @property
    def crisis(self) -> bool:
        """True when what increases risk is rejected."""
        return self.state == "crisis"

    def document(self) -> dict[str, Any]:
        """For the trace."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


class RegimeState:
    """The last usable update of a portfolio; without a configuration everything is neutral."""

    def __init__(self, rules: Regime | None) -> None:
        self._rules = rules
        self._label, self._state = "", "elevated"
        self._posterior: float | None = None
        self._at = BEGINNING

    def note(self, body: dict[str, Any], effective: int) -> str | None:
        """Takes an update's body: ``label``, and if known ``posterior`` and ``fragility``; the fault when it cannot be
        used. Without a configuration nothing is done with it."""
        if self._rules is None:
            return None
        fault = _fault(body)
        if fault is None:
            self._label, self._posterior = body["label"], body.get("posterior")
            given = body.get("fragility")
            # What nobody told us of is not normal.
            self._state = given if given in FRAGILITY_STATES else "elevated"
            self._at = effective
        return fault

    def expires(self) -> int | None:
        """When the last update is too old; None when it never is."""
        if self._rules is None or self._rules.max_age_seconds is None or self._at == BEGINNING:
            return None
        return self._at + seconds_to_nanoseconds(self._rules.max_age_seconds) + 1

    def room(self, now: int) -> RegimeRoom:
        """What the regime leaves at ``now``. An update that is too old says nothing good any more: the state is the
        worse of its own and ``elevated``, the multiplier at most the default."""
        rules = self._rules
        if rules is None:
            return RegimeRoom()
        expiry = self.expires()
        stale = expiry is not None and now >= expiry
        multiplier = rules.multipliers.get(self._label, rules.default)
        if self._posterior is not None and self._posterior < rules.min_posterior:
            multiplier *= rules.low_posterior_factor
        state = self._state
        if stale:
            multiplier = min(multiplier, rules.default)
            state = max(state, "elevated", key=FRAGILITY_STATES.index)
        fragility = getattr(rules.fragility, state)
        return RegimeRoom(
            self._label, self._posterior, state, multiplier,
            fragility.budget, fragility.capacity, fragility.participation,
        )  # fmt: skip

    def snapshot(self) -> tuple[str, float | None, str, int]:
        """The last update."""
        return self._label, self._posterior, self._state, self._at

    def restore(self, snapshot: tuple[str, float | None, str, int]) -> None:
        """Goes on from a snapshot."""
        self._label, self._posterior, self._state, self._at = snapshot


def _fault(body: dict[str, Any]) -> str | None:
    unknown = sorted(set(body) - _KEYS)
    if unknown:
        return f"unknown: {', '.join(unknown)}"
    if not isinstance(body.get("label"), str):
        return "label: a text is needed"
    posterior = body.get("posterior")
    if posterior is not None and not (
        isinstance(posterior, int | float) and not isinstance(posterior, bool) and 0 <= posterior <= 1
        and math.isfinite(posterior)
    ):  # fmt: skip
        return f"posterior: {posterior!r} is not within 0..1"
    if not isinstance(body.get("fragility"), str | None):
        return "fragility: a text is needed"
    return None
