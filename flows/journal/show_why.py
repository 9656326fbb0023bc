"""Prints why a symbol was traded, cut, refused or left alone, with rich."""

from __future__ import annotations

from collections.abc import Iterable

from rich.markup import escape
from rich.tree import Tree

from flows.journal.explanation import ClipExplained
from flows.journal.show import add_intent, event_time, number, target_text
from flows.journal.why import StrategySeen, SymbolExplanation, Witnessed


def symbol_tree(found: SymbolExplanation) -> Tree:
    """The answer first, then what it was made from."""
    what = "ORDERED" if found.ordered else "CUT" if found.clips else "NO ORDER"
    tree = Tree(f"[bold]{what} {escape(found.symbol)}[/] at {event_time(found.at)} in {escape(found.portfolio)}")
    why = tree.add("[bold]Why[/]")
    for answer in found.answers:
        why.add(escape(answer))
    tree.add(f"[bold]Size[/]  held {number(found.position)} units, wanted {number(found.target)}")
    if found.witnessed is not None:
        _add_witnessed(tree, found.witnessed)
    sequence = found.before.sequence if found.before is not None else 0
    pods = tree.add("[bold]Pods[/]" + ("" if found.targets else "  no target so far"))
    for target in found.targets:
        branch = pods.add(target_text(target, sequence))
        for intent in found.intents:
            if intent.pod == target.pod:
                add_intent(branch, intent, sequence)
    _add_clips(tree, "Clips of this cycle", found.clips)
    _add_clips(tree, "Clips that still stand", found.standing_clips)
    for order in found.open_orders:
        tree.add(f"[bold]Open[/]  {number(order.quantity)} units, order {order.client_order_id}")
    _add_capital(tree, found)
    _add_head(tree, found)
    return tree


def _add_witnessed(tree: Tree, seen: Witnessed) -> None:
    price = "no price" if seen.close is None or not seen.fresh else f"close {number(seen.close)}"
    branch = tree.add(f"[bold]Replayed[/]  {event_time(seen.cycle)}: {price}{', degraded' if seen.degraded else ''}")
    for one in seen.strategies:
        branch.add(_strategy_text(one))


def _strategy_text(one: StrategySeen) -> str:
    said = "not ready" if not one.ready else "stated nothing new"
    if one.value is not None:
        said = f"said {number(one.value)}, confidence {number(one.confidence or 0.0)}"
    values = ", ".join(f"{k}={'unknown' if v is None else number(v)}" for k, v in one.features.items())
    return f"[cyan]{escape(one.pod)}[/] {escape(one.schedule)}: {said}  [dim]{escape(values)}[/]"


def _add_clips(tree: Tree, title: str, clips: Iterable[ClipExplained]) -> None:
    rows = list(clips)
    if not rows:
        return
    branch = tree.add(f"[bold]{title}[/]")
    for clip in rows:
        where = f" in {escape(clip.pod)}" if clip.pod else ""
        branch.add(
            f"[yellow]{clip.reason}[/]{where}: {number(clip.before)} -> {number(clip.after)} {clip.unit}"
            f"  [dim]{escape(clip.explanation)}[/]"
        )


def _add_capital(tree: Tree, found: SymbolExplanation) -> None:
    if found.capital:
        branch = tree.add("[bold]Capital[/]")
        for key, value in found.capital.items():
            branch.add(escape(f"{key}: {value}"))
    for subject, transition in found.states.items():
        tree.add(escape(f"State of {subject}: {transition.get('after')} ({transition.get('reason')})"))


def _add_head(tree: Tree, found: SymbolExplanation) -> None:
    head = found.decision or found.before
    if head is None:
        return
    name = "Decision" if found.decision is not None else "Last decision before"
    when = f"{head.sequence} at {event_time(head.cycle)}"
    branch = tree.add(f"[bold]{name}[/] {when}, {head.trading_state}, equity {number(head.equity)}")
    for row in head.inputs:
        branch.add(f"input {escape(row.topic)}/{row.partition} offsets {row.first_offset}..{row.last_offset}")
    branch.add(f"[dim]configuration {head.config_hash}[/]")
    branch.add(f"[dim]hash {head.hash}, code {escape(head.code_version) or 'unknown'}[/]")
