"""``weir whatif``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.console import Json, command, emit, say, stages

if TYPE_CHECKING:
    from flows.whatif.measures import Measure
    from flows.whatif.result import WhatIf


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("whatif")(command(whatif))


def whatif(
    dump: Annotated[Path, typer.Option("--dump", help="Recorded inputs: a dump folder.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the answer; an earlier one in it is replaced.")],
    config: Annotated[
        Path | None, typer.Option("--config", help="Configuration as it was; by default that of --recorded.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a key: path=value, elements of lists by id. May be repeated."),
    ] = None,
    candidate: Annotated[
        Path | None, typer.Option("--candidate", help="Another configuration altogether, instead of --set.")
    ] = None,
    recorded: Annotated[
        Path | None, typer.Option("--recorded", help="Folder of the run that was recorded, to compare it as well.")
    ] = None,
    sequential: Annotated[bool, typer.Option("--sequential", help="One replay after the other: half the memory.")] = (
        False
    ),
    json: Json = False,
) -> None:
    """Replay recorded inputs twice, as configured and with a change, and show what the change would have changed."""
    from flows.whatif.patch import parse_settings
    from flows.whatif.whatif import Question
    from flows.whatif.whatif import whatif as answer_question

    with stages() as (stage, _advance):
        question = Question(
            dump=dump,
            configuration=config,
            settings=parse_settings(settings or []),
            candidate=candidate,
            recorded=recorded,
            sequential=sequential,
            stage=stage,
        )
        answer = answer_question(question, out)
    for warning in dict.fromkeys([*answer.baseline.warnings, *answer.candidate.warnings]):
        say(f"weir: warning: {warning}")
    emit(answer, json)
    if not json:
        _show(answer)


def _show(answer: WhatIf) -> None:
    from rich.console import Console
    from rich.markup import escape

    from flows.whatif.wording import counted, first_difference

    console = Console()
    for path, (left, right) in answer.changes.items():
        console.print(f"[dim]{escape(path)}[/] {escape(str(left))} -> {escape(str(right))}", highlight=False)
    console.print(escape(counted(answer.difference)), highlight=False)
    if answer.difference.first is not None:
        console.print(escape(first_difference(answer.difference.first)), highlight=False)
    for portfolio in answer.portfolios:
        _table(console, f"Portfolio {portfolio.portfolio}", portfolio.measures)
        for pod in portfolio.pods:
            _table(console, f"Pod {pod.pod}", pod.measures)
    if answer.recorded is not None:
        console.print(f"The record against the baseline: {escape(counted(answer.recorded))}", highlight=False)
    timing = answer.timing
    console.print(f"{timing.wall_seconds:.1f} s, {timing.wall_ratio:.2f} times the plain replay", highlight=False)
    for name, path in answer.report.items():
        typer.echo(f"{name}: {path}")


def _table(console: object, title: str, measures: dict[str, Measure]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from flows.whatif.wording import FIGURES, figure

    assert isinstance(console, Console)
    table = Table("", title=escape(title), title_justify="left")
    for name in ("Baseline", "Candidate", "Difference"):
        table.add_column(name, justify="right")
    for name, one in measures.items():
        difference = figure(name, one.difference, signed=True)
        table.add_row(FIGURES[name][0], figure(name, one.baseline), figure(name, one.candidate), difference)
    console.print(table)
