"""Who may read and write which topic (design, "Edges"): the roles of a deployment, for Kafka's ACLs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: Inputs that Weir reads, where they are configured.
INPUTS: Final = ("market", "signals", "fills", "overlay", "control")


@dataclass(frozen=True, slots=True)
class Role:
    """What one principal does: topic roles that it reads and writes, and whether its writes are transactional."""

    purpose: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    transactional: bool = False


#: Nobody but the flow writes orders and decisions; nobody but operators writes commands and halts; the watchdog's
#: quarantine is the one command that the flow writes itself.
ROLES: Final[dict[str, Role]] = {
    "weir": Role(
        "the trading flow: `weir run`",
        reads=(*INPUTS, "orders", "decisions", "dead_letters", "progress"),
        writes=("orders", "decisions", "dead_letters", "progress", "control"),
        transactional=True,
    ),
    "clock": Role("`weir clock`: ticks on silent inputs", reads=INPUTS, writes=INPUTS),
    "feed": Role("market data", writes=("market",)),
    "models": Role("outside models", writes=("signals",)),
    "overlays": Role("HRP, CVaR and regime flows", reads=("market",), writes=("overlay",)),
    "operators": Role(
        "`weir kill` and every other command", reads=("decisions", "control"), writes=("control", "halts")
    ),
    "execution": Role("the execution service", reads=("orders", "halts"), writes=("fills",)),
    "paper_venue": Role(
        "`weir paper-execution`", reads=("market", "orders", "fills"), writes=("fills",), transactional=True
    ),
    "notifier": Role("`weir notify`", reads=("decisions",), writes=("telemetry",)),
    "archive": Role("`weir copy-decisions`, `weir record`", reads=(*INPUTS, "decisions", "orders")),
}


def writers_of(topic: str) -> tuple[str, ...]:
    """The roles that may write a topic, in order."""
    return tuple(name for name, role in ROLES.items() if topic in role.writes)
