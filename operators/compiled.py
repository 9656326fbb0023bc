"""How the kernels that change a book or a ledger are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compiles ``function`` once and keeps it on disk: no fastmath and no threads, so that a sum has one order.

    Division by zero gives infinity or NaN as in numpy; an exception would leave state half changed. A kernel works on
    arrays that its caller owns and allocates none, which compilation without numba's runtime enforces: with it, every
    call would count a reference to each of the dozens of arrays that it is passed, four fifths of the time.
    """
    compile_it: Any = njit
    return cast(Callable[P, R], compile_it(cache=True, error_model="numpy", _nrt=False)(function))
