"""What of a decision people are told: transitions, rebalances, risk alerts, commands. Never a tick (spec 13)."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import numpy as np
from msgspec import Struct

from schemas.configuration.notifications import NoticeKind
from schemas.decision import DecisionBody

#: Cuts that mean that a limit of the whole is reached, not that a strategy asked for much.
_ALERTS: Final = ("GUARD_", "REGIME_CRISIS", "ENVELOPE_HARD_LIMIT", "POD_WIPED_OUT")
_RISK_EVENTS: Final = ("POSITION_MISMATCH", "CASH_MISMATCH", "FILL_", "ORDER_UNKNOWN", "ORDER_UNANSWERED",
                       "INTENT_OFFSET_HIGH", "STRATEGY_QUARANTINED", "STRATEGY_CIRCUIT_OPEN")  # fmt: skip


class Notice(Struct, frozen=True, kw_only=True):
    """A notification. ``topic`` is what it is about: notices of one topic are throttled together."""

    kind: NoticeKind
    topic: str
    text: str
    portfolio: str
    cycle: int
    sequence: int


def notices_of(body: DecisionBody) -> list[Notice]:
    """The notifications of a decision, in a fixed order."""
    found = [*_transitions(body), *_rebalance(body), *_risk(body), *_refused(body)]
    when = _time(body.cycle)
    return [
        Notice(
            kind=kind, topic=f"{body.portfolio}/{topic}", text=f"[{body.portfolio}] {when} {text}",
            portfolio=body.portfolio, cycle=body.cycle, sequence=body.sequence,
        )
        for kind, topic, text in found
    ]  # fmt: skip


_Found = tuple[NoticeKind, str, str]


def _time(cycle: int) -> str:
    return f"{np.datetime64(cycle, 'ns').astype('datetime64[s]')}Z"


def _transitions(body: DecisionBody) -> list[_Found]:
    return [
        ("transition", str(t["subject"]), f"{t['subject']}: {t['before']} -> {t['after']} ({t['reason']})")
        for t in body.transitions or []
    ]


def _rebalance(body: DecisionBody) -> list[_Found]:
    capital = body.capital
    if capital is None:
        return []
    shares = ", ".join(f"{pod} {share:.1%}" for pod, share in sorted(capital["fractions"].items()))
    return [("rebalance", "capital", f"capital by {capital['policy']} ({capital['trigger']}): {shares}")]


def _risk(body: DecisionBody) -> list[_Found]:
    cuts: Counter[tuple[str, str]] = Counter()
    if body.clips is not None:
        pairs = zip(body.clips.reason, body.clips.symbol, strict=True)
        cuts.update(pair for pair in pairs if pair[0].startswith(_ALERTS))
    found: list[_Found] = [("risk", f"{reason}/{symbol}", f"{reason} in {symbol}") for reason, symbol in sorted(cuts)]
    for event in body.events or []:
        reason = str(event.get("reason", ""))
        if reason.startswith(_RISK_EVENTS):
            found.append(("risk", f"{reason}/{_place(event)}", f"{reason} {_place(event)}: {event.get('detail', '')}"))
    return found


def _place(event: dict[str, Any]) -> str:
    return " ".join(str(event[key]) for key in ("schedule", "symbol") if event.get(key))


def _refused(body: DecisionBody) -> list[_Found]:
    """Refused commands: somebody believes that the flow does what it does not do."""
    return [
        (
            "control", f"{c['command']}/{c['verdict']}",
            f"{c['operator']}'s {c['command']} was refused: {c['verdict']} {c['detail']}".rstrip(),
        )
        for c in body.commands or []
        if not c["accepted"] and c["verdict"] != "CONTROL_DUPLICATE"
    ]  # fmt: skip
