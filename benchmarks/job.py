"""The job, defined once: what its bars look like and which intents must come of them (see README.md)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

#: Event time of the first bar, and between two, in ns.
START, STEP = 1_704_205_800_000_000_000, 60_000_000_000
SYMBOLS, SEED = 100, 7
#: (fast, slow) windows of the strategies.
WINDOWS = ((5, 20), (10, 30), (20, 60))
#: Averages closer than this are equal.
TOLERANCE = 1e-7
#: Money at risk for one deviation of one bar's return, returns in that deviation, and its floor.
RISK, RETURNS, LEAST_DEVIATION = 1000.0, 30, 1e-4

#: (ts, symbol index, strategy index, side)
Change = tuple[int, int, int, int]

_BAR = (
    '{"symbol":"SYM%03d","ts":%d,"open":%r,"high":%r,"low":%r,"close":%r,"volume":%d,'
    '"vwap":%r,"trades":%d,"venue":"XNAS","interval":"1m","ccy":"USD","seq":%d}'
)


@dataclass(frozen=True, slots=True)
class Changes:
    """Intent changes by count and by a checksum in which each has a weight of its own."""

    count: int
    checksum: int

    @staticmethod
    def of(changes: Iterable[Change]) -> Changes:
        """Counts and sums."""
        count = checksum = 0
        for ts, symbol, strategy, side in changes:
            count += 1
            checksum += side * (symbol + 1) * (strategy + 1) * ((ts - START) // STEP % 997 + 1)
        return Changes(count, checksum)


def cycles(count: int, symbols: int = SYMBOLS) -> Iterator[tuple[int, list[bytes]]]:
    """(event time, one JSON bar for each symbol in shuffled order) of each cycle; the same for the same numbers."""
    random = np.random.Generator(np.random.PCG64(SEED))
    spread = random.uniform(0.0006, 0.0025, symbols)
    cents = np.floor(random.uniform(20, 400, symbols) * 100)
    sequence = 0
    for cycle in range(count):
        ts, opened = START + cycle * STEP, cents
        cents = np.maximum(np.rint(opened * (1 + spread * random.standard_normal(symbols))), 500.0)
        above = np.rint(opened * spread * 0.5 * np.abs(random.standard_normal(symbols)))
        below = np.rint(opened * spread * 0.5 * np.abs(random.standard_normal(symbols)))
        high, low = np.maximum(opened, cents) + above, np.minimum(opened, cents) - below
        volume = random.integers(100, 100_000, symbols).tolist()
        mean = np.rint((opened + high + low + cents) / 4)
        trades = random.integers(10, 2000, symbols).tolist()
        o, h, lo, c, w = ((x / 100.0).tolist() for x in (opened, high, low, cents, mean))
        bars: list[bytes] = []
        for s in random.permutation(symbols).tolist():
            bar = _BAR % (s, ts, o[s], h[s], lo[s], c[s], volume[s], w[s], trades[s], sequence)
            bars.append(bar.encode())
            sequence += 1
        yield ts, bars
