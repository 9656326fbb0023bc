"""What every command to the flow shares: whom it is for, who gives it, when it holds, and how it is sent."""

from __future__ import annotations

import functools
import getpass
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_type_hints

import typer

from flows.cli.console import Json, emit
from flows.errors import InvalidInput

Scope = Literal["global", "portfolio", "pod", "strategy", "schedule", "tag", "symbol"]


class Given(NamedTuple):
    """One command: its name, target and body."""

    command: str
    scope: Scope = "portfolio"
    name: str = ""
    body: dict[str, object] = {}  # noqa: RUF012 - never changed


def _shared(
    config: Annotated[Path, typer.Option("--config", help="Configuration file.")],
    portfolio: Annotated[str, typer.Option("--portfolio", help="Portfolio id; * is every one.")] = "*",
    operator: Annotated[
        str | None, typer.Option("--operator", help="Who says so; by default the key's operator, or the login name.")
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", help="Key file to sign with; else WEIR_OPERATOR_KEY.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is journalled.")] = "",
    note: Annotated[str, typer.Option("--note", help="Why trading may go on; it is journalled.")] = "",
    effective_at: Annotated[
        str | None, typer.Option("--effective-at", help="Event time from which it holds, ISO 8601; now by default.")
    ] = None,
    expires_at: Annotated[
        str | None, typer.Option("--expires-at", help="Event time after which it is refused, ISO 8601.")
    ] = None,
    json: Json = False,
) -> None:
    """The options that every command has."""


def gives(function: Callable[..., list[Given]]) -> Callable[..., None]:
    """Makes a command line of a function that says what is commanded; the shared options are added to its own."""
    own = list(inspect.signature(function).parameters)
    kinds = {**get_type_hints(_shared, include_extras=True), **get_type_hints(function, include_extras=True)}
    found = {**inspect.signature(_shared).parameters, **inspect.signature(function).parameters}
    parameters = [p.replace(annotation=kinds[n], kind=inspect.Parameter.KEYWORD_ONLY) for n, p in found.items()]

    @functools.wraps(function)
    def run(**options: Any) -> None:
        send_all(function(**{name: options[name] for name in own}), options)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
    return run


def send_all(given: list[Given], options: dict[str, Any]) -> None:
    """Signs and sends commands in their order, and says what was written."""
    from flows.commands_to_kafka import new_command, send
    from flows.operator_keys import check_token, read_key_file
    from flows.times import moment
    from schemas.configuration import load_configuration
    from schemas.messages import Target

    configuration = load_configuration(options["config"])
    check_token(configuration.runtime.command_token_sha256)
    key = read_key_file(options["key"])
    if key is None and configuration.operators.keys:
        raise InvalidInput("this configuration has operators.keys: sign with --key FILE or WEIR_OPERATOR_KEY")
    written: list[dict[str, str]] = []
    for one in given:
        made = new_command(
            one.command,
            Target(scope=one.scope, name=one.name),
            portfolio=options["portfolio"],
            operator=options["operator"] or (getpass.getuser() if key is None else key.operator),
            reason=options["reason"],
            note=options["note"],
            body=dict(one.body),
            effective_at=None if options["effective_at"] is None else moment(options["effective_at"]),
            expires_at=None if options["expires_at"] is None else moment(options["expires_at"]),
        )
        check(made)
        send(configuration, made if key is None else key.signed(made))
        written.append({"id": made.id, "command": one.command, "target": f"{one.scope} {one.name}".strip()})
    lines = [f"{w['command']} of {w['target']}: written, id {w['id']}" for w in written]
    emit(written[0] if len(written) == 1 else {"commands": written}, options["json"], lines)


def check(made: Any) -> None:
    """Refuses a command that the flow would refuse whatever it trades; raises InvalidInput."""
    from schemas.control import BodyError, parse_body

    try:
        parse_body(made)
    except BodyError as fault:
        raise InvalidInput(str(fault)) from None


def until_body(until: str | None, duration: str | None) -> dict[str, object]:
    """The part of a body that says how long it holds; raises InvalidInput for both at once."""
    from flows.times import duration_seconds, moment

    if until is not None and duration is not None:
        raise InvalidInput("give --until or --duration, not both")
    if until is not None:
        return {"until": moment(until)}
    return {} if duration is None else {"duration_seconds": duration_seconds(duration)}
