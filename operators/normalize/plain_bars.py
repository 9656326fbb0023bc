"""The compiled decoder of plain bars: flat JSON objects with nothing wrong about them (spec 2).

Nearly every record of a market topic is one. What is not plainly a good bar of this key group is left to
:mod:`operators.normalize.typed_decode`, which gives a plain bar the same columns: which of the two reads a record never
shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from operators.frames import CLOSE, HIGH, INTERVAL, LOW, OPEN, RECORD_TS, SEQ, SYMBOL, TS, VOLUME, Float64, Int64
from operators.normalize.byte_access import address_of, byte_at, word_at
from operators.normalize.json_scalars import (
    BEYOND,
    BRACE_CLOSE,
    BRACE_OPEN,
    COLON,
    COMMA,
    ELSEWHERE,
    LARGEST,
    LONG,
    NULL,
    QUOTE,
    integer,
    literal,
    number,
    skipped,
    spaces,
    string_end,
    word,
    word_of,
)
from operators.payloads import Bytes, Payloads
from schemas.messages import SCHEMA_VERSION

#: Verdicts: left to the typed decoder; decoded; plain and good, but still forming, so it counts for nothing.
LEFT, DECODED, FORMING = 0, 1, 2

# The first five fields are numbered as the rows of ``MarketBlock.floats``.
_TS, _SEQ, _SYMBOL, _INTERVAL, _FINAL, _TYPE, _V = range(5, 12)
_UNKNOWN, _END = -1, 12
_NEEDED = sum(1 << field for field in (OPEN, HIGH, LOW, CLOSE, _SYMBOL, _TS))

_Bar = tuple[int, int, int, int, int, float, float, float, float, float]

_K_OPEN, _K_HIGH, _K_LOW, _K_CLOSE, _K_VOLUME = (word_of(k) for k in ("open", "high", "low", "close", "volume"))
_K_SYMBOL, _K_TS, _K_SEQ, _K_INTERVAL = (word_of(k) for k in ("symbol", "ts", "seq", "interval"))
_K_FINAL, _K_TYPE, _K_V, _BAR = (word_of(k) for k in ("final", "type", "v", "bar"))

# As signed numbers: compiled code multiplies them modulo 2^64 all the same.
_FNV_OFFSET, _FNV_PRIME = 0xCBF29CE484222325 - 2**64, 0x100000001B3


class BarRules(NamedTuple):
    """What a key group's bars are checked against, fixed for a run.

    Attributes:
        slots: [H] open hash table over symbol names: place within the group + 1, or 0; H is a power of two.
        text: the names behind each other; ``text_bounds`` [n + 1] where each begins and ends.
        interval_words, interval_indices: [k] names of intervals as words, and their places in the plan.
        default_interval: the interval of a bar that names none.
        max_bytes: longest payload.
        max_future: how far a bar may be ahead of its record timestamp, in ns.
    """

    slots: Int64
    text: Bytes
    text_bounds: Int64
    interval_words: Int64
    interval_indices: Int64
    default_interval: int
    max_bytes: int
    max_future: int

    @staticmethod
    def of(
        symbols: Sequence[str], intervals: Sequence[str], default_interval: int, max_bytes: int, max_future: int
    ) -> BarRules:
        """Rules for the symbols of a group and the intervals of the plan."""
        names = Payloads.of([name.encode() for name in symbols])
        slots = np.zeros(max(8, 1 << (4 * len(symbols)).bit_length()), np.int64)
        _fill(slots, names.data, names.bounds)
        words = [(word_of(name), n) for n, name in enumerate(intervals) if word_of(name) != LONG]
        pairs = np.array([(word_of(""), default_interval), *words], np.int64)
        return BarRules(
            slots, names.data, names.bounds, pairs[:, 0].copy(), pairs[:, 1].copy(), default_interval, max_bytes,
            max_future,
        )  # fmt: skip


def scan_bars(payloads: Payloads, rules: BarRules, integers: Int64, floats: Float64) -> np.ndarray:
    """Decodes plain bars into their columns of ``integers`` [9, n] and ``floats`` [5, n].

    RECORD_TS must be filled in; SYMBOL, TS, INTERVAL, SEQ and the floats are set where the verdict is DECODED. Returns
    a verdict a record: LEFT, DECODED or FORMING.
    """
    verdicts = np.empty(len(payloads), np.int8)
    _scan(payloads.data, payloads.bounds, rules, integers, floats, verdicts)
    return verdicts


class _Names(NamedTuple):
    """Addresses of what a record's names are looked up in; see :class:`BarRules`."""

    slots: int
    mask: int
    text: int
    text_bounds: int
    interval_words: int
    interval_indices: int
    intervals: int
    default_interval: int


