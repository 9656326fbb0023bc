"""``weir import``, ``seal``, ``record`` and ``publish``: making dumps, ending them, and Kafka."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.console import Json, command, emit, progress, say


class Stamp(StrEnum):
    """Which end of a bar a file's times name."""

    OPEN = "open"
    CLOSE = "close"


class Form(StrEnum):
    """How the partition files of a dump are written."""

    PARQUET = "parquet"
    JSONL = "jsonl"
    JSONL_GZ = "jsonl.gz"
    JSONL_ZST = "jsonl.zst"


class Partitioner(StrEnum):
    """Which partition a symbol belongs to."""

    MURMUR2 = "murmur2"
    CONSISTENT = "consistent"


Out = Annotated[Path, typer.Option("--out", help="Folder for the new dump.")]
Config = Annotated[Path, typer.Option("--config", help="Configuration file: names the cluster and its topics.")]
FormOption = Annotated[Form, typer.Option("--form", help="Form of the dump's files.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("import")(command(import_files))
    app.command("seal")(command(seal))
    app.command("record")(command(record))
    app.command("publish")(command(publish))


def import_files(
    files: Annotated[list[Path], typer.Argument(help="OHLCV files (.csv[.gz|.zst], .parquet), or a folder of such.")],
    out: Out,
    interval: Annotated[
        str | None, typer.Option(help="Bar interval such as 1h; found from the times by default.")
    ] = None,
    stamp: Annotated[Stamp | None, typer.Option(help="Which end of a bar the times name.")] = None,
    partitions: Annotated[int, typer.Option(min=1, max=4096, help="Partitions of the market topic.")] = 4,
    partitioner: Annotated[Partitioner, typer.Option(help="Symbol to partition.")] = Partitioner.MURMUR2,
    keep_bad: Annotated[bool, typer.Option("--keep-bad", help="Keep rows that are no bars, as dead letters.")] = False,
    form: FormOption = Form.PARQUET,
    json: Json = False,
) -> None:
    """Turn OHLCV CSV or Parquet files into a dump that replay takes."""
    from flows.dump.importer import import_bars

    with progress("import") as advance:
        report = import_bars(
            files,
            out,
            interval,
            None if stamp is None else stamp.value,
            partitions,
            partitioner=partitioner.value,
            keep_bad=keep_bad,
            form=form.value,
            progress=advance,
        )
    result = {
        "out": str(report.folder),
        "bars": report.bars,
        "symbols": report.symbols,
        "partitions": report.partitions,
        "intervals": report.intervals,
        "first": report.first,
        "last": report.last,
        "sealed_at": report.sealed_at,
        "notices": report.notices,
    }
    emit(result, json, [f"{report.bars:,} bars of {len(report.symbols)} symbols in {report.folder}"])


def seal(
    dump: Annotated[Path, typer.Argument(help="Dump to end.")],
    out: Out,
    cycle: Annotated[int | None, typer.Option("--cycle", min=1, help="Seconds of a cycle.")] = None,
    form: FormOption = Form.PARQUET,
    json: Json = False,
) -> None:
    """Copy a dump and end every partition with a ClockTick, so that its last cycles close."""
    from tempfile import TemporaryDirectory

    from flows.dump.layout import open_dump
    from flows.dump.seal import seal as seal_dump

    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=".seal-") as scratch:
        sealed_at = seal_dump(open_dump(dump, Path(scratch)), out, cycle_seconds=cycle, form=form.value)
    emit({"out": str(out), "sealed_at": sealed_at}, json, [f"{out}: sealed at {sealed_at}"])


def _places(given: list[str], option: str) -> dict[tuple[str, int], int]:
    """``role:partition:offset`` of each option; raises InvalidInput naming the option."""
    from flows.errors import InvalidInput

    found: dict[tuple[str, int], int] = {}
    for text in given:
        parts = text.split(":")
        if len(parts) != 3 or not (parts[1].isdigit() and parts[2].isdigit()):
            raise InvalidInput(f"{option} {text}: write role:partition:offset, such as market:0:1200")
        found[parts[0], int(parts[1])] = int(parts[2])
    return found


def record(
    config: Config,
    out: Out,
    start: Annotated[
        list[str] | None, typer.Option("--from", help="role:partition:offset to begin at; the beginning by default.")
    ] = None,
    end: Annotated[
        list[str] | None, typer.Option("--to", help="role:partition:offset to stop before; the present end by default.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until Ctrl-C.")] = False,
    seal_it: Annotated[bool, typer.Option("--seal/--no-seal", help="End every partition with a ClockTick.")] = True,
    form: FormOption = Form.PARQUET,
    json: Json = False,
) -> None:
    """Record the input topics of a configuration from Kafka into a dump."""
    from flows.process import drain
    from flows.record import RecordOptions
    from flows.record import record as record_topics
    from schemas.configuration import load_configuration

    options = RecordOptions(_places(start or [], "--from"), _places(end or [], "--to"), follow, seal_it, form.value)
    with drain.on_signals(), progress("record") as advance:
        report = record_topics(load_configuration(config), out, options, advance)
    result = {"out": str(report.folder), "records": report.records, "sealed_at": report.sealed_at}
    emit(result, json, [f"{sum(report.records.values()):,} records in {report.folder}"])


def publish(
    dump: Annotated[Path, typer.Argument(help="Dump to publish.")],
    config: Config,
    speed: Annotated[
        float | None, typer.Option("--speed", help="Seconds of record time for one of wall time; at once by default.")
    ] = None,
    append: Annotated[bool, typer.Option("--append", help="Publish to topics that hold records already.")] = False,
    json: Json = False,
) -> None:
    """Feed a dump to Kafka; partitions, keys, timestamps and original positions are kept."""
    from tempfile import TemporaryDirectory

    from flows.dump.layout import open_dump
    from flows.process import drain
    from flows.publish import publish as publish_dump
    from schemas.configuration import load_configuration

    configuration = load_configuration(config)
    with TemporaryDirectory() as scratch, drain.on_signals(), progress("publish") as advance:
        report = publish_dump(
            open_dump(dump, Path(scratch)), configuration, speed=speed, append=append, progress=advance
        )
    if not report.complete:
        say("weir: warning: stopped before the end of the dump")
    result = {"records": report.records, "by_role": report.by_role, "complete": report.complete}
    emit(result, json, [f"{report.records:,} records published"])
