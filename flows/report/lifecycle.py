"""Promotions and cuts of a run: every change of a pod's state, why, and what became of its capital."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import msgspec
from msgspec import Struct

_POD: Final = "pod:"
_ASSET: Final = ("asset:", "signals:")
#: What to show of the evidence: key, words, whether it is a share.
_SHOWN: Final = (
    ("sharpe", "Sharpe", False),
    ("rolling_sharpe", "30-day Sharpe", False),
    ("drawdown", "drawdown", True),
    ("detector", "detector", False),
    ("losing_blocks", "losing blocks", False),
    ("correlation", "correlation", False),
    ("trades", "trades", False),
)


class Transition(Struct, frozen=True):
    """A transition as a decision's body holds it; evidence is decoded only where it is shown."""

    subject: str
    before: str
    after: str
    reason: str
    evidence: msgspec.Raw = msgspec.Raw(b"{}")


class LifecycleMove(Struct, frozen=True, kw_only=True):
    """A pod that changed state: when (UTC ns), from and to, the reason code, the evidence in words, and its share of
    capital before and after."""

    cycle: int
    pod: str
    before: str
    after: str
    reason: str
    evidence: str
    fraction_before: float
    fraction_after: float


class LifecycleLog:
    """Gathers transitions decision by decision."""

    def __init__(self) -> None:
        self.moves: list[LifecycleMove] = []
        #: pod -> reason -> how often the selector moved one of its assets
        self.assets: dict[str, Counter[str]] = {}
        self._fractions: dict[str, float] = {}

    def take(self, cycle: int, transitions: list[Transition] | None, fractions: dict[str, float]) -> None:
        """One decision: its transitions, and the pods' capital after it."""
        for one in transitions or ():
            if one.subject.startswith(_POD):
                self._move(cycle, one, fractions)
            elif one.subject.startswith(_ASSET):
                pod = one.subject.split(":")[1]
                self.assets.setdefault(pod, Counter())[one.reason] += 1
        self._fractions = fractions

    def _move(self, cycle: int, one: Transition, fractions: dict[str, float]) -> None:
        pod = one.subject.removeprefix(_POD)
        self.moves.append(
            LifecycleMove(
                cycle=cycle,
                pod=pod,
                before=one.before,
                after=one.after,
                reason=one.reason,
                evidence=_words(msgspec.json.decode(one.evidence)),
                fraction_before=self._fractions.get(pod, 0.0),
                fraction_after=fractions.get(pod, 0.0),
            )
        )

    def state(self, pod: str) -> str | None:
        """The state that a pod ended in; None where it never changed."""
        return next((m.after for m in reversed(self.moves) if m.pod == pod), None)


def _words(evidence: dict[str, Any]) -> str:
    """The evidence that a reader asks for first."""
    shown: list[str] = []
    for key, words, is_share in _SHOWN:
        value = evidence.get(key)
        if value is not None and not (key == "losing_blocks" and value == 0):
            number = f"{value:.1%}" if is_share else f"{value:,}" if isinstance(value, int) else f"{value:.2f}"
            shown.append(f"{words} {number}")
    failed = [name for name, passed in (evidence.get("tests") or {}).items() if not passed]
    return ", ".join(shown + ([f"failed: {' '.join(failed)}"] if failed else []))
