"""A compiled kernel on disk is used only while everything that it was made of stands unchanged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.process.kernel_cache import LOCATORS, ROOT, imported_files, stamp
from flows.process.pinning import pinned_environment

pytestmark = pytest.mark.process

PACKAGES = ("operators",)


def write(root: Path, **files: str) -> Path:
    """Modules of the package ``operators`` under ``root``; returns the one named ``kernel``."""
    folder = root / "operators"
    folder.mkdir(exist_ok=True)
    (folder / "__init__.py").touch()
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder / "kernel.py"


def test_what_a_kernel_imports_far_away_belongs_to_its_stamp(tmp_path: Path) -> None:
    kernel = write(
        tmp_path,
        kernel="from operators import near\nimport numpy\n",
        near="from operators.far import (\n    LIMIT,\n)\n",
        far="LIMIT = 1\n",
        other="LIMIT = 2\n",
    )
    names = {path.name for path in imported_files(kernel, tmp_path, PACKAGES)}
    assert names == {"kernel.py", "__init__.py", "near.py", "far.py"}


def test_what_is_imported_for_type_checks_alone_does_not(tmp_path: Path) -> None:
    kernel = write(tmp_path, kernel="if TYPE_CHECKING:\n    from operators.far import Plan\n", far="class Plan: ...\n")
    assert {path.name for path in imported_files(kernel, tmp_path, PACKAGES)} == {"kernel.py"}


def test_files_that_import_each_other_end(tmp_path: Path) -> None:
    kernel = write(tmp_path, kernel="import operators.far\n", far="import operators.kernel\n")
    assert stamp(kernel, tmp_path, PACKAGES) == stamp(kernel, tmp_path, PACKAGES)


SHOW = """
import sys
from pathlib import Path

import pytest
import flows.process.kernel_cache as kernel_cache
kernel_cache.ROOT = Path(sys.argv[1])
kernel_cache._OfTheProject.get_source_stamp.__globals__["stamp"].__defaults__ = (Path(sys.argv[1]), ("operators",))
sys.path.insert(0, sys.argv[1])
from operators.kernel import kernel
print(kernel(1), sum(kernel.stats.cache_hits.values()))
"""


def run(root: Path) -> str:
    """The kernel's answer and how often it came from disk, in a fresh process."""
    command = [sys.executable, "-c", SHOW, str(root)]
    environment = os.environ | pinned_environment() | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=True).stdout.strip()


def test_a_changed_callee_is_compiled_into_its_caller(tmp_path: Path) -> None:
    caller = (
        "from numba import njit\nfrom operators.callee import plus\n\n\n"
        "@njit(cache=True)\ndef kernel(x):\n    return plus(x) * 10\n"
    )
    callee = "from numba import njit\n\n\n@njit(cache=True)\ndef plus(x):\n    return x + {}\n"
    write(tmp_path, kernel=caller, callee=callee.format(1))
    assert run(tmp_path) == "20 0"
    assert run(tmp_path) == "20 1"
    write(tmp_path, callee=callee.format(100))
    assert run(tmp_path) == "1010 0"


def test_the_pinned_variable_names_these_locators() -> None:
    assert pinned_environment()["NUMBA_CACHE_LOCATOR_CLASSES"] == LOCATORS
