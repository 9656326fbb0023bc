"""Explains what a portfolio did about one symbol in one cycle: an order, a cut, a refusal, or nothing at all.

It tells from the decisions alone; what strategies saw in a cycle without a decision is told by
:mod:`flows.journal.witness`, which replays the recorded inputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from flows.errors import InvalidInput
from flows.journal.explain import Schedules, Standing, decision_of, intents_of, targets_of
from flows.journal.explanation import (
    ClipExplained,
    DecisionExplained,
    IntentExplained,
    TargetExplained,
    clips_for,
    reason_text,
)
from flows.journal.line import JournalLine
from schemas.configuration import Configuration
from schemas.decision import DecisionBody


class StrategySeen(Struct, frozen=True, kw_only=True):
    """What a schedule saw and said in the cycle, from a replay. ``ready``: it was warm and had every feature; ``value``
    and ``confidence`` are None where it stated nothing."""

    pod: str
    schedule: str
    ready: bool
    value: float | None
    confidence: float | None
    features: dict[str, float | None]


class Witnessed(Struct, frozen=True, kw_only=True):
    """The symbol's inputs in the cycle, from a replay. ``fresh``: a price came in this cycle; ``degraded``: the quality
    gate let no new risk pass."""

    cycle: int
    close: float | None
    fresh: bool
    degraded: bool
    strategies: list[StrategySeen]
    events: list[str]


class OpenOrder(Struct, frozen=True, kw_only=True):
    """An order of the symbol that was neither filled nor taken back yet."""

    client_order_id: str
    sequence: int
    quantity: float


class SymbolExplanation(Struct, frozen=True, kw_only=True):
    """What was decided about a symbol at ``at`` (UTC ns), and why.

    Attributes:
        answers: the reasons in plain words, the weightiest first.
        decision: the decision of that cycle, None where there is none; ``before`` is the last one up to it.
        ordered: orders of the symbol in that decision.
        position, target: units held by fills up to then, and wanted by all pods together.
        clips: cuts and refusals of that cycle; ``standing_clips`` those that made targets which still stand.
        capital: the policy's weights when capital was last computed.
        states: newest state of what was switched, suspended or killed, by subject (lifecycle, selector, trading).
        witnessed: what a replay shows of the cycle.
    """

    portfolio: str
    symbol: str
    at: int
    answers: list[str]
    decision: DecisionExplained | None
    before: DecisionExplained | None
    ordered: list[str]
    position: float
    target: float
    open_orders: list[OpenOrder]
    targets: list[TargetExplained]
    intents: list[IntentExplained]
    clips: list[ClipExplained]
    standing_clips: list[ClipExplained]
    capital: dict[str, Any] | None
    states: dict[str, dict[str, Any]]
    witnessed: Witnessed | None


@dataclass(slots=True)
class _History:
    """What stands for a symbol after the decisions up to a cycle."""

    symbol: str
    standing: Standing
    position: float = 0.0
    open: dict[str, OpenOrder] = field(default_factory=dict)
    capital: dict[str, Any] | None = None
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    last: tuple[JournalLine, DecisionBody] | None = None

    def take(self, line: JournalLine, body: DecisionBody) -> None:
        """The next decision."""
        self.standing.take(body)
        self.last = line, body
        if body.fills is not None:
            for row, symbol in enumerate(body.fills.symbol):
                if symbol == self.symbol:
                    self.position += body.fills.quantity[row]
                    self._filled(body.fills.client_order_id[row], body.fills.quantity[row])
        for cancel in body.cancels or ():
            self.open.pop(str(cancel.get("client_order_id", "")), None)
        if body.orders is not None:
            for row, symbol in enumerate(body.orders.symbol):
                if symbol == self.symbol:
                    order_id, quantity = body.orders.client_order_id[row], body.orders.quantity[row]
                    order = OpenOrder(client_order_id=order_id, sequence=body.sequence, quantity=quantity)
                    self.open[order_id] = order
        if body.capital is not None:
            self.capital = body.capital
        for transition in body.transitions or ():
            self.states[str(transition.get("subject", ""))] = transition

    def _filled(self, order_id: str, quantity: float) -> None:
        order = self.open.pop(order_id, None)
        if order is not None and abs(order.quantity) - abs(quantity) > 1e-9:
            left = abs(order.quantity) - abs(quantity)
            self.open[order_id] = OpenOrder(client_order_id=order_id, sequence=order.sequence, quantity=left)


def explain_symbol(
    lines: Iterable[JournalLine],
    portfolio: str,
    symbol: str,
    at: int,
    *,
    configuration: Configuration | None = None,
    feature_names: Mapping[str, Sequence[str]] | None = None,
    witnessed: Witnessed | None = None,
) -> SymbolExplanation:
    """Why there was an order for a symbol in a cycle, or why there was none.

    Args:
        lines: the journal, each portfolio in the order of its sequence.
        portfolio, symbol: whose.
        at: the cycle, UTC ns; a time between two cycles means the last cycle before it.
        configuration, feature_names: see :func:`flows.journal.explain.explain_order`.
        witnessed: what a replay saw of the cycle.

    Raises:
        InvalidInput: the journal holds no decision of the portfolio.
    """
    history = _History(symbol, Standing(symbol))
    known: set[str] = set()
    for line in lines:
        known.add(line.portfolio)
        if line.portfolio == portfolio and line.cycle <= at:
            history.take(line, line.body())
    if portfolio not in known:
        raise InvalidInput(f"portfolio {portfolio!r}: the journal holds {', '.join(sorted(known)) or 'nothing'}")
    here = history.last if history.last is not None and history.last[1].cycle == at else None
    body = None if history.last is None else history.last[1]
    targets = [] if body is None else targets_of(history.standing, body)
    clips = [] if here is None else clips_for(here[1], symbol)
    explanation = SymbolExplanation(
        portfolio=portfolio,
        symbol=symbol,
        at=at,
        answers=[],
        decision=None if here is None else decision_of(*here),
        before=None if history.last is None else decision_of(*history.last),
        ordered=_ordered(here, symbol),
        position=history.position,
        target=sum(target.units for target in targets),
        open_orders=[order for order in history.open.values() if here is None or order.sequence != here[1].sequence],
        targets=targets,
        intents=intents_of(history.standing, Schedules(configuration, portfolio), feature_names or {}),
        clips=clips,
        standing_clips=_standing_clips(history.standing, here),
        capital=history.capital,
        states=dict(sorted(history.states.items())),
        witnessed=witnessed,
    )
    return _answered(explanation)


def _ordered(here: tuple[JournalLine, DecisionBody] | None, symbol: str) -> list[str]:
    table = None if here is None else here[1].orders
    if table is None:
        return []
    return [order for order, name in zip(table.client_order_id, table.symbol, strict=True) if name == symbol]


def _standing_clips(standing: Standing, here: tuple[JournalLine, DecisionBody] | None) -> list[ClipExplained]:
    now = None if here is None else here[1].sequence
    return [
        clip
        for pod, (body, _) in sorted(standing.targets.items())
        if body.sequence != now
        for clip in clips_for(body, standing.symbol, pod)
    ]


def _answered(found: SymbolExplanation) -> SymbolExplanation:
    answers: list[str] = []
    if found.ordered:
        answers.append(f"there was an order: {', '.join(found.ordered)}; weir explain ORDER_ID leads it back")
    answers += [f"{clip.reason}: {clip.explanation}" for clip in found.clips]
    answers += _of_states(found)
    for order in found.open_orders:
        answers.append(f"order {order.client_order_id} of decision {order.sequence} is open: the symbol waits for it")
    answers += _of_witness(found.witnessed)
    if not found.ordered:
        answers += _of_targets(found)
    if found.decision is None:
        last = f"; the last one is {found.before.sequence}" if found.before is not None else ""
        answers.append(
            "there is no decision at this cycle: no intent, cut, transition, command, fill or order of any symbol"
            f" happened in it, or it was no cycle{last}"
        )
    return _with_answers(found, answers)


def _with_answers(found: SymbolExplanation, answers: list[str]) -> SymbolExplanation:
    import msgspec

    return msgspec.structs.replace(found, answers=answers)


def _of_states(found: SymbolExplanation) -> list[str]:
    answers: list[str] = []
    state = "" if found.before is None else found.before.trading_state
    if state not in ("", "ACTIVE"):
        answers.append(f"the trading state is {state}")
    for subject, transition in found.states.items():
        reason = str(transition.get("reason", ""))
        if transition.get("after") not in (None, "ACTIVE") and subject != "trading":
            after = transition.get("after")
            answers.append(f"{subject} is {after}: {reason} ({reason_text(reason)})")
    return answers


def _of_witness(seen: Witnessed | None) -> list[str]:
    if seen is None:
        return []
    answers: list[str] = []
    if not seen.fresh:
        answers.append("no price of the symbol came in this cycle")
    if seen.degraded:
        answers.append("the symbol is degraded: the quality gate lets no new risk pass")
    for one in seen.strategies:
        name = f"{one.pod}/{one.schedule}"
        if not one.ready:
            answers.append(f"{name} is not ready: warming up, without a fresh bar, or a required feature is unknown")
        elif one.value is None:
            answers.append(f"{name} stated nothing: what it said before stands")
    return answers + seen.events


def _of_targets(found: SymbolExplanation) -> list[str]:
    if not found.targets:
        return ["no pod has had a target for the symbol so far: no strategy has stated an intent for it"]
    gap = found.target - found.position
    words = f"the pods want {found.target:.6g} units together, {found.position:.6g} are held"
    if abs(gap) < 1e-9:
        return [f"{words}: there is nothing to trade, and a moving price alone is no order"]
    return [f"{words}: the difference of {gap:.6g} is below a lot or within the band, or one of the above keeps it"]
