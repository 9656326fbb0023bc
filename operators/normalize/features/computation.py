"""What every feature shares: declared parameters and outputs, and state with one row a symbol."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from operators.bars import BarBlock
from operators.frames import Float64, Int64

#: A window longer than this is a typing error rather than a wish.
MAX_WINDOW = 100_000

StateArray = npt.NDArray[Any]


class Computation(ABC):
    """One feature with fixed parameters over the symbols of a key group.

    Subclasses put every number that they remember into ``state``, arrays whose first axis is the symbol, and change
    them in place bar by bar, so that an answer never depends on how cycles are cut into blocks. A symbol without a bar
    in a cycle keeps its state and gets NaN; so does every symbol until the feature is warm.
    """

    name: ClassVar[str]
    parameter_names: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[tuple[str, ...]] = ("value",)

    def __init__(self, parameters: tuple[float, ...], symbols: int) -> None:
        self.parameters = parameters
        self.state: dict[str, StateArray] = self.initial_state(symbols)

    @classmethod
    def problems(cls, parameters: tuple[float, ...]) -> list[str]:
        """What is wrong with ``parameters``; by default each is a window of 1..100,000 bars."""
        return [p for n, v in zip(cls.parameter_names, parameters, strict=True) if (p := window_problem(n, v))]

    @abstractmethod
    def initial_state(self, symbols: int) -> dict[str, StateArray]:
        """State before the first bar; the first axis of each array is the symbol."""

    @abstractmethod
    def step(self, bars: BarBlock) -> tuple[Float64, ...]:
        """One [C, S] array for each of ``outputs``."""


def window_problem(name: str, value: float, least: int = 1) -> str | None:
    """A complaint when ``value`` is not a whole number of bars in least..100,000."""
    if float(value).is_integer() and least <= value <= MAX_WINDOW:
        return None
    return f"{name} is {value:g}: give a whole number of bars from {least} to {MAX_WINDOW}"


def empty_like(bars: BarBlock) -> Float64:
    """An uninitialised [C, S] answer."""
    return np.empty(bars.close.shape, np.float64)


def counters(symbols: int) -> Int64:
    """Zeros, one for each symbol."""
    return np.zeros(symbols, np.int64)


def numbers(symbols: int, *further: int) -> Float64:
    """Zeros, one (or one row) for each symbol."""
    return np.zeros((symbols, *further), np.float64)
