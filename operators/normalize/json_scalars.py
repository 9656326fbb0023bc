"""Compiled reading of plain JSON scalars out of a byte buffer.

Plain is what most producers write: ASCII strings without escapes, decimal numbers, no whitespace but spaces. Every
function answers with the place after what it read, or :data:`ELSEWHERE` for anything that is not plain; then msgspec
decides. So these functions may refuse what is good JSON, but never take what msgspec refuses or reads otherwise.

Places are addresses. They read an object that ends with a brace at ``end - 1``: numbers and spaces stop there by
themselves, strings look at ``end``. Eight bytes are looked at together, so :data:`BEYOND` bytes after ``end`` must be
readable.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from operators.normalize.byte_access import byte_at, lowest_byte, word_at

#: Instead of a place: msgspec has to read it.
ELSEWHERE = -1
BEYOND = 8
#: Instead of a word: longer than eight characters.
LONG = -1

QUOTE, SPACE, COMMA, COLON, BRACE_OPEN, BRACE_CLOSE = 0x22, 0x20, 0x2C, 0x3A, 0x7B, 0x7D
_MINUS, _PLUS, _POINT, _ZERO, _NINE, _E = 0x2D, 0x2B, 0x2E, 0x30, 0x39, 0x65
_WORD = 8

_ONES = 0x0101010101010101
_QUOTES, _BACKSLASHES, _SPACES = QUOTE * _ONES, 0x5C * _ONES, SPACE * _ONES
_HIGH_BITS = -0x7F7F7F7F7F7F7F80  # 0x80 in each byte
_ZEROS, _TO_HIGH_BIT = 0x30 * _ONES, 0x76 * _ONES  # what a digit's value plus 0x76 leaves alone

NULL = -1
#: What an integer field may hold.
LARGEST = 2**62
#: A number may grow by so many digits up to here without passing 2^62 by more than they hold.
_ROOM = np.array([LARGEST // 10**n for n in range(_WORD + 1)])
_TENS = np.array([10**n for n in range(_WORD + 1)])
_EXACT = 2**53
_POWERS = np.array([float(10**n) for n in range(23)])
_MOST_EXPONENT = 400


def word_of(text: str) -> int:
    """Up to eight ASCII characters as one number, as :func:`word` reads them; LONG for anything else."""
    return int.from_bytes(text.encode(), "little") if len(text) <= _WORD and text.isascii() else LONG


_TRUE, _FALSE, _NULL = word_of("true"), word_of("false"), word_of("null")
_FOUR, _FIVE = (1 << 32) - 1, (1 << 40) - 1


@njit(cache=True, forceinline=True)
def spaces(at: int) -> int:
    """The place of the first character that is no space."""
    while byte_at(at) == SPACE:
        at += 1
    return at


@njit(cache=True, forceinline=True)
def _ends(chunk: int) -> int:
    """A mark in the first byte that is no plain character of a string, and perhaps in later ones; 0 without any."""
    quote, backslash = chunk ^ _QUOTES, chunk ^ _BACKSLASHES
    marks = ((quote - _ONES) & ~quote) | ((backslash - _ONES) & ~backslash) | ((chunk - _SPACES) & ~chunk) | chunk
    return marks & _HIGH_BITS


@njit(cache=True, forceinline=True)
def string_end(at: int, end: int) -> int:
    """The place of the quote that ends a plain string whose characters begin at ``at``."""
    while at < end:
        marks = _ends(word_at(at))
        if marks:
            at += lowest_byte(marks)
            return at if at < end and byte_at(at) == QUOTE else ELSEWHERE
        at += _WORD
    return ELSEWHERE


@njit(cache=True, forceinline=True)
def word(at: int, end: int) -> tuple[int, int]:
    """A plain string of up to eight characters as a number, and the place after its closing quote."""
    chunk = word_at(at)
    marks = _ends(chunk)
    if marks:
        length = lowest_byte(marks)
        closing = at + length
        if closing < end and byte_at(closing) == QUOTE:
            return chunk & ((1 << (_WORD * length)) - 1), closing + 1
        return 0, ELSEWHERE
    closing = string_end(at + _WORD, end)
    if closing < 0:
        return 0, ELSEWHERE
    return (chunk if closing == at + _WORD else LONG), closing + 1


@njit(cache=True, forceinline=True)
def digits(at: int, value: int) -> tuple[int, int]:
    """``value`` continued by the digits from ``at`` on, up to eight at once; beyond 2^62 it is read elsewhere."""
    while True:
        chunk = word_at(at)
        marks = _no_digits(chunk)
        length = lowest_byte(marks) if marks else _WORD
        if value > _ROOM[length]:
            return value, ELSEWHERE
        if length == 0:
            return value, at
        # Shifted up, the digits end where eight would; what comes in below counts as zeros before them.
        value = value * _TENS[length] + _eight_digits(chunk << (8 * (_WORD - length)))
        at += length
        if length < _WORD:
            return value, at


@njit(cache=True, forceinline=True)
def _no_digits(chunk: int) -> int:
    """A mark in the first byte that is no digit, and perhaps in later ones; 0 without any."""
    values = chunk ^ _ZEROS
    return ((values + _TO_HIGH_BIT) | values) & _HIGH_BITS


@njit(cache=True, forceinline=True)
def _eight_digits(chunk: int) -> int:
    """The number that eight digits are: pairs, then fours, then all."""
    pairs = ((chunk & (0x0F * _ONES)) * 2561) >> 8
    fours = ((pairs & 0x00FF00FF00FF00FF) * 6553601) >> 16
    return ((fours & 0x0000FFFF0000FFFF) * 42949672960001) >> 32


@njit(cache=True, forceinline=True)
def integer(at: int) -> tuple[int, int]:
    """A whole number without a sign or leading zeros."""
    first = byte_at(at)
    if first == _ZERO:
        return 0, (ELSEWHERE if _ZERO <= byte_at(at + 1) <= _NINE else at + 1)
    if first < _ZERO or first > _NINE:
        return 0, ELSEWHERE
    return digits(at, 0)


@njit(cache=True, forceinline=True)
def _exponent(at: int) -> tuple[int, int]:
    """A signed exponent, its sign at ``at``."""
    negative = byte_at(at) == _MINUS
    if negative or byte_at(at) == _PLUS:
        at += 1
    value, after = digits(at, 0)
    if after <= at or value > _MOST_EXPONENT:
        return 0, ELSEWHERE
    return (-value if negative else value), after


@njit(cache=True, forceinline=True)
def number(at: int) -> tuple[float, int]:
    """A decimal number without a sign as the double nearest to it.

    A mantissa up to 2^53 and a power of ten up to 10^22 are doubles themselves, so that one operation rounds once
    (Clinger, "How to read floating point numbers accurately"). Others are read elsewhere.
    """
    first = byte_at(at)
    start = at
    mantissa, at = digits(at, 0)
    if at <= start or (first == _ZERO and at > start + 1):
        return 0.0, ELSEWHERE
    power = 0
    if byte_at(at) == _POINT:
        start = at + 1
        mantissa, at = digits(start, mantissa)
        if at <= start:
            return 0.0, ELSEWHERE
        power = start - at
    if byte_at(at) | 0x20 == _E:
        shift, at = _exponent(at + 1)
        if at < 0:
            return 0.0, ELSEWHERE
        power += shift
    if mantissa > _EXACT or power > 22 or power < -22:
        return 0.0, ELSEWHERE
    if power < 0:
        return mantissa / _POWERS[-power], at
    return mantissa * _POWERS[power], at


@njit(cache=True, forceinline=True)
def literal(at: int) -> tuple[int, int]:
    """``true`` as 1, ``false`` as 0, or NULL."""
    chunk = word_at(at)
    if chunk & _FOUR == _TRUE:
        return 1, at + 4
    if chunk & _FOUR == _NULL:
        return NULL, at + 4
    if chunk & _FIVE == _FALSE:
        return 0, at + 5
    return 0, ELSEWHERE


@njit(cache=True, forceinline=True)
def skipped(at: int, end: int) -> int:
    """The place after a scalar that nobody reads."""
    first = byte_at(at)
    if first == QUOTE:
        closing = string_end(at + 1, end)
        return ELSEWHERE if closing < 0 else closing + 1
    if first == _MINUS or _ZERO <= first <= _NINE:
        _, at = integer(at + 1 if first == _MINUS else at)
        if at > 0 and byte_at(at) == _POINT:
            start = at + 1
            _, at = digits(start, 0)
            if at == start:
                return ELSEWHERE
        return at
    _, at = literal(at)
    return at
