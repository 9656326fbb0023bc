"""``weir operator``: keys that sign commands."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.console import Json, command, emit

app = typer.Typer(help="Keys that sign commands.", no_args_is_help=True)


@app.callback()
def operator() -> None:
    """Keys that sign commands."""


@app.command("keygen")
@command
def keygen(
    out: Annotated[Path, typer.Option("--out", help="Key file to write; only its owner may read it.")],
    name: Annotated[str | None, typer.Option("--operator", help="Whose key; by default the login name.")] = None,
    key_id: Annotated[str | None, typer.Option("--id", help="Id of the key; by default OPERATOR-1.")] = None,
    json: Json = False,
) -> None:
    """Make an Ed25519 key, and print the entry for `operators.keys` of the configuration."""
    from flows.operator_keys import new_key_file

    owner = name or getpass.getuser()
    made = new_key_file(out, owner, key_id or f"{owner}-1")
    public = made.public_key()
    entry = {"id": made.key_id, "operator": made.operator, "public_key": public}
    lines = [
        f"private key: {out}",
        "add to the configuration, with the role that it may have (viewer, operator, risk, admin):",
        "operators:",
        "  keys:",
        f"    - {{id: {made.key_id}, operator: {made.operator}, role: operator, public_key: {public!r}}}",
    ]
    emit(entry, json, lines)
