"""``weir kill``, ``arm``, ``trading-state``, ``restrict``, ``configure`` and ``weir pods``: stop, start and confine
trading."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.commanding import Given, Scope, gives, until_body
from flows.cli.console import command
from flows.errors import InvalidInput

Pod = Annotated[str | None, typer.Option("--pod", help="Only this pod.")]
Strategy = Annotated[str | None, typer.Option("--strategy", help="Only this strategy.")]
Schedule = Annotated[str | None, typer.Option("--schedule", help="Only this schedule.")]
Symbol = Annotated[str | None, typer.Option("--symbol", help="Only this symbol.")]
Until = Annotated[str | None, typer.Option("--until", help="Until this event time, ISO 8601.")]
Duration = Annotated[str | None, typer.Option("--duration", help="For so long: 30m, 2h, 3600.")]

pods = typer.Typer(help="Pause, resume and retire pods.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("kill")(command(kill))
    app.command("arm")(command(arm))
    app.command("trading-state")(command(trading_state))
    app.command("restrict")(command(restrict))
    app.command("configure")(command(configure))
    app.add_typer(pods, name="pods")


@gives
def kill(
    reason: Annotated[str, typer.Option("--reason", help="Why; it is journalled.")],
    pod: Pod = None,
    strategy: Strategy = None,
    schedule: Schedule = None,
    symbol: Symbol = None,
    mode: Annotated[str, typer.Option("--mode", help="freeze: hold what is held. flatten: go to zero.")] = "freeze",
) -> list[Given]:
    """Stop trading at once: the execution service and the flow are both told."""
    if mode not in ("freeze", "flatten"):
        raise InvalidInput(f"--mode {mode}: it is freeze or flatten")
    return [Given("kill", *_target(pod, strategy, schedule, symbol), {"mode": mode})]


@gives
def arm(
    note: Annotated[str, typer.Option("--note", help="Why trading may go on; it is journalled.")],
    pod: Pod = None,
    strategy: Strategy = None,
    schedule: Schedule = None,
    symbol: Symbol = None,
) -> list[Given]:
    """Lift a kill of the same scope, or let a halted portfolio trade."""
    return [Given("arm", *_target(pod, strategy, schedule, symbol))]


@gives
def trading_state(
    state: Annotated[str, typer.Argument(metavar="STATE", help="ACTIVE (needs --note), REDUCING or HALTED.")],
    note: Annotated[str, typer.Option("--note", help="Why trading may go on; it is journalled.")] = "",
) -> list[Given]:
    """Set the trading state; a kill switch goes before it."""
    if state.upper() == "ACTIVE" and not note.strip():
        raise InvalidInput("ACTIVE lets trading go on: say in --note why it may")
    return [Given("trading_state", body={"state": state.upper()})]


@gives
def restrict(
    symbols: Annotated[list[str], typer.Argument(metavar="SYMBOL...", help="Symbols in which only reductions pass.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take them off the list.")] = False,
) -> list[Given]:
    """Put symbols on the restricted list, or take them off."""
    return [Given("unrestrict" if remove else "restrict", "symbol", symbol) for symbol in symbols]


@gives
def configure(
    document: Annotated[Path, typer.Argument(metavar="FILE", help="The whole configuration to be used next.")],
) -> list[Given]:
    """Journal a configuration as the next one. It takes effect at the next start after a clean stop, not at once."""
    from schemas.configuration import load_configuration

    return [Given("configure", "global", body={"document": load_configuration(document).model_dump(mode="json")})]


@pods.command("pause")
@command
@gives
def pause(
    pod: Annotated[str, typer.Argument(metavar="POD")], until: Until = None, duration: Duration = None
) -> list[Given]:  # fmt: skip
    """Let only reductions of a pod pass."""
    return [Given("pause_pod", "pod", pod, until_body(until, duration))]


@pods.command("resume")
@command
@gives
def resume_pod(pod: Annotated[str, typer.Argument(metavar="POD")]) -> list[Given]:
    """Lift a pod's pause."""
    return [Given("resume_pod", "pod", pod)]


@pods.command("retire")
@command
@gives
def retire(
    pod: Annotated[str, typer.Argument(metavar="POD")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is journalled.")],
) -> list[Given]:
    """Take a pod's capital away for good and sell what it holds."""
    return [Given("retire_pod", "pod", pod)]


def _target(
    pod: str | None, strategy: str | None, schedule: str | None, symbol: str | None
) -> tuple[Scope, str]:  # fmt: skip
    kinds: tuple[tuple[Scope, str | None], ...] = (
        ("pod", pod), ("strategy", strategy), ("schedule", schedule), ("symbol", symbol),
    )  # fmt: skip
    named = [(scope, name) for scope, name in kinds if name is not None]
    if len(named) > 1:
        raise InvalidInput("name one of --pod, --strategy, --schedule and --symbol, or none for the whole portfolio")
    return named[0] if named else ("portfolio", "")
