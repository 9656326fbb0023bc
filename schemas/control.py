"""The operator's commands: scopes, least role and body of each (spec 3, 7, 11, 13).

One table says all that is fixed about a command; what is judged, sent and documented is taken from it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from schemas.messages import ControlCommand, Strict

Scope = Literal["global", "portfolio", "pod", "strategy", "schedule", "tag", "symbol"]
Role = Literal["viewer", "operator", "risk", "admin"]
#: From the one that may least: each may what those before it may.
ROLES: Final[tuple[Role, ...]] = ("viewer", "operator", "risk", "admin")

#: A hundred years in seconds: what is added to a time of this century still fits a 64-bit column of ns.
LONGEST_SECONDS: Final = 3.2e9
LATEST: Final = 2**62

Count = Annotated[int, Meta(ge=0, le=2**31)]
Seconds = Annotated[float, Meta(gt=0.0, le=LONGEST_SECONDS)]
Duration = Annotated[float, Meta(ge=-LONGEST_SECONDS, le=LONGEST_SECONDS)]
Amount = Annotated[float, Meta(gt=0.0, le=1e18)]


class Nothing(Strict, frozen=True):
    """A command that needs no body."""


class Kill(Strict, frozen=True):
    """``freeze`` holds what is held, ``flatten`` goes to zero."""

    mode: Literal["freeze", "flatten"] = "freeze"


class TradingState(Strict, frozen=True):
    """The state to go to."""

    state: Literal["ACTIVE", "REDUCING", "HALTED"]


class Hold(Strict, frozen=True):
    """In force until ``until`` (ISO 8601 with a zone, or UTC ns), which wins over ``duration_seconds``; with neither,
    or a duration of 0 or less, until it is lifted."""

    until: str | int | None = None
    duration_seconds: Duration | None = None


class SignalLimit(Hold, frozen=True, kw_only=True):
    """Most entries and increases of a strategy's schedules with this risk profile in one cycle."""

    risk_profile: str
    limit: Count


class SignalLimitKey(Strict, frozen=True):
    """Which override goes."""

    risk_profile: str


class Policy(Strict, frozen=True):
    """A capital policy as under ``capital`` in the configuration; ``adopt_interval`` takes the interval that it
    recommends, ``rebalance`` false waits for the next one that is due."""

    policy: str | dict[str, Any]
    rebalance: bool = True
    adopt_interval: bool = False


class Interval(Strict, frozen=True):
    """Event time between two regular rebalances."""

    seconds: Seconds


class RiskLimit(Strict, frozen=True):
    """A limit of the risk gate by its name in the configuration; null switches off one that may be off."""

    limit: str
    value: Amount | None


class RiskLimitName(Strict, frozen=True):
    """Which limit goes back to what the configuration says."""

    limit: str


class Document(Strict, frozen=True):
    """A whole configuration."""

    document: dict[str, Any]


class CommandRule(Struct, frozen=True):
    """What is fixed about a command.

    Attributes:
        scopes: what its target may be.
        role: the least role that may give it.
        body: type of its body.
        form: its body in words, for errors and the page.
        effect: what it does, for the page.
    """

    scopes: tuple[Scope, ...]
    role: Role
    body: type[Strict]
    form: str
    effect: str


_KILL: Final[tuple[Scope, ...]] = ("global", "portfolio", "pod", "strategy", "schedule", "symbol")
_WHOLE: Final[tuple[Scope, ...]] = ("global", "portfolio")
_SCHEDULES: Final[tuple[Scope, ...]] = ("schedule", "tag")
_TIMES: Final = "`until` (ISO 8601 with a zone, or UTC ns), `duration_seconds`; neither: until lifted"
_NO_BODY: Final = "none"

