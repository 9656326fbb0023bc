"""Internal execution for a configuration that was made for a venue (design, "What-if")."""

from __future__ import annotations

from typing import Any

from schemas.configuration import Configuration, parse_configuration
from schemas.configuration.portfolio import InternalPaper

_KEPT = ("account", "order_type", "time_in_force")


def internally_filled(configuration: Configuration, source: str = "configuration") -> Configuration:
    """The configuration with every portfolio filling its own orders, and without the fills topic.

    A portfolio that traded at a venue gets the paper venue's slippage; account, order type and time in force stay.
    Nothing is served or kept by such a run, and nothing runs beside it: metrics address, recovery folder and shadow are
    left out.
    """
    document = configuration.model_dump(mode="json", exclude_unset=True)
    if configuration.topics.fills is not None:
        document["topics"]["fills"] = None
    for portfolio, written in zip(configuration.portfolios, document["portfolios"], strict=True):
        if not isinstance(portfolio.execution, InternalPaper):
            slippage = configuration.paper_venue.slippage_bps
            kept: dict[str, Any] = {name: getattr(portfolio.execution, name) for name in _KEPT}
            written["execution"] = {"mode": "internal_paper", "slippage_bps": slippage, **kept}
    document.pop("shadow", None)
    for name in ("metrics_address", "recovery_directory"):
        document.get("runtime", {}).pop(name, None)
    return parse_configuration(document, source)
