"""``weir kill`` and ``weir arm``: stop trading at once, and let it go on."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated, Literal

import typer

from flows.cli.console import Json, command, emit
from flows.errors import InvalidInput

Config = Annotated[Path, typer.Option("--config", help="Configuration file.")]
PortfolioName = Annotated[str, typer.Option("--portfolio", help="Portfolio id; * is every one.")]
Pod = Annotated[str | None, typer.Option("--pod", help="Only this pod.")]
Strategy = Annotated[str | None, typer.Option("--strategy", help="Only this strategy.")]
Schedule = Annotated[str | None, typer.Option("--schedule", help="Only this schedule.")]
Symbol = Annotated[str | None, typer.Option("--symbol", help="Only this symbol.")]
Operator = Annotated[str | None, typer.Option("--operator", help="Who says so; by default the login name.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("kill")(command(kill))
    app.command("arm")(command(arm))


def kill(
    config: Config,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is journalled.")],
    portfolio: PortfolioName = "*",
    pod: Pod = None,
    strategy: Strategy = None,
    schedule: Schedule = None,
    symbol: Symbol = None,
    mode: Annotated[str, typer.Option("--mode", help="freeze: hold what is held. flatten: go to zero.")] = "freeze",
    operator: Operator = None,
    json: Json = False,
) -> None:
    """Stop trading at once: the execution service and the flow are both told."""
    if mode not in ("freeze", "flatten"):
        raise InvalidInput(f"--mode {mode}: it is freeze or flatten")
    target = _target(pod, strategy, schedule, symbol)
    _send(config, "kill", target, portfolio, operator, json, reason=reason, body={"mode": mode})


def arm(
    config: Config,
    note: Annotated[str, typer.Option("--note", help="Why trading may go on; it is journalled.")],
    portfolio: PortfolioName = "*",
    pod: Pod = None,
    strategy: Strategy = None,
    schedule: Schedule = None,
    symbol: Symbol = None,
    operator: Operator = None,
    json: Json = False,
) -> None:
    """Lift a kill of the same scope, or let a halted portfolio trade."""
    _send(config, "arm", _target(pod, strategy, schedule, symbol), portfolio, operator, json, note=note)


Scope = Literal["global", "portfolio", "pod", "strategy", "schedule", "tag", "symbol"]


def _target(
    pod: str | None, strategy: str | None, schedule: str | None, symbol: str | None
) -> tuple[Scope, str]:  # fmt: skip
    named: list[tuple[Scope, str]] = []
    for scope, name in (("pod", pod), ("strategy", strategy), ("schedule", schedule), ("symbol", symbol)):
        if name is not None:
            named.append((scope, name))  # type: ignore[arg-type]
    if len(named) > 1:
        raise InvalidInput("name one of --pod, --strategy, --schedule and --symbol, or none for the whole portfolio")
    return named[0] if named else ("portfolio", "")


def _send(
    config: Path,
    name: str,
    target: tuple[Scope, str],
    portfolio: str,
    operator: str | None,
    json: bool,
    *,
    reason: str = "",
    note: str = "",
    body: dict[str, object] | None = None,
) -> None:
    from flows.commands_to_kafka import new_command, send
    from schemas.configuration import load_configuration
    from schemas.messages import Target

    scope, subject = target
    given = new_command(
        name,
        Target(scope=scope, name=subject),
        portfolio=portfolio,
        operator=operator or getpass.getuser(),
        reason=reason,
        note=note,
        body=body,
    )
    send(load_configuration(config), given)
    what = f"{scope} {subject}".strip()
    emit({"id": given.id, "command": name, "target": what}, json, [f"{name} of {what}: written, id {given.id}"])
