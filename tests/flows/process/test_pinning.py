"""What numerics depend on is set before they are loaded."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from flows.process.pinning import AGAIN, NUMPY_DISPATCHED, pinned_environment

pytestmark = pytest.mark.process

X86_64 = platform.machine().lower() in ("x86_64", "amd64")


def run(code: str, *arguments: str) -> str:
    unpinned = {k: v for k, v in os.environ.items() if k not in pinned_environment() and k != AGAIN}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        env=unpinned,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


SHOW = """
from numpy._core._multiarray_umath import __cpu_features__ as found
from flows.process.pinning import is_pinned, NUMPY_DISPATCHED
print(is_pinned(), any(found[name] for name in NUMPY_DISPATCHED.split()), sys.argv[1:])
"""


@pytest.mark.skipif(not X86_64, reason="dispatch is pinned on x86-64 alone")
def test_numpy_is_loaded_without_the_kernels_of_newer_models_and_without_a_warning() -> None:
    pinned = "import sys; from flows.process.pinning import pin_numerics; pin_numerics()" + SHOW
    assert run(pinned, "an argument") == "True False ['an argument']\n"


@pytest.mark.skipif(not X86_64, reason="dispatch is pinned on x86-64 alone")
def test_where_numpy_is_loaded_already_the_process_starts_again_with_the_same_arguments() -> None:
    late = "import sys, numpy; from flows.process.pinning import pin_numerics; pin_numerics()" + SHOW
    assert run(late, "an argument") == "True False ['an argument']\n"


@pytest.mark.skipif(not X86_64, reason="dispatch is pinned on x86-64 alone")
def test_the_pinned_list_is_all_that_this_numpy_dispatches() -> None:
    code = "from numpy._core._multiarray_umath import __cpu_dispatch__; print(*__cpu_dispatch__)"
    assert run(code).split() == NUMPY_DISPATCHED.split()


def test_the_hash_seed_is_left_alone() -> None:
    assert "PYTHONHASHSEED" not in pinned_environment()
