"""``weir config``: is a configuration right, and what does it come to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.console import Json, command, emit, say
from flows.cli.single import DEFAULT_STRATEGY, Parameters, Strategy, Symbols

if TYPE_CHECKING:
    from schemas.configuration import Configuration

app = typer.Typer(no_args_is_help=True, help="Check and show configurations.")

File = Annotated[Path, typer.Argument(help="Configuration file (YAML or JSON).")]
DumpOption = Annotated[Path | None, typer.Option("--dump", help="Dump that from_dump values are taken from.")]


def resolved(file: Path, dump: Path | None) -> Configuration:
    """The configuration, with what a dump says where one is given."""
    from schemas.configuration import load_configuration

    configuration = load_configuration(file)
    if dump is None:
        return configuration
    from tempfile import TemporaryDirectory

    from flows.dump.layout import open_dump
    from flows.resolve import resolve

    with TemporaryDirectory() as scratch:
        return resolve(configuration, open_dump(dump, Path(scratch)), str(file))


@app.command("check")
@command
def check(file: File, dump: DumpOption = None, json: Json = False) -> None:
    """Check a configuration; every fault is listed at once. With --dump, strategies and symbols are checked too."""
    from schemas.configuration import config_hash

    configuration = resolved(file, dump)
    compiled = _compile(configuration, file)
    digest = config_hash(configuration)
    result = {"file": str(file), "ok": True, "config_hash": digest, "compiled": compiled}
    note = "" if compiled else " (strategies are checked with --dump, since instruments come from one)"
    emit(result, json, [f"{file}: ok, config_hash {digest}{note}"])


def _compile(configuration: Configuration, file: Path) -> bool:
    """Compiles the plan where nothing is left to a dump; returns whether it was."""
    open_ends = (
        configuration.instruments,
        configuration.time.cycle_seconds,
        configuration.topics.market.partitions,
    )
    if any(isinstance(value, str) for value in open_ends):
        return False
    from operators.plan import compile_plan
    from operators.strategy_evaluate.registry import default_registry

    compile_plan(configuration, default_registry(), str(file))
    return True


@app.command("show")
@command
def show(file: File, dump: DumpOption = None, json: Json = False) -> None:
    """Show a configuration with every default written out."""
    configuration = resolved(file, dump)
    document = configuration.model_dump(mode="json")
    if json:
        emit(document, True)
        return
    import yaml

    typer.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), nl=False)


@app.command("migrate")
@command
def migrate(
    file: Annotated[Path, typer.Argument(help="A strategy graph (seed 001) or a core configuration (seed 004).")],
    out: Annotated[Path | None, typer.Option("--out", help="Where to write; standard output by default.")] = None,
    json: Json = False,
) -> None:
    """Read an older system's configuration and write Weir's; every key is mapped, or listed with the reason."""
    import yaml

    from flows.migrate.migrate import migrate as run_migration

    found = run_migration(file)
    text = yaml.safe_dump(found.document, sort_keys=False, allow_unicode=True)
    if out is not None:
        out.write_text(text, encoding="utf-8")
    for note in found.mapped:
        say(f"{note.key} -> {note.text}")
    for note in found.unmapped:
        say(f"not mapped: {note.key}: {note.text}")
    if json:
        emit({"document": found.document, "mapped": found.mapped, "unmapped": found.unmapped}, True)
    elif out is None:
        typer.echo(text, nl=False)


@app.command("default")
@command
def default(
    strategy: Strategy = DEFAULT_STRATEGY, symbol: Symbols = None, parameter: Parameters = None, json: Json = False
) -> None:
    """Write the configuration of a single strategy, as `weir replay` uses it without --config."""
    from flows.default_configuration import single_strategy

    document = single_strategy(strategy, symbol or [], parameter or [])
    if json:
        emit(document, True)
        return
    import yaml

    typer.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), nl=False)
