"""Which symbol converts a symbol's currency into the portfolio's base currency (spec 1, "Reference data")."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from operators.frames import Int32, Int64

if TYPE_CHECKING:
    from operators.plan import Plan
    from schemas.configuration.portfolio import Portfolio

#: Place of a symbol in base currency, and of one whose currency has no conversion symbol: that one fails closed.
BASE_CURRENCY, NO_CONVERSION = -1, -2


def conversion_places(plan: Plan, configuration: Portfolio, symbols: Int32) -> Int64:
    """[S] where in ``symbols`` (global, ascending) the converting symbol stands, or BASE_CURRENCY / NO_CONVERSION."""
    places = np.full(len(symbols), BASE_CURRENCY, np.int64)
    for place, symbol in enumerate(symbols.tolist()):
        currency = plan.instruments[symbol].currency
        if currency not in ("", configuration.base_currency):
            quote = plan.symbol_index.get(configuration.conversions.get(currency, ""), -1)
            found = np.flatnonzero(symbols == quote)
            places[place] = found[0] if len(found) else NO_CONVERSION
    return places
