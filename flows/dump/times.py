"""Event times of price files: epochs in s, ms, us or ns, and ISO 8601, as UTC nanoseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import numpy as np

from operators.frames import BEGINNING, Int64

NS = 1_000_000_000
#: What a value that is no time becomes; the importer refuses such rows by number.
NO_TIME = BEGINNING
#: Years 1900 to 2200: outside, a number is no time but a mistake.
_LOWEST, _HIGHEST = -2_208_988_800 * NS, 7_258_118_400 * NS
#: (largest magnitude, nanoseconds of one unit): seconds until the year 5138, milliseconds from 1973 on, ...
_UNITS = ((10**11, NS), (10**14, 10**6), (10**17, 10**3), (10**20, 1))
_INTEGER = re.compile(r"[+-]?\d{1,19}")
_DECIMAL = re.compile(r"[+-]?\d{1,19}\.\d*")
_DATE = re.compile(r"(19|20)\d{6}")


def epoch_unit(largest: float) -> int:
    """Nanoseconds of the unit in which a column of epochs is written, from its largest magnitude.

    Seconds are below 1e11 (year 5138), milliseconds below 1e14, microseconds below 1e17, nanoseconds above; so ms
    before 1973-03 would be taken for seconds.
    """
    return next((unit for limit, unit in _UNITS if largest < limit), 1)


def parse_times(texts: list[str]) -> Int64:
    """Times of one column as UTC ns; :data:`NO_TIME` where a text is no time. A time without zone is UTC.

    The column is an epoch (one unit for all of it), a date as YYYYMMDD, or ISO 8601 (also with a space, with slashes in
    year/month/day, and with " UTC" at the end).
    """
    filled = [text.strip() for text in texts]
    known = [text for text in filled if text]
    if known and all(_DATE.fullmatch(text) for text in known):
        return _checked([_iso(text) for text in filled])
    numbers = sum(1 for text in known if _INTEGER.fullmatch(text) or _DECIMAL.fullmatch(text))
    if 2 * numbers > len(known):
        return _epochs(filled)
    cache = {text: _iso(text) for text in sorted(set(filled))}
    return _checked([cache[text] for text in filled])


def parse_epochs(values: Int64) -> Int64:
    """A column of whole epochs, unit detected, as UTC ns."""
    known = values[values != NO_TIME]
    unit = epoch_unit(float(np.abs(known.astype(np.float64)).max()) if len(known) else 0.0)
    # Beyond the range the product could overflow, so the range is checked first.
    good = (values >= _LOWEST // unit) & (values <= _HIGHEST // unit)
    return np.where(good, np.where(good, values, 0) * unit, NO_TIME)


def _epochs(texts: list[str]) -> Int64:
    if not any(_DECIMAL.fullmatch(text) for text in texts):
        return parse_epochs(np.array([_integer(text) for text in texts], np.int64))
    largest = max(abs(float(text)) for text in texts if _INTEGER.fullmatch(text) or _DECIMAL.fullmatch(text))
    return _checked([_decimal(text, epoch_unit(largest)) for text in texts])


def _integer(text: str) -> int:
    value = int(text) if _INTEGER.fullmatch(text) else NO_TIME
    return value if abs(value) < 2**62 else NO_TIME


def _decimal(text: str, unit: int) -> int:
    """An epoch with a fraction, exactly: floats would lose the nanoseconds."""
    if _INTEGER.fullmatch(text):
        return int(text) * unit
    if not _DECIMAL.fullmatch(text):
        return NO_TIME
    whole, _, fraction = text.partition(".")
    digits = fraction[:9].ljust(9, "0")
    part = int(digits) * unit // NS
    return int(whole) * unit + (-part if whole.startswith("-") else part)


def _iso(text: str) -> int:
    cleaned = text.removesuffix("UTC").strip().replace("/", "-")
    try:
        moment = datetime.fromisoformat(cleaned)
    except ValueError:
        return NO_TIME
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * NS + since.microseconds * 1000


def _checked(values: list[int]) -> Int64:
    return np.array([value if _LOWEST <= value <= _HIGHEST else NO_TIME for value in values], np.int64)
