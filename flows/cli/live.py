"""``weir run`` and ``weir clock``: what runs beside a Kafka cluster."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.console import Json, command, emit, say


class Environment(StrEnum):
    """What a run is for (seed 004)."""

    DEMO = "demo"
    PAPER = "paper"
    LIVE = "live"


Config = Annotated[Path, typer.Option("--config", help="Configuration file.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("run")(command(run))
    app.command("clock")(command(clock))
    app.command("copy-decisions")(command(copy_decisions))
    app.command("notify")(command(notify))
    app.command("paper-execution")(command(paper_execution))


def run(
    config: Config,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Worker threads in each process.")] = 1,
    processes: Annotated[int, typer.Option("--processes", min=1, help="Processes of the cluster.")] = 1,
    recovery: Annotated[
        Path | None, typer.Option("--recovery", help="Recovery folder; overrides runtime.recovery_directory.")
    ] = None,
    restarts: Annotated[int, typer.Option("--restarts", min=0, help="Restarts in a row before giving up.")] = 10,
    once: Annotated[bool, typer.Option("--once", help="Stop when a cycle has been decided (audit).")] = False,
    environment: Annotated[
        Environment | None, typer.Option("--environment", help="Refuse another kind of execution than this one's.")
    ] = None,
    json: Json = False,
) -> None:
    """Run the flow on Kafka until SIGTERM or Ctrl-C, which drain it and write a last snapshot."""
    from flows.live import LiveOptions, run_live

    options = LiveOptions(
        processes,
        workers,
        recovery,
        restarts,
        once,
        None if environment is None else environment.value,
        say=lambda text: say(f"weir: {text}"),
    )
    result = run_live(config, options)
    emit(result, json, [f"stopped in order after {result.restarts} restart(s); config_hash {result.config_hash}"])


def clock(
    config: Config,
    grace: Annotated[
        float | None,
        typer.Option("--grace", min=0, help="Seconds that a bar may take; time.allowed_lateness_seconds by default."),
    ] = None,
    json: Json = False,
) -> None:
    """Write ClockTicks to every partition of the input topics that falls silent, until SIGTERM or Ctrl-C."""
    from flows.clock import run_clock
    from flows.process import drain
    from schemas.configuration import load_configuration

    with drain.on_signals():
        written = run_clock(load_configuration(config), grace_seconds=grace)
    emit({"ticks": written}, json, [f"{written} ticks written"])


def copy_decisions(
    config: Config,
    recovery: Annotated[Path, typer.Option("--recovery", help="Recovery folder of this flow alone.")],
    json: Json = False,
) -> None:
    """Copy the decisions topic to ClickHouse, retrying without end, until SIGTERM or Ctrl-C."""
    from flows.copy_decisions import copy_decisions as copy

    counts = copy(config, recovery)
    emit({"counts": counts}, json, ["stopped in order"])


def notify(
    config: Config,
    recovery: Annotated[
        Path | None, typer.Option("--recovery", help="Recovery folder of this flow alone; needed for Kafka.")
    ] = None,
    journal: Annotated[
        Path | None, typer.Option("--journal", help="Tell of this run's folder or journal once, instead of Kafka.")
    ] = None,
    json: Json = False,
) -> None:
    """Write telemetry events and post notifications from the decisions, until SIGTERM or Ctrl-C."""
    from flows.errors import InvalidInput
    from flows.notifications.flow import notify_from_journal, notify_from_kafka
    from schemas.configuration import load_configuration

    configuration = load_configuration(config)
    if (recovery is None) == (journal is None):
        raise InvalidInput("give --recovery DIR to follow Kafka, or --journal OUT to tell of a run's folder")
    if journal is not None:
        told = notify_from_journal(configuration.notifications, journal)
    else:
        assert recovery is not None
        told = notify_from_kafka(configuration, recovery)
    emit(told, json, [f"{told.decisions} decisions, {told.events} events, {told.delivered} notifications delivered"])


def paper_execution(
    config: Config,
    recovery: Annotated[Path, typer.Option("--recovery", help="Recovery folder of the venue alone.")],
    json: Json = False,
) -> None:
    """Fill the orders of portfolios in `paper_venue` mode against the market topic, until SIGTERM or Ctrl-C."""
    from flows.paper_execution import run_paper_execution

    counts = run_paper_execution(config, recovery)
    emit({"counts": counts}, json, ["stopped in order"])
