"""How every kernel over cycles and symbols is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compiles ``function`` once and keeps it on disk: no fastmath and no threads, so that a sum has one order.

    Division by zero gives infinity or NaN as in numpy; an exception would leave state half changed.
    """
    return cast(Callable[P, R], njit(cache=True, error_model="numpy")(function))
