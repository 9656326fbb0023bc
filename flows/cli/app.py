"""The root of the command line."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from flows.cli import (
    capital,
    configuration,
    control,
    dumps,
    holds,
    journal,
    journal_archive,
    live,
    operator,
    replays,
    schedules,
    schema,
    state,
    strategies,
    topic,
    version,
    whatif,
)
from flows.cli.console import DEBUG_VARIABLE

app = typer.Typer(
    name="weir",
    help="The streaming portfolio brain between trading strategies and an execution service.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def root(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    """The streaming portfolio brain between trading strategies and an execution service."""
    if debug:
        os.environ[DEBUG_VARIABLE] = "1"


for family in (replays, live, control, holds, dumps, journal, whatif, version):
    family.register(app)
app.add_typer(capital.app, name="capital")
app.add_typer(configuration.app, name="config")
app.add_typer(topic.app, name="topics")
app.add_typer(strategies.app, name="strategies")
app.add_typer(schedules.app, name="schedules")
app.add_typer(schema.app, name="schemas")
app.add_typer(state.app, name="state")
app.add_typer(operator.app, name="operator")
app.add_typer(journal_archive.app, name="journal")
