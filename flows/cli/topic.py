"""``weir topics``: the Kafka topics of a deployment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.console import Json, command, emit

app = typer.Typer(no_args_is_help=True, help="Kafka topics of a deployment.")


@app.callback()
def topics() -> None:
    """Kafka topics of a deployment."""


@app.command("create")
@command
def create(
    config: Annotated[Path, typer.Option("--config", help="Configuration file.")],
    dump: Annotated[Path | None, typer.Option("--dump", help="Dump that from_dump values are taken from.")] = None,
    json: Json = False,
) -> None:
    """Create the topics that a configuration names; existing ones are left as they are. May be repeated."""
    from flows.cli.configuration import _resolved
    from flows.kafka.topics import create_topics
    from flows.topics import client_settings, topic_specs

    configuration = _resolved(config, dump)
    report = create_topics(client_settings(configuration), topic_specs(configuration))
    differences = [{"topic": d.topic, "key": d.key, "wanted": d.wanted, "found": d.found} for d in report.differences]
    result = {"created": report.created, "existing": report.existing, "differences": differences}
    lines = [f"created {name}" for name in report.created] + [f"exists {name}" for name in report.existing]
    lines += [f"differs {d['topic']}: {d['key']} is {d['found']}, wanted {d['wanted']}" for d in differences]
    emit(result, json, lines)


@app.command("acls")
@command
def acls(
    config: Annotated[Path, typer.Option("--config", help="Configuration file.")],
    prefix: Annotated[str, typer.Option("--prefix", help="Put before each role's name to make its principal.")] = "",
    create: Annotated[bool, typer.Option("--create", help="Create them at the cluster instead of printing.")] = False,
    json: Json = False,
) -> None:
    """Who may read and write which topic, as lines for Kafka's own tool, or created at the cluster."""
    from flows.kafka import access
    from flows.topics import client_settings
    from schemas.configuration import load_configuration

    configuration = load_configuration(config)
    wanted = access.bindings(configuration, prefix)
    if create:
        access.create(client_settings(configuration), wanted)
    lines = [access.as_command(binding) for binding in wanted]
    emit({"acls": lines, "created": create}, json, lines)
