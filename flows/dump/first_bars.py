"""Instruments as a symbol's first bars show them: nothing later may be known (no look-ahead)."""

from __future__ import annotations

import math
from decimal import Decimal

from flows.dump.manifest import Instrument
from operators.frames import Float64

#: Bars that tick and lot are read from.
FIRST_BARS = 100
#: More digits than a price can mean: adjusted prices carry noise of the division.
_SIGNIFICANT = 9
_QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USD", "EUR", "GBP", "JPY", "TRY", "BTC", "ETH", "BNB")


def instrument_from(symbol: str, interval: str, closes: int, prices: Float64, volume: Float64 | None) -> Instrument:
    """The instrument of a symbol.

    Args:
        symbol: its name.
        interval: bar interval, such as "1h".
        closes: event time (ns) of the first bar.
        prices: [n, 4] OHLC of the first bars, at most :data:`FIRST_BARS`.
        volume: [n] their volume; None where the data has none.
    """
    usable = prices[(prices > 0).all(axis=1)]
    middle = float(sorted(usable[:, 3].tolist())[len(usable) // 2]) if len(usable) else 1.0
    return Instrument(
        symbol=symbol,
        tick=_tick(usable, middle),
        lot=_lot(middle, volume),
        interval=interval,
        listed_from=closes,
        participation=volume is not None,
        currency=quote_asset(symbol),
    )


def _tick(prices: Float64, middle: float) -> float:
    """Smallest decimal step in which the prices are written, at most nine significant digits below the price."""
    finest = max((_decimals(price) for price in sorted(set(prices.ravel().tolist()))), default=2)
    magnitude = math.floor(math.log10(middle))
    return _power_of_ten(-min(finest, _SIGNIFICANT - 1 - magnitude))


def _lot(middle: float, volume: Float64 | None) -> float:
    """A power of ten, at most 1: the step of the volumes, but no coarser than ten units of the quote currency."""
    by_price = max(0, math.floor(math.log10(middle)))
    if volume is None:
        return _power_of_ten(-by_price)
    decimals = max((_decimals(size) for size in sorted(set(volume.tolist())) if math.isfinite(size)), default=0)
    return _power_of_ten(-max(min(decimals, 8), by_price))


def _decimals(value: float) -> int:
    exponent = Decimal(repr(value)).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _power_of_ten(exponent: int) -> float:
    return float(f"1e{exponent}")


def quote_asset(symbol: str) -> str:
    """Quote asset of a pair (``BTCUSDT``, ``BTC/USDT``, ``BTC-USD``); USD where the symbol names none."""
    for separator in "/-_":
        base, _, quote = symbol.partition(separator)
        if base and quote.split(":")[0].upper() in _QUOTES:
            return quote.split(":")[0].upper()
    for quote in _QUOTES:
        if symbol.upper().endswith(quote) and len(symbol) >= len(quote) + 2:
            return quote
    return "USD"
