"""The row type that market records decode to, and the faults of single rows (spec 2)."""

from __future__ import annotations

from itertools import chain
from operator import attrgetter
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from operators.frames import BAR, CLOSE, HIGH, LOW, OPEN, OTHER, QUOTE, TICK, TRADE, TS, VOLUME, Bool, Float64, Int64
from schemas.reasons import Reason

_NAN = float("nan")
_Long = Annotated[int, Meta(ge=0, le=2**62)]


class MarketRow(msgspec.Struct, gc=False):
    """A bar or tick; every field has a default, so that one type decodes both. Absence is found on the columns."""

    type: str = "bar"
    symbol: str = ""
    ts: _Long = 0
    open: float | None = _NAN
    high: float | None = _NAN
    low: float | None = _NAN
    close: float | None = _NAN
    volume: float | None = _NAN
    interval: str = ""
    seq: _Long = 0
    final: bool = True
    v: _Long = 1


class QuoteRow(msgspec.Struct, gc=False):
    """What a quote or trade has beyond :class:`MarketRow`."""

    bid: float | None = _NAN
    ask: float | None = _NAN
    bid_size: float | None = _NAN
    ask_size: float | None = _NAN
    price: float | None = _NAN
    size: float | None = _NAN


MARKET_ROWS = msgspec.json.Decoder(MarketRow)
QUOTE_ROWS = msgspec.json.Decoder(QuoteRow)
KINDS = {"bar": BAR, "quote": QUOTE, "trade": TRADE, "clock_tick": TICK, "symbol_event": OTHER}

#: What a row is apart from its values: (type, version, final, interval).
shape_of = attrgetter("type", "v", "final", "interval")
_VALUES = attrgetter("open", "high", "low", "close", "volume")
_PRICES = (("open", OPEN), ("high", HIGH), ("low", LOW), ("close", CLOSE))
_KNOWN_FIELDS = frozenset(
    (
        *MarketRow.__struct_fields__,
        *QuoteRow.__struct_fields__,
        *("vwap", "trades", "venue", "event", "body", "traceparent"),
    )
)


def bar_values(rows: list[MarketRow]) -> Float64:
    """[5, n] prices and volume; NaN for absent and null."""
    try:
        flat = np.fromiter(chain.from_iterable(map(_VALUES, rows)), np.float64, 5 * len(rows))
    except TypeError:
        flat = np.array([*chain.from_iterable(map(_VALUES, rows))], np.float64)
    return np.ascontiguousarray(flat.reshape(-1, 5).T)


def quote_values(payload: bytes, kind: int) -> Float64:
    """[5] columns of a quote or trade as MarketBlock lays them out; raises msgspec.ValidationError."""
    quote = QUOTE_ROWS.decode(payload)
    values = np.full(5, _NAN)
    if kind == TRADE:
        values[CLOSE], values[VOLUME] = _or_nan(quote.price), _or_nan(quote.size)
    else:
        values[LOW], values[HIGH] = _or_nan(quote.bid), _or_nan(quote.ask)
        values[OPEN], values[CLOSE] = _or_nan(quote.bid_size), _or_nan(quote.ask_size)
    return values


def plausible_bars(values: Float64) -> Bool:
    """[n] True where a bar's prices are positive and finite, fit together, and its volume is absent or not negative."""
    prices, volume = values[:4], values[VOLUME]
    low, high = np.minimum(values[OPEN], values[CLOSE]), np.maximum(values[OPEN], values[CLOSE])
    good: Bool = np.all((prices > 0) & (prices < np.inf), axis=0)
    good &= (values[LOW] <= low) & (values[HIGH] >= high)
    good &= np.isnan(volume) | ((volume >= 0) & (volume < np.inf))
    return good


def row_fault(kind: int, integers: Int64, values: Float64) -> tuple[Reason, str]:
    """Why the values of a row cannot be used, or NONE."""
    if int(integers[TS]) == 0:
        return Reason.INPUT_SCHEMA, "`ts` is missing or 0"
    if kind == BAR:
        return _bar_fault(values)
    if kind == QUOTE:
        return _quote_fault(values)
    if kind == TRADE:
        return _trade_fault(float(values[CLOSE]), float(values[VOLUME]))
    return Reason.NONE, ""


def _bar_fault(values: Float64) -> tuple[Reason, str]:
    for name, column in _PRICES:
        value = float(values[column])
        if np.isnan(value):
            return Reason.INPUT_SCHEMA, f"`{name}` is missing"
        if not 0 < value < np.inf:
            return Reason.INPUT_BAD_PRICE, f"{name} {value} must be positive and finite"
    opened, high, low, close = (float(values[c]) for _, c in _PRICES)
    if low > min(opened, close) or high < max(opened, close):
        return Reason.INPUT_BAD_RANGE, f"open {opened}, high {high}, low {low}, close {close} do not fit together"
    volume = float(values[VOLUME])
    if not (np.isnan(volume) or 0 <= volume < np.inf):
        return Reason.INPUT_BAD_VOLUME, f"volume {volume} must be finite and not negative"
    return Reason.NONE, ""


def _quote_fault(values: Float64) -> tuple[Reason, str]:
    bid, ask = float(values[LOW]), float(values[HIGH])
    if np.isnan(bid) or np.isnan(ask):
        return Reason.INPUT_SCHEMA, "`bid` or `ask` is missing"
    if not (0 < bid < np.inf and 0 < ask < np.inf):
        return Reason.INPUT_BAD_PRICE, f"bid {bid} and ask {ask} must be positive and finite"
    if bid > ask:
        return Reason.INPUT_CROSSED_QUOTE, f"bid {bid} is above ask {ask}"
    if not all(np.isnan(s) or 0 <= s < np.inf for s in (float(values[OPEN]), float(values[CLOSE]))):
        return Reason.INPUT_BAD_VOLUME, "a quoted size is negative or not finite"
    return Reason.NONE, ""


def _trade_fault(price: float, size: float) -> tuple[Reason, str]:
    if np.isnan(price) or np.isnan(size):
        return Reason.INPUT_SCHEMA, "`price` or `size` is missing"
    if not 0 < price < np.inf:
        return Reason.INPUT_BAD_PRICE, f"price {price} must be positive and finite"
    if not 0 <= size < np.inf:
        return Reason.INPUT_BAD_VOLUME, f"size {size} must be finite and not negative"
    return Reason.NONE, ""


def count_unknown_fields(payload: bytes) -> int:
    """How many fields of a good payload no market message has; 0 where an ignored one cannot be read."""
    try:
        return sum(1 for key in msgspec.json.decode(payload) if key not in _KNOWN_FIELDS)
    except msgspec.MsgspecError:
        return 0


def _or_nan(value: float | None) -> float:
    return _NAN if value is None else value
