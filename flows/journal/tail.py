"""Following a journal: which decisions to show, and each as one readable line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flows.journal.segment import is_footer
from flows.journal.show import event_time, number
from flows.journal.stats import reasons_of
from schemas.decision import DecisionBody

#: How often a file that grows is looked at.
POLL_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Filter:
    """Which decisions to show; empty means any. A decision must fit every one that is set."""

    portfolio: str = ""
    symbol: str = ""
    pod: str = ""
    reason: str = ""
    orders: bool = False

    def fits(self, body: DecisionBody) -> bool:
        """Whether a decision is wanted."""
        return (
            self.portfolio in ("", body.portfolio)
            and (not self.symbol or self.symbol in _named(body, "symbol"))
            and (not self.pod or self.pod in _named(body, "pod"))
            and (not self.reason or any(reason.startswith(self.reason) for reason in reasons_of(body)))
            and (not self.orders or body.orders is not None)
        )


def decision_text(body: DecisionBody) -> str:
    """One decision in one line."""
    parts = [f"{event_time(body.cycle)} {body.portfolio} {body.sequence} {body.trading_state}"]
    parts.append(f"equity {number(round(body.equity, 2))}")
    orders = body.orders
    if orders is not None:
        shown = [
            f"{'buy' if quantity > 0 else 'sell'} {number(abs(quantity))} {symbol}"
            for quantity, symbol in zip(_deltas(body), orders.symbol, strict=True)
        ]
        parts.append("orders " + ", ".join(shown))
    if body.fills is not None:
        parts.append(f"fills {len(body.fills.symbol)}")
    if body.intents is not None:
        parts.append(f"intents {len(body.intents.symbol)}")
    reasons = reasons_of(body)
    if reasons:
        parts.append("reasons " + ", ".join(sorted(set(reasons))))
    if body.commands:
        parts.append(f"commands {len(body.commands)}")
    if body.heartbeat:
        parts.append("heartbeat")
    return "  ".join(parts)


def _deltas(body: DecisionBody) -> list[float]:
    table = body.orders
    if table is None:
        return []
    columns = zip(table.approved, table.position, table.pending, table.quantity, strict=True)
    return [abs(q) if approved - position - pending > 0 else -abs(q) for approved, position, pending, q in columns]


def _named(body: DecisionBody, column: str) -> set[str]:
    found: set[str] = set()
    for table in (body.intents, body.targets, body.clips, body.orders, body.fills):
        found.update(getattr(table, column, ()))
    return found | {str(row.get(column, "")) for row in body.cancels or ()}


def follow_file(
    path: Path, stop: Callable[[], bool], *, from_start: bool = False, pause: Callable[[float], None] = time.sleep
) -> Iterator[bytes]:
    """Whole lines of a plain file as they are appended, without newline and without footers, until ``stop``.

    A file that became shorter or was replaced is read from its beginning.
    """
    file = path.open("rb")
    try:
        if not from_start:
            file.seek(0, 2)
        rest = b""
        while not stop():
            line = file.readline()
            if line:
                rest += line
                if rest.endswith(b"\n"):
                    if not is_footer(rest) and len(rest) > 1:
                        yield rest[:-1]
                    rest = b""
                continue
            pause(POLL_SECONDS)
            if path.exists() and _is_other(path, file.fileno(), file.tell()):
                file.close()
                file, rest = path.open("rb"), b""
    finally:
        file.close()


def _is_other(path: Path, descriptor: int, position: int) -> bool:
    import os

    now, held = path.stat(), os.fstat(descriptor)
    return (now.st_ino, now.st_dev) != (held.st_ino, held.st_dev) or now.st_size < position
