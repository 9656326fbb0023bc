"""``weir schedules``: what a configuration runs, when, and what holds it back at the start."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.configuration import DumpOption, resolved
from flows.cli.console import Json, command, emit

app = typer.Typer(no_args_is_help=True, help="List and export a configuration's schedules.")

Config = Annotated[Path, typer.Option("--config", help="Configuration file.")]


@app.command("list")
@command
def list_schedules(config: Config, dump: DumpOption = None, json: Json = False) -> None:
    """List schedules with strategy, profile, cadence, limits, tags and initial suspensions."""
    from flows.schedule_descriptions import describe_schedules

    found = describe_schedules(resolved(config, dump), str(config))
    lines = [
        f"{one['portfolio']}/{one['pod']}/{one['schedule']}  {one['strategy']}  {one['risk_profile']}"
        f"  every {one['cadence_seconds'] or one['interval'] or 'bar'}"
        f"  max signals {'all' if one['max_signals'] is None else one['max_signals']}"
        f"  tags {', '.join(one['tags']) or 'none'}"
        + ("" if one["enabled"] else "  disabled")
        + "".join(f"  suspended: {s['reason'] or s['scope']}" for s in one["initial_suspensions"])
        for one in found
    ]
    emit({"schedules": found}, json, lines)


@app.command("export")
@command
def export(
    config: Config,
    out: Annotated[Path, typer.Option("--out", help="JSON file to write.")],
    dump: DumpOption = None,
    json: Json = False,
) -> None:
    """Write the same as a JSON file, for audits."""
    import msgspec

    from flows.schedule_descriptions import describe_schedules

    found = {"schedules": describe_schedules(resolved(config, dump), str(config))}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(msgspec.json.format(msgspec.json.encode(found, enc_hook=str)) + b"\n")
    emit({"file": str(out), **found}, json, [f"{len(found['schedules'])} schedules written to {out}"])
