"""``weir schemas``: the contracts as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.console import Json, command, emit

app = typer.Typer(no_args_is_help=True, help="Contracts: JSON Schemas and the table of reason codes.")


@app.callback()
def schemas() -> None:
    """Contracts: JSON Schemas and the table of reason codes."""


@app.command("export")
@command
def export(
    out: Annotated[Path, typer.Option("--out", help="Folder to write to.")],
    json: Json = False,
) -> None:
    """Write the JSON Schema of every message and of the configuration, and the reason codes' table."""
    from schemas.export import export_schemas, write_reason_table

    written = [*export_schemas(out), write_reason_table(out / "reason_codes.md")]
    emit({"written": [str(path) for path in written]}, json, [str(path) for path in written])
