"""What a strategy's author tests with: rehearse a strategy on bars, and check that it keeps the runtime's contract."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from operators.bars import BarBlock
from operators.frames import Int32
from operators.normalize.features.engine import FeatureEngine
from operators.strategy_evaluate.contract import contract_problems
from operators.strategy_evaluate.emission import Standing, ready_mask, unusable
from operators.strategy_evaluate.slices import cycles_of, read_only, symbols_of
from operators.strategy_evaluate.strategy import Strategy

MINUTE_NS = 60_000_000_000


class Target(NamedTuple):
    """A target that changed: cycle in ns, column of the symbol, value and confidence."""

    cycle: int
    symbol: int
    value: float
    confidence: float


def bars_from_closes(close: ArrayLike, interval_ns: int = MINUTE_NS) -> BarBlock:
    """A block from closes alone: [C] for one symbol or [C, S]; NaN means that the symbol has no bar in the cycle.

    The first bar closes one interval after midnight, 1970. Open, high and low equal the close, volume is 1, the quote
    is one basis point either side.
    """
    price = np.asarray(close, np.float64)
    price = np.ascontiguousarray(price[:, None] if price.ndim == 1 else price)
    fresh = ~np.isnan(price)
    volume = np.where(fresh, 1.0, np.nan)
    cycles = (np.arange(len(price), dtype=np.int64) + 1) * interval_ns
    ohlc = (price, price.copy(), price.copy(), price.copy())
    return BarBlock(
        0, cycles, *ohlc, volume, fresh, price * (1 - 1e-4), price * (1 + 1e-4), volume.copy(), volume.copy()
    )


def sample_bars(cycles: int = 700, symbols: int = 5) -> BarBlock:
    """A fixed example: trends, reversals, shocks, gaps, a symbol that starts late and one that ends early."""
    t = np.arange(cycles, dtype=np.float64)[:, None]
    s = np.arange(symbols, dtype=np.float64)[None, :]
    wave = 0.04 * np.sin(t / (17 + 3 * s)) + 0.02 * np.sin(t / (5.3 + s)) + 0.004 * np.sin(1.7 * t * (1 + s))
    close = (20.0 + 40.0 * s) * np.exp(wave + 0.03 * ((t // 97 + s) % 3))
    close[(t.astype(int) * 7 + s.astype(int) * 3) % 23 == 0] = np.nan
    close[: cycles // 8, 0] = np.nan
    close[-(cycles // 8) :, -1] = np.nan
    flat = bars_from_closes(close)
    span = 0.002 * (1.1 + np.sin(2.3 * t + s))
    opened = close * (1 + 0.5 * span * np.sin(t + s))
    volume = np.where(flat.fresh, 1000.0 * (1.5 + np.sin(t / 11 + s)), np.nan)
    high, low = close * (1 + span), close * (1 - span)
    return BarBlock(
        0, flat.cycles, opened, high, low, close, volume, flat.fresh, flat.bid, flat.ask, volume.copy(), volume + 1.0
    )


def rehearse(
    strategy: Strategy, bars: BarBlock, cuts: Iterable[int] = (), restart: bool = False, warmup_bars: int = 0
) -> list[Target]:
    """Runs a strategy alone over ``bars`` and returns the targets that changed, as the runtime would see them.

    Args:
        strategy: built with its parameters.
        bars: any number of symbols.
        cuts: rows at which to cut the block.
        restart: pickle all state at each cut and go on from the copy, as after a crash.
        warmup_bars: as in a schedule.

    Raises AssertionError for an answer that is not finite, and whatever the strategy raises.
    """
    run = _Rehearsal(strategy, bars.close.shape[1], warmup_bars)
    borders = [0, *sorted(set(cuts)), len(bars)]
    found: list[Target] = []
    for first, last in pairwise(borders):
        if last > first:
            found += run.step(cycles_of(bars, first, last))
        if restart:
            run.restart()
    return found


class _Rehearsal:
    def __init__(self, strategy: Strategy, symbols: int, warmup_bars: int) -> None:
        self.strategy = strategy
        self.symbols = symbols
        self.warmup_bars = warmup_bars
        self.engine = FeatureEngine(strategy.features(), symbols)
        self.state = strategy.initial_state(symbols)
        self.standing = Standing(symbols)
        self.seen = np.zeros(symbols, np.int64)

    def step(self, bars: BarBlock) -> list[Target]:
        features = self.engine.step(bars)
        declared = self.strategy.features()
        own = tuple(features[f] for f in declared)
        required = tuple(features[f] for f in declared if f not in self.strategy.optional_features())
        ready = ready_mask(bars, required, self.seen, self.warmup_bars)
        targets = self.strategy.step(read_only(bars), own, ready, self.state)
        faults = unusable(targets, ready)
        assert not len(faults), f"row {faults[0][0]}, symbol {faults[0][1]}: the answer is not finite or not confident"
        changes = self.standing.apply(targets, ready)
        cycles = bars.cycles[changes.row]
        rows = zip(cycles, changes.column, changes.value, changes.confidence, strict=True)
        return [Target(int(t), int(s), float(v), float(c)) for t, s, v, c in rows]

    def restart(self) -> None:
        kept = pickle.loads(pickle.dumps((self.engine.snapshot(), self.strategy.export_state(self.state))))
        self.engine = FeatureEngine(self.strategy.features(), self.symbols)
        self.engine.restore(kept[0])
        self.state = self.strategy.import_state(kept[1])


def assert_block_independent(strategy: Strategy, bars: BarBlock | None = None) -> None:
    """Fails unless a strategy answers the same however its bars are cut, after a restart, and for each symbol alone.

    Also checks that its state has one row a symbol and survives pickling. Without ``bars`` it takes ``sample_bars()``,
    which may leave an unusual strategy idle: give bars on which it trades.
    """
    block = sample_bars() if bars is None else bars
    rows, symbols = block.close.shape
    problems = contract_problems(strategy)
    assert not problems, "; ".join(problems)
    whole = rehearse(strategy, block)
    _same(rehearse(strategy, block), whole, "a second run")
    _same(rehearse(strategy, block, range(1, rows)), whole, "cycle by cycle")
    _same(rehearse(strategy, block, range(0, rows, 7)), whole, "in blocks of 7 cycles")
    _same(rehearse(strategy, block, range(3, rows, 101), restart=True), whole, "restarting every 101 cycles")
    for symbol in range(symbols):
        alone = rehearse(strategy, symbols_of(block, np.array([symbol], np.int32)))
        expected = [t._replace(symbol=0) for t in whole if t.symbol == symbol]
        _same(alone, expected, f"with symbol {symbol} alone")
    backwards: Int32 = np.arange(symbols, dtype=np.int32)[::-1].copy()
    turned = rehearse(strategy, symbols_of(block, backwards))
    restored = sorted(t._replace(symbol=symbols - 1 - t.symbol) for t in turned)
    _same(restored, whole, "with the symbols in reverse order")


def _same(found: list[Target], expected: list[Target], how: str) -> None:
    for ours, theirs in zip(found, expected, strict=False):
        assert ours == theirs, f"{how}: first difference {ours} instead of {theirs}"
    assert len(found) == len(expected), f"{how}: {len(found)} targets instead of {len(expected)}"
