"""A pod's own book: virtual quantities at a capital of 1.0, marked every cycle (spec 1 "Sizing chain", 5 "Book")."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from operators.compiled import compiled
from operators.conversion import BASE_CURRENCY, NO_CONVERSION
from operators.frames import Bool, Float64, Int64

DAY = 86_400_000_000_000
#: Entries of ``Book.scalars`` and ``Book.day``.
CASH, EQUITY, DAY_START_EQUITY = range(3)


class Book(NamedTuple):
    """State of a pod's book over its S symbols, changed in place.

    Attributes:
        quantity: [S] virtual units held.
        wanted: [S] units that the standing target asks for.
        due: [S] True where ``wanted`` still has to be filled at the next fresh bar.
        unsized: [S] True where a target came before the price or conversion that turns it into units.
        weight: [S] standing pod weight.
        last: [S] last close, NaN before the first.
        scalars: [3] cash, equity, equity at the start of the UTC day; a pod starts with 1.0 of each.
        day: [1] current UTC day since 1970, -1 before the first cycle.
    """

    quantity: Float64
    wanted: Float64
    due: Bool
    unsized: Bool
    weight: Float64
    last: Float64
    scalars: Float64
    day: Int64


class BookRules(NamedTuple):
    """Fixed settings: contract multiplier [S], place of the symbol that converts its currency [S] (or BASE_CURRENCY /
    NO_CONVERSION), cost [S] of a trade as a fraction of its notional, rebalance band."""

    multiplier: Float64
    conversion: Int64
    cost: Float64
    band: float


def new_book(symbols: int) -> Book:
    """A book that holds 1.0 in cash."""
    return Book(
        quantity=np.zeros(symbols),
        wanted=np.zeros(symbols),
        due=np.zeros(symbols, np.bool_),
        unsized=np.zeros(symbols, np.bool_),
        weight=np.zeros(symbols),
        last=np.full(symbols, np.nan),
        scalars=np.ones(3),
        day=np.full(1, -1, np.int64),
    )


@compiled
def roll_day(book: Book, cycle: int) -> tuple[bool, float]:
    """Starts a new UTC day on its first cycle; (True, simple return) when that completes a day before it.

    The return runs to the last close *before* the new day, so it must be called before the cycle is marked.
    """
    today = (cycle - 1) // DAY
    if book.day[0] == today:
        return False, 0.0
    first = book.day[0] < 0
    before = book.scalars[DAY_START_EQUITY]
    now = book.scalars[EQUITY]
    book.day[0] = today
    book.scalars[DAY_START_EQUITY] = now
    if first:
        return False, 0.0
    return True, now / before - 1.0 if before > 0.0 else 0.0


@compiled
def unit_cost(book: Book, rules: BookRules, symbol: int, price: float) -> float:
    """Notional of one unit at ``price`` in the portfolio's base currency; NaN when price or conversion is unknown."""
    quote = rules.conversion[symbol]
    if quote == BASE_CURRENCY:
        return float(price * rules.multiplier[symbol])
    return np.nan if quote == NO_CONVERSION else float(price * rules.multiplier[symbol] * book.last[quote])


@compiled
def fill_due(book: Book, rules: BookRules, opened: Float64, closed: Float64, fresh: Bool) -> None:
    """Fills what is due at the open of this cycle's fresh bars; costs are taken from cash."""
    for s in range(len(fresh)):
        if fresh[s] and book.due[s]:
            price = opened[s] if opened[s] > 0.0 else closed[s]
            traded = book.wanted[s] - book.quantity[s]
            notional = traded * unit_cost(book, rules, s, price)
            book.scalars[CASH] -= notional + abs(notional) * rules.cost[s]
            book.quantity[s] = book.wanted[s]
            book.due[s] = False


@compiled
def mark(book: Book, rules: BookRules, closed: Float64, fresh: Bool) -> None:
    """Marks the book to this cycle's closes."""
    for s in range(len(fresh)):
        if fresh[s]:
            book.last[s] = closed[s]
    equity = book.scalars[CASH]
    for s in range(len(fresh)):
        if book.quantity[s] != 0.0:
            equity += book.quantity[s] * unit_cost(book, rules, s, book.last[s])
    book.scalars[EQUITY] = equity


@compiled
def size(book: Book, rules: BookRules, symbol: int, changed: bool) -> None:
    """Computes ``wanted`` anew when the target changed or drifted out of the band; a moving price alone is no order."""
    value = unit_cost(book, rules, symbol, book.last[symbol])
    equity = book.scalars[EQUITY]
    ideal = 0.0
    if book.weight[symbol] != 0.0 and equity > 0.0:
        ideal = book.weight[symbol] * equity / value if value > 0.0 else np.nan
    if not np.isfinite(ideal):
        book.unsized[symbol] = book.unsized[symbol] or changed
        return
    changed = changed or book.unsized[symbol]
    book.unsized[symbol] = False
    if not changed:
        if rules.band <= 0.0 or ideal == 0.0 or abs(book.wanted[symbol] - ideal) <= rules.band * abs(ideal):
            return
    if ideal != book.wanted[symbol]:
        book.wanted[symbol] = ideal
        book.due[symbol] = True
