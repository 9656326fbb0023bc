"""``weir version``."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

import typer

from flows.cli.console import Json, command, emit


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("version")(command(version))


def version(json: Json = False) -> None:
    """Show the versions of Weir, its code and what it runs on."""
    from flows.process.code_version import code_version

    found = {
        "weir": _installed("weir"),
        "code_version": code_version(),
        "python": platform.python_version(),
        "bytewax": _installed("bytewax"),
        "numpy": _installed("numpy"),
        "architecture": platform.machine(),
    }
    emit(found, json, [f"{name} {value}" for name, value in found.items()])


def _installed(package: str) -> str:
    try:
        return installed(package)
    except PackageNotFoundError:
        return "not installed"
