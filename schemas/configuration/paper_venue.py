"""Settings of the paper venue (spec 9, "Paper execution ships"); none of them is part of a decision of the flow."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schemas.configuration.base import NonNegativeFloat, Section, SymbolName, UnitFraction


class VenueFaults(Section):
    """What goes wrong, each as a share of all cases, drawn from the venue's seed and the order's id.

    ``reject`` refuses an order; ``duplicate`` repeats a fill with the same execution id; ``late`` holds a fill back for
    ``late_answers`` cycles; ``overfill`` adds a lot to an order's last fill; ``unknown`` reports a fill of an order
    that nobody sent; ``disorder`` tells a fill before the acceptance that it follows. Orders in ``silent`` symbols are
    never answered.
    """

    reject: UnitFraction = 0.0
    duplicate: UnitFraction = 0.0
    late: UnitFraction = 0.0
    late_answers: Annotated[int, Field(ge=1, le=1000)] = 3
    overfill: UnitFraction = 0.0
    unknown: UnitFraction = 0.0
    disorder: UnitFraction = 0.0
    silent: list[SymbolName] = []


class PaperVenueService(Section):
    """How the paper venue trades.

    ``latency_cycles`` is how many bars of the symbol pass before a new order may trade; 0 is the next one.
    ``participation`` is the part of a bar's volume that all orders of a portfolio may take together; null is no limit,
    and a symbol without volume has none.
    """

    seed: Annotated[int, Field(ge=0)] = 7
    slippage_bps: NonNegativeFloat = 5.0
    latency_cycles: Annotated[int, Field(ge=0, le=1000)] = 0
    participation: Annotated[float, Field(gt=0, le=1)] | None = None
    faults: VenueFaults = VenueFaults()
