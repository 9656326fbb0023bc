"""``weir state``: the recovery folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.console import Json, command, emit

app = typer.Typer(no_args_is_help=True, help="Snapshots in a recovery folder.")


@app.callback()
def state() -> None:
    """Snapshots in a recovery folder."""


@app.command("show")
@command
def show(
    recovery: Annotated[Path, typer.Argument(metavar="DIR", help="Recovery folder.")],
    json: Json = False,
) -> None:
    """Show what a recovery folder holds: who wrote it, whether it ended cleanly, and its snapshots by step."""
    from flows.process.snapshot_rows import describe

    found = describe(recovery)
    lines = [f"{name}: {value}" for name, value in found.marker.items()]
    lines += [f"{step}: {count} state(s)" for step, count in found.states.items()]
    emit(found, json, lines)
