"""When a resting order trades, at what price and how much of it (spec 9, "Paper execution ships")."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

#: A quantity this close below a whole number of lots counts as whole.
_SLACK = 1e-9


@dataclass(slots=True)
class RestingOrder:
    """An order that the venue has accepted.

    ``left`` is what has not traded, in units; ``wait`` how many market cycles of the symbol pass before it may trade;
    ``executions`` how many fills it had.
    """

    client_order_id: str
    symbol: str
    side: Literal["buy", "sell"]
    left: float
    limit: float | None
    time_in_force: Literal["day", "gtc", "ioc"]
    day: int
    wait: int
    executions: int = 0

    @property
    def sign(self) -> float:
        """1 for a buy, -1 for a sell."""
        return 1.0 if self.side == "buy" else -1.0


@dataclass(slots=True, frozen=True)
class SymbolMarket:
    """A symbol in one cycle: prices of the bar, and what of its volume the venue gives (infinite without a limit)."""

    open: float
    close: float
    available: float


def trade_price(order: RestingOrder, market: SymbolMarket, slippage: float) -> float | None:
    """The price at which the order trades in this bar, None when it does not.

    A market order takes the bar's open (its close where there is none), made worse by ``slippage`` (a fraction). A
    limit order trades when open or close reaches its limit, never at a worse price. What happened between open and
    close is not looked at: a limit that was only touched inside the bar does not count as filled.
    """
    first = market.open if market.open > 0.0 else market.close
    if order.limit is None:
        return first * (1.0 + order.sign * slippage)
    limit, sign = order.limit, order.sign
    if (first - limit) * sign <= 0.0:
        worse = first * (1.0 + sign * slippage)
        return worse if (worse - limit) * sign <= 0.0 else limit
    return limit if (market.close - limit) * sign <= 0.0 else None


def whole_lots(quantity: float, lot: float) -> float:
    """``quantity`` (units) cut to whole lots."""
    return math.floor(quantity / lot + _SLACK) * lot


def trade_quantity(order: RestingOrder, market: SymbolMarket, lot: float) -> float:
    """How much of the order trades, in units: all of it, or what the bar's volume leaves, in whole lots."""
    if market.available >= order.left:
        return order.left
    return max(whole_lots(market.available, lot), 0.0)
