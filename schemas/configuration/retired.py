"""What is left of an earlier configuration: no document says it, the recovery folder keeps it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retired:
    """What a pod still holds of symbols that its configuration no longer trades; the pod itself may be gone from it.

    ``slippage_bps`` and ``max_leverage`` are the pod's last ones.
    """

    portfolio: str
    pod: str
    symbols: tuple[str, ...]
    slippage_bps: float
    max_leverage: float
