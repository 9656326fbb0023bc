"""Keeps compiled kernels on disk no longer than they are right (design, promise 2).

numba looks only at the file of a cached function. A kernel also holds code and constants of the files that it imports
from, so by itself numba would go on running the old code after one of *those* changed. These locators make a kernel's
stamp the content of its file and of every file of the project that this one imports, however far away.

numba finds them by ``NUMBA_CACHE_LOCATOR_CLASSES``, which :mod:`flows.process.pinning` sets. It builds them before
anything else of the project is loaded: this module imports nothing of it.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any, Final

from numba.core.caching import InTreeCacheLocator, UserProvidedCacheLocator, UserWideCacheLocator

ROOT: Final = Path(__file__).resolve().parents[2]
#: Packages that kernels and what they are made of live in.
PACKAGES: Final = ("operators", "schemas")

# Imports at the margin alone: what is imported for type checks or inside a function is not part of a kernel.
_IMPORT: Final = re.compile(r"^(?:from\s+([\w.]+)\s+import\s+(\([^)]*\)|.*)|import\s+(.*))$", re.MULTILINE)
_NAME: Final = re.compile(r"[\w.]+")


def imported_files(file: Path, root: Path = ROOT, packages: tuple[str, ...] = PACKAGES) -> frozenset[Path]:
    """``file`` and every file under ``root`` in ``packages`` that it imports, directly or not."""
    found: set[Path] = set()
    waiting = [file]
    while waiting:
        at = waiting.pop()
        if at not in found:
            found.add(at)
            waiting += _direct(at, root, packages)
    return frozenset(found)


@cache
def _direct(file: Path, root: Path, packages: tuple[str, ...]) -> tuple[Path, ...]:
    modules: list[str] = []
    for origin, names, plain in _IMPORT.findall(file.read_text(encoding="utf-8")):
        # ``from package import name`` may mean a module of that package.
        modules += [origin, *(f"{origin}.{name}" for name in _NAME.findall(names))] if origin else _NAME.findall(plain)
    paths: list[Path] = []
    for module in dict.fromkeys(modules):
        if module.partition(".")[0] in packages:
            place = root.joinpath(*module.split("."))
            paths += [path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()]
    return tuple(paths)


def stamp(file: Path, root: Path = ROOT, packages: tuple[str, ...] = PACKAGES) -> bytes:
    """Digest of the content of :func:`imported_files`."""
    digest = hashlib.blake2b(digest_size=32)
    for path in sorted(imported_files(file, root, packages)):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + _content(path))
    return digest.digest()


@cache
def _content(path: Path) -> bytes:
    return hashlib.blake2b(path.read_bytes(), digest_size=32).digest()


class _OfTheProject:
    """Answers for kernels of the project alone; others are left to numba's own locators."""

    _py_file: str

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Any:
        """A locator for a kernel's file, None where another has to answer."""
        path = Path(py_file).resolve()
        if not any(path.is_relative_to(ROOT / package) for package in PACKAGES):
            return None
        return super().from_function(py_func, py_file)  # type: ignore[misc]

    def get_source_stamp(self) -> bytes:
        """What a cached kernel must have been compiled from."""
        return stamp(Path(self._py_file).resolve())


class ProvidedFolder(_OfTheProject, UserProvidedCacheLocator):
    """In ``NUMBA_CACHE_DIR``."""


class BesideTheSource(_OfTheProject, InTreeCacheLocator):
    """In ``__pycache__``."""


class UserFolder(_OfTheProject, UserWideCacheLocator):
    """In the user's cache folder, where the project may not be written to."""


#: Value of ``NUMBA_CACHE_LOCATOR_CLASSES``: ours, then numba's own for the kernels of other packages.
LOCATORS: Final = ",".join(
    [
        *(f"{__name__}.{locator.__name__}" for locator in (ProvidedFolder, BesideTheSource, UserFolder)),
        "UserProvidedCacheLocator",
        "InTreeCacheLocator",
        "UserWideCacheLocator",
    ]
)
