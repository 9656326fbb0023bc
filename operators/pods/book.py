"""A pod's own book: virtual quantities at a capital of 1.0, marked every cycle (spec 1 "Sizing chain", 5 "Book")."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

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
        weight: [S] standing pod weight.
        last: [S] last close, NaN before the first.
        scalars: [3] cash, equity, equity at the start of the UTC day; a pod starts with 1.0 of each.
        day: [1] current UTC day since 1970, -1 before the first cycle.
    """

    quantity: Float64
    wanted: Float64
    due: Bool
    weight: Float64
    last: Float64
    scalars: Float64
    day: Int64


class BookRules(NamedTuple):
    """Fixed settings: contract multiplier [S], cost [S] of a trade as a fraction of its notional, rebalance band."""

    multiplier: Float64
    cost: Float64
    band: float


def new_book(symbols: int) -> Book:
    """A book that holds 1.0 in cash."""
    return Book(
        quantity=np.zeros(symbols),
        wanted=np.zeros(symbols),
        due=np.zeros(symbols, np.bool_),
        weight=np.zeros(symbols),
        last=np.full(symbols, np.nan),
        scalars=np.ones(3),
        day=np.full(1, -1, np.int64),
    )


@njit(cache=True)
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


@njit(cache=True)
def fill_due(book: Book, rules: BookRules, opened: Float64, closed: Float64, fresh: Bool) -> None:
    """Fills what is due at the open of this cycle's fresh bars; costs are taken from cash."""
    for s in range(len(fresh)):
        if fresh[s] and book.due[s]:
            price = opened[s] if opened[s] > 0.0 else closed[s]
            traded = book.wanted[s] - book.quantity[s]
            notional = traded * price * rules.multiplier[s]
            book.scalars[CASH] -= notional + abs(notional) * rules.cost[s]
            book.quantity[s] = book.wanted[s]
            book.due[s] = False


@njit(cache=True)
def mark(book: Book, rules: BookRules, closed: Float64, fresh: Bool) -> None:
    """Marks the book to this cycle's closes."""
    equity = book.scalars[CASH]
    for s in range(len(fresh)):
        if fresh[s]:
            book.last[s] = closed[s]
        if book.quantity[s] != 0.0:
            equity += book.quantity[s] * book.last[s] * rules.multiplier[s]
    book.scalars[EQUITY] = equity


@njit(cache=True)
def size(book: Book, rules: BookRules, symbol: int, changed: bool) -> None:
    """Computes ``wanted`` anew when the target changed or drifted out of the band; a moving price alone is no order."""
    price = book.last[symbol]
    if not price > 0.0:
        return
    equity = book.scalars[EQUITY]
    ideal = book.weight[symbol] * equity / (price * rules.multiplier[symbol]) if equity > 0.0 else 0.0
    if not changed:
        if rules.band <= 0.0 or ideal == 0.0 or abs(book.wanted[symbol] - ideal) <= rules.band * abs(ideal):
            return
    if ideal != book.wanted[symbol]:
        book.wanted[symbol] = ideal
        book.due[symbol] = True
