"""``weir capital``: what became of a run's capital, and why; and commands that steer it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.commanding import Given, gives
from flows.cli.console import Json, command, emit

app = typer.Typer(help="Capital over the pods: what became of it, and commands to it.", no_args_is_help=True)

Out = Annotated[Path, typer.Option("--out", help="Folder of the run, or its journal file.")]
Portfolio = Annotated[str | None, typer.Option("--portfolio", help="Needed where the run has several.")]


@app.command("show")
@command
def show(out: Out = Path("demo-out"), portfolio: Portfolio = None, json: Json = False) -> None:
    """Show the allocation in force: every step from the policy's weights to the fractions, and the reasons."""
    from flows.report.capital import read_timeline
    from flows.report.capital_view import reasons_tree, snapshot_document, steps_table

    timeline = read_timeline(out, portfolio)
    if json:
        emit(snapshot_document(timeline), True)
        return
    from rich.console import Console

    console = Console()
    console.print(steps_table(timeline))
    console.print(reasons_tree(timeline.snapshots[-1]))


@app.command("timeline")
@command
def show_timeline(
    out: Out = Path("demo-out"),
    portfolio: Portfolio = None,
    most: Annotated[int, typer.Option("--last", min=1, help="So many of the last allocations.")] = 20,
    plot: Annotated[Path | None, typer.Option("--plot", help="Write the whole timeline as a PNG.")] = None,
    json: Json = False,
) -> None:
    """Show how capital moved between pods, and what moved it."""
    from flows.report.capital import read_timeline
    from flows.report.capital_view import timeline_document, timeline_table

    timeline = read_timeline(out, portfolio)
    if plot is not None:
        from flows.report.capital_plot import write_capital_plot

        write_capital_plot(timeline, plot)
    if json:
        snapshots = timeline_document(timeline)
        emit(
            {"portfolio": timeline.portfolio, "snapshots": snapshots, "plot": None if plot is None else str(plot)}, True
        )
        return
    from rich.console import Console

    Console().print(timeline_table(timeline, most))


@app.command("drift")
@command
def show_drift(
    out: Out = Path("demo-out"),
    portfolio: Portfolio = None,
    limit: Annotated[
        float, typer.Option("--limit", min=0, help="Share of capital past which a drift is marked.")
    ] = 0.10,
    json: Json = False,
) -> None:
    """Show how far each pod's share has moved since the last allocation, and how much leverage it uses."""
    from flows.report.capital import read_timeline
    from flows.report.capital_view import drift_table, snapshot_document

    timeline = read_timeline(out, portfolio)
    if json:
        document = snapshot_document(timeline)
        emit({key: document[key] for key in ("portfolio", "cycle", "as_of", "drift", "leverage")}, True)
        return
    from rich.console import Console

    Console().print(drift_table(timeline, limit))


@app.command("force")
@command
@gives
def force() -> list[Given]:
    """Compute capital anew in the next cycle."""
    return [Given("force_rebalance")]


@app.command("skip")
@command
@gives
def skip() -> list[Given]:
    """Leave out the next rebalance that interval or drift asks for."""
    return [Given("skip_rebalance")]


@app.command("interval")
@command
@gives
def interval(every: Annotated[str, typer.Argument(metavar="DURATION", help="Such as 6h, 7d or 3600.")]) -> list[Given]:
    """Set the event time between two regular rebalances."""
    from flows.times import duration_seconds

    return [Given("set_interval", body={"seconds": duration_seconds(every)})]


@app.command("swap")
@command
@gives
def swap(
    policy: Annotated[str, typer.Argument(metavar="POLICY", help="A policy's name, or a YAML or JSON file with one.")],
    skip_rebalance: Annotated[bool, typer.Option("--skip-rebalance", help="Wait for the next that is due.")] = False,
    adopt_interval: Annotated[bool, typer.Option("--adopt-interval", help="Take the policy's own interval.")] = False,
) -> list[Given]:
    """Swap the capital policy."""
    from flows.policy_file import read_policy

    body = {"policy": read_policy(policy), "rebalance": not skip_rebalance, "adopt_interval": adopt_interval}
    return [Given("swap_policy", body=body)]