@njit(cache=True)
def _scan(data: Bytes, bounds: Int64, rules: BarRules, integers: Int64, floats: Float64, verdicts: np.ndarray) -> None:
    names = _Names(
        address_of(rules.slots),
        len(rules.slots) - 1,
        address_of(rules.text),
        address_of(rules.text_bounds),
        address_of(rules.interval_words),
        address_of(rules.interval_indices),
        len(rules.interval_words),
        rules.default_interval,
    )
    max_bytes, max_future = rules.max_bytes, rules.max_future
    base, last = address_of(data), len(data) - BEYOND
    for row in range(len(verdicts)):
        start, end = bounds[row], bounds[row + 1]
        if end - start < 2 or end - start > max_bytes or end > last:
            verdicts[row] = LEFT
            continue
        bar = _bar(base + start, base + end, names)
        verdict, ts = bar[0], bar[1]
        verdicts[row] = LEFT if verdict == DECODED and ts > integers[RECORD_TS, row] + max_future else verdict
        integers[TS, row] = ts
        integers[SYMBOL, row] = bar[2]
        integers[INTERVAL, row] = bar[3]
        integers[SEQ, row] = bar[4]
        floats[OPEN, row] = bar[5]
        floats[HIGH, row] = bar[6]
        floats[LOW, row] = bar[7]
        floats[CLOSE, row] = bar[8]
        floats[VOLUME, row] = bar[9]


@njit(cache=True)
def _bar(at: int, end: int, names: _Names) -> _Bar:
    """One payload: how it went, its time, symbol, interval, sequence number, prices and volume."""
    ts = seq = symbol = 0
    interval = names.default_interval
    opened = high = low = close = 0.0
    volume = np.nan
    forming = False
    seen = 0
    field, at = _next_field(_opening(at, end), end)
    while field != _END and not seen & (1 << field):
        seen |= 1 << field
        if field <= VOLUME:
            price, at = _price(at, field)
            if field == OPEN:
                opened = price
            elif field == HIGH:
                high = price
            elif field == LOW:
                low = price
            elif field == CLOSE:
                close = price
            else:
                volume = price
        elif field <= _SEQ:
            whole, at = integer(at)
            ts, seq = (whole, seq) if field == _TS else (ts, whole)
        elif field == _SYMBOL:
            symbol, at = _symbol(at, end, names)
        elif field == _INTERVAL:
            interval, at = _interval(at, end, names)
        elif field == _FINAL:
            forming, at = _forming(at)
        else:
            at = _constant(at, end, field)
        field, at = _next_field(_delimiter(at), end)
    good = field == _END and at == end - 1 and seen & _NEEDED == _NEEDED and 0 < ts <= LARGEST and seq <= LARGEST
    # As market_rows.plausible_bars; what was read is neither negative nor infinite.
    good = good and low > 0.0 and low <= opened and low <= close and high >= opened and high >= close
    verdict = (FORMING if forming else DECODED) if good else LEFT
    return verdict, ts, symbol, interval, seq, opened, high, low, close, volume


@njit(cache=True, forceinline=True)
def _opening(at: int, end: int) -> int:
    """The place of the brace that opens an object which one closes at the very end."""
    return at if byte_at(at) == BRACE_OPEN and byte_at(end - 1) == BRACE_CLOSE else ELSEWHERE


@njit(cache=True, forceinline=True)
def _next_field(at: int, end: int) -> tuple[int, int]:
    """From a brace or comma on: the next field that a bar is read from, with the place of its value, or _END."""
    while at > 0 and byte_at(at) != BRACE_CLOSE:
        key, at = _key(at + 1, end)
        if at < 0:
            break
        field = _field(key)
        if field != _UNKNOWN:
            return field, at
        at = _delimiter(skipped(at, end))
    return _END, at


@njit(cache=True, forceinline=True)
def _delimiter(at: int) -> int:
    """The place of the comma or brace after a value that ended at ``at``."""
    if at < 0:
        return at
    at = spaces(at)
    return at if byte_at(at) == COMMA or byte_at(at) == BRACE_CLOSE else ELSEWHERE


