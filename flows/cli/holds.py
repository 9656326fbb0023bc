"""``weir suspend``, ``resume`` and ``weir limits``: what holds signals back, and the limits of the risk gate (seed
004)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.commanding import Given, gives, until_body
from flows.cli.console import Json, command, emit
from flows.cli.control import Duration, Until
from flows.errors import InvalidInput

limits = typer.Typer(help="Signal limits and limits of the risk gate.", no_args_is_help=True)
suspensions = typer.Typer(help="List what is suspended.", no_args_is_help=True)

Schedules = Annotated[list[str] | None, typer.Option("--schedule", help="A schedule; may be given several times.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="A tag; may be given several times.")]
Recovery = Annotated[Path, typer.Option("--recovery", help="Recovery folder to read; nothing is changed in it.")]
Export = Annotated[Path | None, typer.Option("--export", help="Write it as JSON into this file.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("suspend")(command(suspend))
    app.command("resume")(command(resume))
    app.add_typer(suspensions, name="suspensions")
    app.add_typer(limits, name="limits")


@gives
def suspend(
    schedule: Schedules = None, tag: Tags = None, until: Until = None, duration: Duration = None
) -> list[Given]:  # fmt: skip
    """Let only reductions of schedules, or of every schedule with a tag, pass."""
    return _each("suspend", schedule, tag, until_body(until, duration))


@gives
def resume(schedule: Schedules = None, tag: Tags = None) -> list[Given]:
    """Lift suspensions of schedules and tags."""
    return _each("resume", schedule, tag, {})


@limits.command("set")
@command
@gives
def set_limits(
    pairs: Annotated[list[str], typer.Argument(metavar="STRATEGY:PROFILE=LIMIT...")],
    until: Until = None,
    duration: Duration = None,
) -> list[Given]:
    """Set the most entries and increases in a cycle for a strategy and risk profile."""
    body = until_body(until, duration)
    return [_set_limit(pair, body) for pair in pairs]


@limits.command("clear")
@command
@gives
def clear_limits(pairs: Annotated[list[str], typer.Argument(metavar="STRATEGY:PROFILE...")]) -> list[Given]:
    """Go back to the schedules' own limits."""
    found = [_pair(pair) for pair in pairs]
    return [Given("clear_limit", "strategy", strategy, {"risk_profile": profile}) for strategy, profile in found]


@limits.command("risk")
@command
@gives
def risk_limits(
    limits_given: Annotated[list[str], typer.Argument(metavar="NAME=VALUE...", help="VALUE off switches one off.")],
) -> list[Given]:
    """Set limits of the risk gate by their names under `guards`; NAME alone goes back to the configuration."""
    return [_risk_limit(given) for given in limits_given]


@limits.command("list")
@command
def list_limits(recovery: Recovery, export: Export = None, json: Json = False) -> None:
    """List signal limits and limits of the risk gate that commands have set, with what remains of their time."""
    from flows.state_view import read_state

    found = read_state(recovery)
    result: dict[str, Any] = {
        "as_of": found["as_of"],
        "signal_limits": found["signal_limits"],
        "risk_limits": {name: one["limits"] for name, one in found["portfolios"].items()},
    }
    lines = [
        f"{one['strategy']}:{one['risk_profile']}={one['limit']}  {_time_words(one)}" for one in found["signal_limits"]
    ]
    lines += [f"{name}: {k} = {v}" for name, own in result["risk_limits"].items() for k, v in own.items()]
    _show(result, lines, export, json)


@suspensions.command("list")
@command
def list_suspensions(recovery: Recovery, export: Export = None, json: Json = False) -> None:
    """List what is suspended, why and for how long."""
    from flows.state_view import read_state

    found = read_state(recovery)
    result = {"as_of": found["as_of"], "suspensions": found["suspensions"]}
    lines = [f"{one['scope']} {one['name']}  {_time_words(one)}" for one in found["suspensions"]]
    _show(result, lines, export, json)


def _show(result: dict[str, Any], lines: list[str], export: Path | None, json: bool) -> None:
    if export is not None:
        import msgspec

        export.parent.mkdir(parents=True, exist_ok=True)
        export.write_bytes(msgspec.json.format(msgspec.json.encode(result, order="sorted")) + b"\n")
    emit(result, json, lines or ["nothing is set"])


def _time_words(one: dict[str, Any]) -> str:
    remaining = one["remaining_seconds"]
    words = "until lifted" if remaining is None else f"until {one['expires_at']}, {remaining:g} s remain"
    return f"{words}  {one['reason']}".rstrip()


def _each(
    name: str, schedules: list[str] | None, tags: list[str] | None, body: dict[str, object]
) -> list[Given]:  # fmt: skip
    given = [Given(name, "schedule", one, body) for one in schedules or []]
    given += [Given(name, "tag", one, body) for one in tags or []]
    if not given:
        raise InvalidInput("name a --schedule or a --tag")
    return given


def _pair(text: str) -> tuple[str, str]:
    strategy, colon, profile = text.partition(":")
    if not (strategy and colon and profile):
        raise InvalidInput(f"{text!r}: write STRATEGY:PROFILE, such as sma_cross:balanced")
    return strategy, profile


def _set_limit(text: str, body: dict[str, object]) -> Given:
    pair, _, limit = text.partition("=")
    strategy, profile = _pair(pair)
    if not limit.isascii() or not limit.isdigit():
        raise InvalidInput(f"{text!r}: write STRATEGY:PROFILE=LIMIT with a whole number, such as sma_cross:balanced=2")
    return Given("set_limit", "strategy", strategy, {"risk_profile": profile, "limit": int(limit), **body})


def _risk_limit(text: str) -> Given:
    name, equals, value = text.partition("=")
    if not equals:
        return Given("clear_risk_limit", body={"limit": name})
    try:
        number = None if value == "off" else float(value)
    except ValueError:
        raise InvalidInput(f"{text!r}: the value is a number, or off") from None
    return Given("set_risk_limit", body={"limit": name, "value": number})
