"""The strategy author's interface: one file, declared features and parameters (spec 3).

A strategy answers with targets, not orders. It keeps a *hypothetical* position of its own: its last target, taken as
filled at the next cycle's price. Clips further down and real fills never reach it, so it cannot get out of step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from operators.bars import BarBlock
from operators.frames import Bool, Float64
from operators.normalize.features.feature import Feature


class Parameters(BaseModel):
    """Base of a strategy's parameters: frozen, unknown keys refused, defaults in the class."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(slots=True, frozen=True)
class Market:
    """What the configuration knows of a schedule's symbols, sorted by name, when its strategy is built.

    ``fee_rate`` is a fraction of the notional per side, ``bars_per_year`` how many bars of the schedule's interval the
    symbol's calendar holds in a year.
    """

    symbols: tuple[str, ...]
    fee_rate: tuple[float, ...]
    bars_per_year: tuple[float, ...]


@dataclass(slots=True, frozen=True)
class Targets:
    """A strategy's answer for a block of cycles.

    Attributes:
        emit: [C, S] True where the strategy states a target. Stating the standing target again is no intent.
        value: [C, S] signed strength (1 = the whole of the schedule's share long, above 1 asks for leverage), or a
            signed notional in base currency where the strategy's ``unit`` says so.
        confidence: [C, S] 0..1.
    """

    emit: Bool
    value: Float64
    confidence: Float64

    @staticmethod
    def nothing(shape: tuple[int, ...]) -> Targets:
        """No target anywhere: value 0 and confidence 1, to be filled in where something is stated."""
        return Targets(np.zeros(shape, np.bool_), np.zeros(shape, np.float64), np.ones(shape, np.float64))


class Strategy(ABC):
    """A strategy vectorised over symbols and cycles.

    ``step`` must give the same answer however cycles are cut into blocks: what it remembers stands in ``state``, whose
    arrays it changes in place. It sees only the features that it declared; clock, network and randomness are not there.
    """

    #: Registry name and version; ``type@version`` in configuration.
    strategy_type: ClassVar[str]
    version: ClassVar[str]
    #: Further names that mean exactly this version, such as the bare type.
    aliases: ClassVar[tuple[str, ...]] = ()
    #: "symbol": evaluated in the key group. "pod": sees all symbols of a pod after the barrier.
    scope: ClassVar[Literal["symbol", "pod"]] = "symbol"
    #: "bars": ``step`` is called with bars. "signals": targets come from the signals topic (``external_signal``).
    driven_by: ClassVar[Literal["bars", "signals"]] = "bars"
    #: With ``scope: pod``: how many symbols a schedule must have, all of which pass or fail together.
    legs: ClassVar[int] = 0
    #: What a deployment must be allowed to run it (``capabilities``); empty: its type.
    capability: ClassVar[str] = ""
    unit: ClassVar[Literal["strength", "notional"]] = "strength"
    parameters_type: ClassVar[type[Parameters]] = Parameters
    #: Cycles between copies of the state for isolation; 0 copies before every block (right for a few small arrays).
    checkpoint_cycles: ClassVar[int] = 0

    def __init__(self, parameters: Any) -> None:
        self.parameters = parameters

    @classmethod
    def bind(cls, parameters: Mapping[str, Any], market: Market) -> dict[str, Any]:
        """The parameters with what the market's reference data says where the configuration says nothing."""
        return dict(parameters)

    def measures(self, features: Float64, value: Float64, before: Float64) -> dict[str, float]:
        """Values of the schedule's own metrics for one frame's intents; for metrics alone, never for a decision.

        Args:
            features: [n, F] declared features of each intent.
            value, before: [n] its target and the one that stood before it.
        """
        return {}

    @abstractmethod
    def features(self) -> tuple[Feature, ...]:
        """The features that ``step`` needs, in the order in which it gets them."""

    def optional_features(self) -> tuple[Feature, ...]:
        """Those of ``features()`` that may be NaN where ``ready`` is True; by default none may."""
        return ()

    @abstractmethod
    def initial_state(self, symbols: int) -> dict[str, Any]:
        """State before the first bar: arrays whose first axis is the symbol, so that symbols can change groups."""

    @abstractmethod
    def step(self, bars: BarBlock, features: tuple[Float64, ...], ready: Bool, state: dict[str, Any]) -> Targets:
        """Evaluates a block.

        Args:
            bars: the block's bars, [C, S], read-only.
            features: one [C, S] array for each declared feature, NaN while it warms up, read-only.
            ready: [C, S] True where the bar is fresh, every feature that is not optional is finite and the warm-up is
                over: act only there; what is stated elsewhere is ignored.
            state: this strategy's state; change it in place.
        """

    def export_state(self, state: dict[str, Any]) -> dict[str, Any]:
        """An independent copy for snapshots: arrays or lists with one row a symbol, picklable."""
        return {name: array.copy() for name, array in state.items()}

    def import_state(self, exported: dict[str, Any]) -> dict[str, Any]:
        """A state of its own from what ``export_state`` gave; ``exported`` stays unchanged."""
        return {name: array.copy() for name, array in exported.items()}
