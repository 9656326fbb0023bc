"""``weir demo`` and ``weir replay``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.console import Json, command, emit, progress, say, stages, table
from flows.cli.single import DEFAULT_STRATEGY, Parameters, Strategy, Symbols

if TYPE_CHECKING:
    from flows.replay import ReplayResult
    from schemas.configuration import Configuration

Workers = Annotated[int, typer.Option("--workers", min=1, help="Worker threads in each process.")]
Processes = Annotated[int, typer.Option("--processes", min=0, help="Processes of a cluster; 0 runs in this one.")]

#: The configuration that comes with the project.
DEFAULT_CONFIGURATION = Path(__file__).resolve().parents[2] / "deploy" / "config" / "default.yaml"
DEMO_CONFIGURATION = DEFAULT_CONFIGURATION.with_name("demo.yaml")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("demo")(command(demo))
    app.command("replay")(command(replay))


def demo(
    cycles: Annotated[
        int | None, typer.Option("--cycles", min=2, help="Trading days, from the first on; all by default.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the results.")] = Path("demo-out"),
    config: Annotated[Path | None, typer.Option("--config", help="Another configuration than the demo's.")] = None,
    workers: Workers = 1,
    processes: Processes = 0,
    json: Json = False,
) -> None:
    """Replay decades of real daily stock prices through the whole flow and show what came of it."""
    import shutil

    from flows.dump.shipped import build_demo_dump
    from flows.replay import ReplayOptions
    from flows.replay import replay as run_replay

    dump = out / "dump"
    # Made by an earlier demo, in a folder of that name alone.
    shutil.rmtree(dump, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    with progress("prepare the data") as advance:
        build_demo_dump(dump, days=cycles, progress=advance)
    chosen = config or (DEMO_CONFIGURATION if DEMO_CONFIGURATION.exists() else DEFAULT_CONFIGURATION)
    with stages() as (stage, advance):
        options = ReplayOptions(workers=workers, processes=processes, stage=stage, progress=advance)
        result = run_replay(dump, chosen, out, options)
    _show(result, json)
    if not json:
        _show_demo(result, out)


def replay(
    dump: Annotated[Path, typer.Option("--dump", help="Dump folder, or a file of kcat envelopes.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the results; earlier results in it are replaced.")],
    config: Annotated[
        Path | None, typer.Option("--config", help="Configuration file; without it a single strategy runs.")
    ] = None,
    strategy: Strategy = DEFAULT_STRATEGY,
    symbol: Symbols = None,
    param: Parameters = None,
    workers: Workers = 1,
    processes: Processes = 0,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Records in one block at most.")] = 10_000,
    slab: Annotated[int, typer.Option("--slab", min=1, help="Records in one epoch.")] = 40_000,
    zst: Annotated[bool, typer.Option("--zst", help="Compress the outputs.")] = False,
    recovery: Annotated[
        Path | None, typer.Option("--recovery", help="Folder for snapshots, from which a stopped replay goes on.")
    ] = None,
    clickhouse: Annotated[bool, typer.Option(help="Load the decisions into an embedded ClickHouse.")] = True,
    report: Annotated[bool, typer.Option(help="Write the report.")] = True,
    json: Json = False,
) -> None:
    """Replay a dump through the whole flow into files, an embedded ClickHouse and a report."""
    from flows.replay import ReplayOptions
    from flows.replay import replay as run_replay

    with stages() as (stage, advance):
        options = ReplayOptions(
            workers=workers,
            processes=processes,
            batch=batch,
            slab_records=slab,
            zst=zst,
            recovery=recovery,
            clickhouse=clickhouse,
            report=report,
            stage=stage,
            progress=advance,
        )
        result = run_replay(dump, _chosen(config, strategy, symbol, param), out, options)
    _show(result, json)


def _chosen(
    config: Path | None, strategy: str, symbols: list[str] | None, parameters: list[str] | None
) -> Path | Configuration:
    """The configuration file, or the default of a single strategy."""
    from flows.default_configuration import single_strategy_configuration
    from schemas.configuration import ConfigurationError

    if config is None:
        return single_strategy_configuration(strategy, symbols or [], parameters or [])
    if symbols or parameters or strategy != DEFAULT_STRATEGY:
        fault = "--strategy, --symbol and --param describe a single strategy: leave --config out, or say it in the file"
        raise ConfigurationError(str(config), [fault])
    return config


def _show(result: ReplayResult, as_json: bool) -> None:
    for warning in result.warnings:
        say(f"weir: warning: {warning}")
    emit(result, as_json)
    if as_json:
        return
    rows: dict[str, object] = {
        "decisions": f"{result.decisions:,}",
        "orders": f"{result.orders:,}",
        "bars": f"{result.bars:,}",
        "dead letters": _with_reasons(result),
        "decisions sha256": result.decisions_sha256,
        "orders sha256": result.orders_sha256,
        "CPU": f"{result.cpu_seconds:.2f} s",
        "wall": f"{result.wall_seconds:.2f} s",
        "results": result.out,
    }
    if result.drained:
        rows["stopped"] = "before the end; run the same command again to go on"
    table("Replay", rows)


def _with_reasons(result: ReplayResult) -> str:
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in result.dead_letters_by_reason.items())
    return f"{result.dead_letters:,}" + (f" ({reasons})" if reasons else "")


def _show_demo(result: ReplayResult, out: Path) -> None:
    """Summary, equity and exposure, one order explained, and where to look further."""
    from rich.console import Console

    from flows.report.summary import report
    from flows.report.table import summary_view
    from flows.report.terminal import terminal_plot
    from flows.run_products import periods_per_year, run_configuration

    configuration = run_configuration(out)
    found = report(out, periods_per_year=365 if configuration is None else periods_per_year(configuration))
    console = Console()
    console.print(summary_view(found.summary))
    if found.curves:
        typer.echo(terminal_plot(found.curves, width=min(console.width, 120), colour=console.is_terminal))
    order = _an_order(out)
    if order is not None:
        from flows.cli.journal import show_order

        show_order(out, order)
    for name, path in result.report.items():
        typer.echo(f"{name}: {path}")
    typer.echo(f"decisions, to be queried: {out / 'clickhouse'} (embedded ClickHouse)")


def _an_order(out: Path) -> str | None:
    """The id of an order from the middle of the run."""
    import msgspec

    path = out / "orders.jsonl"
    with path.open("rb") as file:
        file.seek(path.stat().st_size // 2)
        file.readline()
        line = file.readline()
    return str(msgspec.json.decode(line)["client_order_id"]) if line else None
