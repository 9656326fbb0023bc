"""Pins what numerics depend on, so that one log gives one decision on any x86-64 model (design, promise 2).

NumPy and OpenBLAS choose kernels by CPU model when they are loaded, numba compiles for the host and may call SVML. All
three give last-bit differences between models. ``PYTHONHASHSEED`` is *not* pinned: no decision may depend on it.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import MutableMapping
from typing import Final

#: Targets that NumPy 2.4's x86-64 wheels dispatch to above their baseline (X86_V2).
NUMPY_DISPATCHED: Final = "X86_V3 X86_V4 AVX512_ICL AVX512_SPR"

_EVERYWHERE: Final = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "NUMBA_CPU_NAME": "generic",
    "NUMBA_DISABLE_INTEL_SVML": "1",
    # As flows.process.kernel_cache.LOCATORS, which cannot be imported here: it loads numba.
    "NUMBA_CACHE_LOCATOR_CLASSES": (
        "flows.process.kernel_cache.ProvidedFolder,flows.process.kernel_cache.BesideTheSource,"
        "flows.process.kernel_cache.UserFolder,UserProvidedCacheLocator,InTreeCacheLocator,UserWideCacheLocator"
    ),
}

_X86_64: Final = {
    # Every x86-64 with SSE4.2 can run these kernels.
    "OPENBLAS_CORETYPE": "Nehalem",
    "NPY_DISABLE_CPU_FEATURES": NUMPY_DISPATCHED,
}

#: Modules that read these settings when they are loaded.
READERS: Final = ("numpy", "scipy", "numba")

#: Marks a process that was started again, so that it never happens twice.
AGAIN: Final = "WEIR_PINNED_AGAIN"


def pinned_environment() -> dict[str, str]:
    """The variables and values for this architecture."""
    on_x86 = platform.machine().lower() in ("x86_64", "amd64")
    return {**_EVERYWHERE, **(_X86_64 if on_x86 else {})}


def is_pinned(environment: MutableMapping[str, str] | None = None) -> bool:
    """Whether every variable has its value."""
    found = os.environ if environment is None else environment
    return all(found.get(name) == value for name, value in pinned_environment().items())


def pin_numerics(*, restart: bool = True) -> None:
    """Sets the variables for this process and its children; call it before NumPy is loaded.

    Where a reader is loaded already with other values, the process replaces itself by a fresh one with the same
    arguments (``restart`` False only sets the variables, for children).
    """
    if is_pinned():
        return
    os.environ.update(pinned_environment())
    if not restart or not any(name in sys.modules for name in READERS):
        return
    if os.environ.get(AGAIN) == "1":
        return
    os.environ[AGAIN] = "1"
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, sys.orig_argv[:1] + sys.orig_argv[1:])