COMMANDS: Final[dict[str, CommandRule]] = {
    "kill": CommandRule(
        _KILL, "operator", Kill, "`mode`: `freeze` (default) or `flatten`",
        "the whole portfolio: `freeze` halts it and takes open orders back, `flatten` puts it into REDUCING with every"
        " target at zero. A pod, strategy or schedule: its targets freeze or go to zero. A symbol: no order, or its"
        " target to zero",
    ),
    "arm": CommandRule(
        _KILL, "risk", Nothing, "none; needs `note`",
        "lifts the switch that names the same scope and name. Where the whole portfolio has none, it starts one that"
        " begins HALTED (`guards.initial_state`) and whose state nobody has set yet",
    ),
    "trading_state": CommandRule(
        _WHOLE, "operator", TradingState, "`state`: ACTIVE, REDUCING, HALTED; ACTIVE needs `note` and the role risk",
        "sets the state; a kill switch goes before it",
    ),
    "suspend": CommandRule(
        _SCHEDULES, "operator", Hold, _TIMES, "only reductions pass; a schedule's own record wins over its tags'"
    ),
    "resume": CommandRule(_SCHEDULES, "operator", Nothing, _NO_BODY, "lifts the suspension of the same name"),
    "pause_pod": CommandRule(("pod",), "operator", Hold, _TIMES, "suspends every schedule of the pod"),
    "resume_pod": CommandRule(("pod",), "operator", Nothing, _NO_BODY, "lifts the pod's pause"),
    "retire_pod": CommandRule(
        ("pod",), "risk", Nothing, _NO_BODY, "for good: no capital, and what it holds is sold by orders of its own"
    ),
    "set_limit": CommandRule(
        ("strategy",), "risk", SignalLimit, f"`risk_profile`, `limit`: 0 or more; {_TIMES}",
        "most entries and increases in a cycle, for this strategy and risk profile",
    ),
    "clear_limit": CommandRule(
        ("strategy",), "risk", SignalLimitKey, "`risk_profile`", "back to the schedules' `max_signals`"
    ),
    "set_risk_limit": CommandRule(
        _WHOLE, "risk", RiskLimit, "`limit`: its name under `guards`; `value`: more than 0, or null for off",
        "the limit holds from this cycle on; a lower one sells nothing, it lets nothing grow",
    ),
    "clear_risk_limit": CommandRule(
        _WHOLE, "risk", RiskLimitName, "`limit`: its name under `guards`", "back to what the configuration says"
    ),
    "restrict": CommandRule(("symbol",), "risk", Nothing, _NO_BODY, "puts the symbol on the restricted list: only"
                            " reductions pass"),
    "unrestrict": CommandRule(("symbol",), "risk", Nothing, _NO_BODY, "takes it off the list"),
    "force_rebalance": CommandRule(_WHOLE, "operator", Nothing, _NO_BODY, "capital is computed anew in this cycle"),
    "skip_rebalance": CommandRule(
        _WHOLE, "operator", Nothing, _NO_BODY, "the next rebalance that interval or drift asks for is left out"
    ),
    "swap_policy": CommandRule(
        _WHOLE, "risk", Policy, "`policy`: a name or a section; `rebalance`: true (default), `adopt_interval`: false",
        "another capital policy",
    ),
    "set_interval": CommandRule(
        _WHOLE, "risk", Interval, "`seconds`: more than 0", "event time between two regular rebalances"
    ),
    "configure": CommandRule(
        ("global",), "admin", Document, "`document`: a whole configuration",
        "checked and journalled as pending. It does **not** take effect in the running flow: start with it after a"
        " clean stop",
    ),
}  # fmt: skip


class BodyError(ValueError):
    """A body that a command cannot work with; the text names the key, its value and what may stand there."""


def parse_body(command: ControlCommand) -> Any:
    """The typed body of a known command; raises :class:`BodyError`."""
    rule = COMMANDS[command.command]
    try:
        return msgspec.convert(command.body, rule.body)
    except msgspec.ValidationError as fault:
        text, _, path = str(fault).partition(" - at `$.")
        key = path.rstrip("`").partition(".")[0].partition("[")[0]
        given = f"{key} {repr(command.body[key])[:80]}: " if key in command.body else ""
        raise BodyError(f"{given}{text}; the body of {command.command} is {rule.form}") from None


def least_role(command: ControlCommand) -> Role:
    """The least role that may give a known command; letting trading go on is riskier than stopping it."""
    if command.command == "trading_state" and command.body.get("state") == "ACTIVE":
        return "risk"
    return COMMANDS[command.command].role