@njit(cache=True, forceinline=True)
def _key(at: int, end: int) -> tuple[int, int]:
    """A key as a word, and the place of its value."""
    at = spaces(at)
    if byte_at(at) != QUOTE:
        return 0, ELSEWHERE
    key, at = word(at + 1, end)
    if at < 0:
        return 0, ELSEWHERE
    at = spaces(at)
    return key, spaces(at + 1) if byte_at(at) == COLON else ELSEWHERE


@njit(cache=True, forceinline=True)
def _field(key: int) -> int:
    """The number of a field that a bar is read from."""
    if key == _K_OPEN:
        return OPEN
    if key == _K_HIGH:
        return HIGH
    if key == _K_LOW:
        return LOW
    if key == _K_CLOSE:
        return CLOSE
    if key == _K_VOLUME:
        return VOLUME
    if key == _K_SYMBOL:
        return _SYMBOL
    if key == _K_TS:
        return _TS
    if key == _K_SEQ:
        return _SEQ
    if key == _K_INTERVAL:
        return _INTERVAL
    if key == _K_FINAL:
        return _FINAL
    if key == _K_TYPE:
        return _TYPE
    return _V if key == _K_V else _UNKNOWN


@njit(cache=True, forceinline=True)
def _price(at: int, field: int) -> tuple[float, int]:
    """A price or the volume; only the volume may be null, which is NaN."""
    value, after = number(at)
    if after > 0 or field != VOLUME:
        return value, after
    found, after = literal(at)
    return np.nan, (after if found == NULL else ELSEWHERE)


@njit(cache=True, forceinline=True)
def _forming(at: int) -> tuple[bool, int]:
    """Whether ``final`` is false."""
    found, after = literal(at)
    return found == 0, (after if found != NULL else ELSEWHERE)


@njit(cache=True)
def _constant(at: int, end: int, field: int) -> int:
    """The place after the one type and version that a bar may have."""
    if field == _V:
        value, at = integer(at)
        return at if value == SCHEMA_VERSION else ELSEWHERE
    if byte_at(at) != QUOTE:
        return ELSEWHERE
    name, at = word(at + 1, end)
    return at if name == _BAR else ELSEWHERE


@njit(cache=True)
def _interval(at: int, end: int, names: _Names) -> tuple[int, int]:
    """The place in the plan of an interval that is in use."""
    if byte_at(at) != QUOTE:
        return 0, ELSEWHERE
    name, at = word(at + 1, end)
    for n in range(names.intervals):
        if word_at(names.interval_words + 8 * n) == name:
            return word_at(names.interval_indices + 8 * n), at
    return 0, ELSEWHERE


@njit(cache=True)
def _symbol(at: int, end: int, names: _Names) -> tuple[int, int]:
    """The place in the group of one of its symbols."""
    start = at + 1
    closing = string_end(start, end) if byte_at(at) == QUOTE else ELSEWHERE
    if closing < 0:
        return 0, ELSEWHERE
    slot = _hash(start, closing) & names.mask
    while True:
        place = word_at(names.slots + 8 * slot) - 1
        if place < 0:
            return 0, ELSEWHERE
        first, last = word_at(names.text_bounds + 8 * place), word_at(names.text_bounds + 8 * place + 8)
        if last - first == closing - start and _same(start, names.text + first, closing - start):
            return place, closing + 1
        slot = (slot + 1) & names.mask


@njit(cache=True)
def _same(one: int, other: int, size: int) -> bool:
    for n in range(size):
        if byte_at(one + n) != byte_at(other + n):
            return False
    return True


@njit(cache=True)
def _hash(start: int, end: int) -> int:
    """FNV-1a, folded to what an index takes."""
    value = _FNV_OFFSET
    for at in range(start, end):
        value = (value ^ byte_at(at)) * _FNV_PRIME
    return (value ^ (value >> 32)) & 0x7FFFFFFF


@njit(cache=True)
def _fill(slots: Int64, text: Bytes, bounds: Int64) -> None:
    """Puts every name into the hash table."""
    mask = len(slots) - 1
    base = address_of(text)
    for place in range(len(bounds) - 1):
        slot = _hash(base + bounds[place], base + bounds[place + 1]) & mask
        while slots[slot]:
            slot = (slot + 1) & mask
        slots[slot] = place + 1
