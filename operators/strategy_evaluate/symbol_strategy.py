"""Strategies in plain Python, one object for each symbol: for authors who prefer ``on_bar`` to arrays (spec 3)."""

from __future__ import annotations

import pickle
from abc import abstractmethod
from collections.abc import Iterable
from itertools import repeat
from typing import Any, ClassVar, NamedTuple, Self

import msgspec
import numpy as np

from operators.bars import BarBlock
from operators.frames import Bool, Float64, Int64
from operators.strategy_evaluate.strategy import Strategy, Targets


class Bar(msgspec.Struct, frozen=True, gc=False):
    """A final bar. ``ts`` is its close in UTC ns, ``volume`` NaN where the feed has none."""

    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class Signal(NamedTuple):
    """A target with a confidence 0..1."""

    value: float
    confidence: float = 1.0


class SymbolStrategy(Strategy):
    """Base of per-symbol strategies: override ``features`` and ``on_bar``, keep what you remember in attributes.

    There is one object for each symbol. Attributes set in ``__init__`` (which must pass ``parameters`` on) or later are
    its state: they must be picklable, and nothing else may be remembered, such as class attributes or globals.
    """

    #: Copying one Python object a symbol costs more than a step: see :class:`IsolatedStrategy`.
    checkpoint_cycles: ClassVar[int] = 512

    @abstractmethod
    def on_bar(self, bar: Bar, features: tuple[float, ...], position: float) -> float | Signal | None:
        """Answers with a new target, or None to let the last one stand.

        Called for each bar of this symbol beyond the warm-up, in order, once every required feature is finite.

        Args:
            bar: the bar that has just closed.
            features: one value for each declared feature.
            position: the hypothetical position: the last target, filled since.
        """

    def initial_state(self, symbols: int) -> dict[str, Any]:
        """``memory``: one object a symbol; ``position``: the last target of each."""
        return {
            "memory": [type(self)(self.parameters) for _ in range(symbols)],
            "position": np.zeros(symbols, np.float64),
        }

    def step(self, bars: BarBlock, features: tuple[Float64, ...], ready: Bool, state: dict[str, Any]) -> Targets:
        """Calls ``on_bar`` for each ready bar, cycle by cycle."""
        targets = Targets.nothing(ready.shape)
        where = np.flatnonzero(ready)
        if len(where) == 0:
            return targets
        calls = [one.on_bar for one in state["memory"]]
        position = state["position"].tolist()
        symbols = (where % ready.shape[1]).tolist()
        at: list[int] = []
        values: list[float] = []
        confidences: list[float] = []
        rows = zip(symbols, _bars(bars, where), _features(features, where), strict=False)
        for i, (symbol, bar, row) in enumerate(rows):
            answer = calls[symbol](bar, row, position[symbol])
            if answer is None:
                continue
            value, confidence = answer if answer.__class__ is Signal else (float(answer), 1.0)
            at.append(i)
            values.append(value)
            confidences.append(confidence)
            if value - value == 0.0:  # finite; what the runtime refuses is no position
                position[symbol] = value
        state["position"][:] = position
        stated = where[at]
        targets.emit.ravel()[stated] = True
        targets.value.ravel()[stated] = values
        targets.confidence.ravel()[stated] = confidences
        return targets

    def export_state(self, state: dict[str, Any]) -> dict[str, Any]:
        """Each object's attributes as bytes; raises TypeError naming an attribute that cannot be pickled."""
        return {"memory": [_attributes(one) for one in state["memory"]], "position": state["position"].copy()}

    def import_state(self, exported: dict[str, Any]) -> dict[str, Any]:
        """Objects with the exported attributes."""
        memory = [self._revived(attributes) for attributes in exported["memory"]]
        return {"memory": memory, "position": exported["position"].copy()}

    def _revived(self, attributes: bytes) -> Self:
        one = object.__new__(type(self))
        one.__dict__.update(pickle.loads(attributes))
        one.parameters = self.parameters
        return one


#: The latest block and the bars made of it: strategies of one interval see the same block one after the other.
_made: tuple[BarBlock | None, list[Bar]] = (None, [])


def _bars(bars: BarBlock, where: Int64) -> list[Bar]:
    """Bar objects at these places of the block; all of its bars are made once for every strategy that asks."""
    global _made
    block, made = _made
    if block is not bars:
        fresh = np.flatnonzero(bars.fresh)
        cycles = bars.cycles[fresh // bars.close.shape[1]].tolist()
        columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
        made = list(map(Bar, cycles, *(_taken(column, fresh) for column in columns)))
        _made = (bars, made)
    if len(made) == len(where):
        return made
    places = (np.cumsum(bars.fresh.ravel())[where] - 1).tolist()
    return [made[i] for i in places]


def _features(features: tuple[Float64, ...], where: Int64) -> Iterable[tuple[float, ...]]:
    if not features:
        return repeat(())
    return zip(*(_taken(column, where) for column in features), strict=True)


def _taken(column: Float64, where: Int64) -> list[float]:
    flat = column.ravel()
    taken: list[float] = (flat if len(where) == len(flat) else flat[where]).tolist()
    return taken


def _attributes(one: SymbolStrategy) -> bytes:
    kept = {name: value for name, value in one.__dict__.items() if name != "parameters"}
    try:
        return pickle.dumps(kept, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        broken = [name for name, value in kept.items() if not _picklable(value)]
        raise TypeError(
            f"{one.strategy_type}@{one.version}: attribute {', '.join(broken)} cannot be pickled ({error});"
            " keep numbers, strings and containers of them"
        ) from error


def _picklable(value: object) -> bool:
    try:
        pickle.dumps(value)
    except Exception:
        return False
    return True
