"""The baseline: one plain Python loop with msgspec that does only the job. ``python -m benchmarks.plain_loop BARS
OUT``.

Prints one JSON object: bars, CPU seconds, orders, and the intent changes, which a second pass collects untimed.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.job import LEAST_DEVIATION, RETURNS, RISK, TOLERANCE, WINDOWS, Change, Changes

_LONGEST = max(slow for _, slow in WINDOWS)


class Bar(msgspec.Struct, gc=False):
    """What the job decodes of a bar."""

    symbol: str
    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: int


class Order(msgspec.Struct, gc=False):
    """What the job writes."""

    ts: int
    symbol: str
    side: str
    qty: int
    ref_price: float


class Cross:
    """One strategy on one symbol."""

    __slots__ = ("fast", "fast_sum", "ready_at", "side", "slow", "slow_sum", "target")

    def __init__(self, fast: int, slow: int) -> None:
        self.fast, self.slow, self.fast_sum, self.slow_sum = fast, slow, 0.0, 0.0
        self.side = self.target = 0
        self.ready_at = max(slow, RETURNS + 1)


class Symbol:
    """Everything that is kept of a symbol: a ring of closes and one of returns, three strategies, their net target."""

    __slots__ = ("at", "closes", "count", "crosses", "last", "net", "return_at", "returns", "squares", "total")

    def __init__(self) -> None:
        self.closes, self.returns = [0.0] * _LONGEST, [0.0] * RETURNS
        self.at = self.return_at = self.count = self.net = 0
        self.last = self.total = self.squares = 0.0
        self.crosses = [Cross(fast, slow) for fast, slow in WINDOWS]

    def update(self, close: float) -> bool:
        """Takes a close; True when an intent changed."""
        closes, at = self.closes, self.at
        count = self.count = self.count + 1
        if count > 1:
            simple = close / self.last - 1.0
            return_at = self.return_at
            leaving = self.returns[return_at]
            self.returns[return_at] = simple
            self.return_at = return_at + 1 if return_at < RETURNS - 1 else 0
            self.total += simple - leaving
            self.squares += simple * simple - leaving * leaving
        self.last = close
        changed = False
        for cross in self.crosses:
            fast, slow = cross.fast, cross.slow
            cross.fast_sum += close - closes[at - fast]
            cross.slow_sum += close - closes[at - slow if at >= slow else at - slow + _LONGEST]
            if count >= cross.ready_at:
                gap = cross.fast_sum / fast - cross.slow_sum / slow
                side = 1 if gap > TOLERANCE else -1 if gap < -TOLERANCE else cross.side
                if side != cross.side:
                    variance = (self.squares - self.total * self.total / RETURNS) / (RETURNS - 1)
                    deviation = max(math.sqrt(variance) if variance > 0.0 else 0.0, LEAST_DEVIATION)
                    cross.side = side
                    target = side * math.floor(RISK / (close * deviation))
                    self.net += target - cross.target
                    cross.target = target
                    changed = True
        closes[at] = close
        self.at = at + 1 if at < _LONGEST - 1 else 0
        return changed


def bars_of(path: Path) -> Iterator[Bar]:
    """The bars of a file, one JSON object a line."""
    decode = msgspec.json.Decoder(Bar).decode
    with path.open("rb") as file:
        for line in file:
            yield decode(line)


def run(bars: Path, out: Path) -> tuple[int, int]:
    """Does the job; returns how many bars it read and orders it wrote."""
    symbols: dict[str, Symbol] = {}
    position: dict[str, int] = {}
    close: dict[str, float] = {}
    changed: list[str] = []
    waiting: list[Order] = []
    encode = msgspec.json.Encoder().encode
    now = count = orders = 0
    with out.open("wb") as file:

        def rebalance() -> None:
            # The cap is lifted: the target is the net of the strategies.
            for name in sorted(changed):
                target = symbols[name].net
                quantity = target - position.get(name, 0)
                if quantity:
                    position[name] = target
                    waiting.append(Order(now, name, "BUY" if quantity > 0 else "SELL", abs(quantity), close[name]))
            changed.clear()

        for bar in bars_of(bars):
            count += 1
            if bar.ts != now:
                if changed:
                    rebalance()
                    if len(waiting) > 1000:
                        file.write(b"".join([encode(order) + b"\n" for order in waiting]))
                        orders += len(waiting)
                        waiting = []
                now = bar.ts
            name = bar.symbol
            symbol = symbols.get(name)
            if symbol is None:
                symbol = symbols[name] = Symbol()
            close[name] = bar.close
            if symbol.update(bar.close):
                changed.append(name)
        rebalance()
        file.write(b"".join([encode(order) + b"\n" for order in waiting]))
    return count, orders + len(waiting)


def intent_changes(bars: Path) -> Iterator[Change]:
    """Every change of side, in the order of the bars."""
    symbols: dict[str, Symbol] = {}
    for bar in bars_of(bars):
        symbol = symbols.setdefault(bar.symbol, Symbol())
        before = [cross.side for cross in symbol.crosses]
        symbol.update(bar.close)
        for strategy, (cross, side) in enumerate(zip(symbol.crosses, before, strict=True)):
            if cross.side != side:
                yield bar.ts, int(bar.symbol[3:]), strategy, cross.side


def main() -> None:
    """Runs the loop on a file and prints what it did."""
    bars, out = Path(sys.argv[1]), Path(sys.argv[2])
    before = time.process_time()
    count, orders = run(bars, out)
    cpu = time.process_time() - before
    changes = Changes.of(intent_changes(bars))
    print(json.dumps({
        "bars": count, "cpu_seconds": cpu, "orders": orders, "changes": changes.count, "checksum": changes.checksum,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
