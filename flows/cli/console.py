"""What every command shares: one clean message for an error, a stable exit code, one JSON object at the end.

Results go to standard output, everything else to standard error. With ``--json`` the last line on standard output is
one JSON object, also when the command fails.
"""

from __future__ import annotations

import functools
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn, ParamSpec

import typer

Parameters = ParamSpec("Parameters")

#: Set by ``weir --debug`` or by hand: errors come with their traceback.
DEBUG_VARIABLE = "WEIR_DEBUG"

Json = Annotated[bool, typer.Option("--json", help="End standard output with one JSON object.")]


def say(text: str) -> None:
    """A line for people, on standard error."""
    typer.echo(text, err=True)


def emit(result: Any, as_json: bool, lines: Sequence[str] = ()) -> None:
    """The command's result: one JSON object, or ``lines`` for people."""
    if as_json:
        import msgspec

        sys.stdout.flush()
        typer.echo(msgspec.json.encode(result, order="sorted", enc_hook=str).decode())
    else:
        for line in lines:
            typer.echo(line)


def table(title: str, rows: Mapping[str, object]) -> None:
    """A two-column table on standard output."""
    from rich.console import Console
    from rich.table import Table

    shown = Table(title=title, show_header=False, title_justify="left")
    shown.add_column(style="bold")
    shown.add_column(overflow="fold")
    for name, value in rows.items():
        shown.add_row(name, str(value))
    Console().print(shown)


def debug() -> bool:
    """Whether errors come with their traceback."""
    return os.environ.get(DEBUG_VARIABLE, "") not in ("", "0")


def command(function: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """Turns every error of a command into one message and its exit code."""

    @functools.wraps(function)
    def run(*arguments: Parameters.args, **options: Parameters.kwargs) -> None:
        as_json = bool(options.get("json"))
        from flows.logs import log_to_stderr

        log_to_stderr("debug" if debug() else "info")
        try:
            function(*arguments, **options)
        except (typer.Exit, typer.Abort):
            raise
        except KeyboardInterrupt:
            _fail("interrupted", 130, as_json)
        except BrokenPipeError:
            # The reader of our output has gone, as with `| head`: nothing is left to say.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise typer.Exit(141) from None
        except Exception as error:
            _report(error, as_json)

    return run


def _report(error: Exception, as_json: bool) -> NoReturn:
    from flows.process.failure import describe

    if debug():
        detail = getattr(error, "detail", "") or traceback.format_exc()
        typer.echo(detail, err=True)
    failure = describe(error)
    expected = getattr(error, "exit_code", None) is not None or failure.exit_code != 1
    hint = "" if expected or debug() else f" (set {DEBUG_VARIABLE}=1 or use weir --debug for the traceback)"
    _fail(failure.message + hint, failure.exit_code, as_json)


def _fail(message: str, exit_code: int, as_json: bool) -> NoReturn:
    typer.echo(f"weir: error: {message}", err=True)
    if as_json:
        emit({"error": message, "exit_code": int(exit_code)}, True)
    raise typer.Exit(int(exit_code))


@contextmanager
def stages() -> Iterator[tuple[Callable[[str], None], Callable[[int, int], None]]]:
    """A bar on standard error: (what is being done, (done, total)); silent when that is no terminal."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda _text: None, lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("start", total=None)
        yield (
            lambda text: bar.update(task, description=text, completed=0, total=None),
            lambda done, total: bar.update(task, completed=done, total=total or None),
        )


@contextmanager
def progress(text: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error for (done, total); silent when that is no terminal. Total 0 is unknown."""
    with stages() as (describe, advance):
        describe(text)
        yield advance
