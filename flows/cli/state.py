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
    steps: Annotated[
        bool, typer.Option("--steps", help="Only who wrote it, and how many states each step has.")
    ] = False,
    json: Json = False,
) -> None:
    """Show what a recovery folder holds: pods, positions, limits, circuits, watermarks, age. Nothing is changed."""
    from flows.process.snapshot_rows import describe

    if steps:
        found = describe(recovery)
        lines = [f"{name}: {value}" for name, value in found.marker.items()]
        lines += [f"{step}: {count} state(s)" for step, count in found.states.items()]
        emit(found, json, lines)
        return
    from flows.state_view import read_state, state_lines

    state = read_state(recovery)
    emit(state, json, state_lines(state))


@app.command("repartition")
@command
def repartition(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="Recovery folder of a cleanly stopped cluster.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Recovery folder to make.")],
    config: Annotated[Path, typer.Option("--config", help="Configuration to go on with; only topics.market differs.")],
    dump: Annotated[
        Path | None, typer.Option("--dump", help="Dump to go on with, where the configuration says from_dump.")
    ] = None,
    json: Json = False,
) -> None:
    """Regroup snapshots for another market partition count or map, at a cycle border.

    Stop the producers, let every market partition tick to the same border, stop the cluster with SIGTERM, then run
    this. The market topic is read from the beginning of its new partitions, which hold nothing up to the border.
    """
    from flows.repartition import repartition as regroup

    done = regroup(old, new, config, dump)
    lines = [
        f"{done.symbols} symbol(s) at cycle {done.border}",
        f"market partitions: {done.partitions_before} before, {done.partitions_after} now",
        f"config_hash: {done.config_hash}",
        f"start with --config {config} --recovery {done.folder}",
    ]
    emit(done, json, lines)
