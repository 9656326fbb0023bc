"""A strategy with its state and a way back: what fails leaves the state as it was before."""

from __future__ import annotations

import re
from typing import Any

from operators.bars import BarBlock
from operators.frames import Bool, Float64
from operators.strategy_evaluate.strategy import Strategy, Targets

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]+")
_LONGEST_TEXT = 300


class IsolatedStrategy:
    """Runs a strategy over blocks. ``rewind`` undoes the latest block.

    Cheap state is copied before every block. Where copying costs more than stepping, as with one Python object a
    symbol, ``Strategy.checkpoint_cycles`` spreads the copy over many cycles: the blocks since are kept, and rewinding
    steps through them again, which gives the same state because a strategy is deterministic.
    """

    def __init__(self, strategy: Strategy, symbols: int) -> None:
        self.strategy = strategy
        self.symbols = symbols
        self.state = strategy.initial_state(symbols)
        self._saved: dict[str, Any] | None = None
        self._since: list[tuple[BarBlock, tuple[Float64, ...], Bool]] = []
        self._cycles_since = 0
        self._begun = False

    def step(self, bars: BarBlock, features: tuple[Float64, ...], ready: Bool) -> Targets:
        """The strategy's answer; whatever it raises comes through, and then ``rewind`` is due."""
        self._begun = False
        if self._saved is None or self._cycles_since + len(bars) > self.strategy.checkpoint_cycles:
            self._saved = self.strategy.export_state(self.state)
            self._since.clear()
            self._cycles_since = 0
        self._since.append((bars, features, ready))
        self._cycles_since += len(bars)
        self._begun = True
        return self.strategy.step(bars, features, ready, self.state)

    def rewind(self) -> None:
        """State as it was before the latest ``step``."""
        if not self._begun or self._saved is None:
            return
        self._begun = False
        self._since.pop()
        self.state = self.strategy.import_state(self._saved)
        for bars, features, ready in self._since:
            self.strategy.step(bars, features, ready, self.state)
        self._cycles_since = sum(len(bars) for bars, _, _ in self._since)

    def export_state(self) -> dict[str, Any]:
        """An independent, picklable copy of the state, every entry with one row a symbol."""
        return self.strategy.export_state(self.state)

    def import_state(self, exported: dict[str, Any]) -> None:
        """Takes a state over that ``export_state`` gave."""
        self.state = self.strategy.import_state(exported)
        self._saved = None

    def warm(self, bars: BarBlock, features: tuple[Float64, ...], ready: Bool) -> Targets:
        """Compiles what the strategy needs by a block without bars, on a state of its own."""
        return self.strategy.step(bars, features, ready, self.strategy.initial_state(self.symbols))


def error_text(error: BaseException) -> str:
    """An exception as text that is the same in every run: no memory addresses, one line, at most 300 characters."""
    text = _ADDRESS.sub("0x", f"{type(error).__name__}: {error}")
    return " ".join(text.split())[:_LONGEST_TEXT]
