"""Prints what the journal functions found, with rich."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from flows.journal.diff import Difference
from flows.journal.explanation import IntentExplained, OrderExplanation, TargetExplained
from flows.journal.verify import Outcome, Verification


def event_time(ns: int) -> str:
    """UTC ns as ISO 8601, with what the second needs."""
    seconds, rest = divmod(ns, 1_000_000_000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{text}.{rest:09}".rstrip("0") + "Z" if rest else text + "Z"


def number(value: float) -> str:
    """A figure for reading: thousands apart, no needless digits."""
    return f"{value:,.6f}".rstrip("0").rstrip(".") if abs(value) < 1e15 else repr(value)


def explanation_tree(order: OrderExplanation) -> Tree:
    """An explained order as a tree, from the order back to what its strategies saw."""
    colour = "green" if order.side == "buy" else "red"
    title = f"[bold {colour}]{order.side.upper()} {number(order.quantity)} {escape(order.symbol)}[/]"
    tree = Tree(f"{title} at reference {number(order.reference_price)}  [dim]order {order.client_order_id}[/]")
    delta = f"approved {number(order.approved)} - position {number(order.position_before)}"
    if order.pending_before:
        delta += f" - pending {number(order.pending_before)}"
    tree.add(f"[bold]Size[/]  {delta} = {number(order.approved - order.position_before - order.pending_before)} units")
    shares = ", ".join(f"{escape(pod)} {share:.1%}" for pod, share in sorted(order.attribution.items()))
    note = " [dim](from target changes)[/]" if order.attribution_from == "targets" else ""
    tree.add(f"[bold]Attribution[/]  {shares or 'none'}{note}")
    _add_targets(tree, order)
    _add_clips(tree, order)
    _add_fills(tree, order)
    _add_decision(tree, order)
    return tree


def _add_targets(tree: Tree, order: OrderExplanation) -> None:
    branch = tree.add("[bold]Pods[/]")
    for target in order.targets:
        pod = branch.add(target_text(target, order.decision.sequence))
        for intent in order.intents:
            if intent.pod == target.pod:
                add_intent(pod, intent, order.decision.sequence)
    with_target = {target.pod for target in order.targets}
    for intent in order.intents:
        if intent.pod not in with_target:
            add_intent(branch, intent, order.decision.sequence)


def target_text(target: TargetExplained, sequence: int) -> str:
    """A pod's target in one line; ``sequence`` is the decision that is looked at."""
    chain = (
        f"gross {number(target.gross)} -> net {number(target.net)} -> weight {number(target.weight)}"
        f" x fraction {number(target.fraction)} -> {number(target.units)} units"
    )
    conflict = " [yellow]conflict[/]" if target.conflict else ""
    return f"[cyan]{escape(target.pod)}[/]  {chain}{conflict}{_age(target.sequence, target.cycle, sequence)}"


def add_intent(branch: Tree, intent: IntentExplained, sequence: int) -> None:
    """An intent with its parameters and features, below a pod."""
    strategy = f" [dim]{escape(intent.strategy)}[/]" if intent.strategy else ""
    node = branch.add(
        f"{escape(intent.schedule)}{strategy}: {intent.direction}, value {number(intent.value)}, confidence "
        f"{number(intent.confidence)}, weight {number(intent.weight)}, notional {number(intent.target_notional)} at "
        f"{number(intent.price)}{_age(intent.sequence, intent.cycle, sequence)}"
    )
    if intent.parameters:
        node.add("parameters  " + escape(", ".join(f"{k}={v}" for k, v in sorted(intent.parameters.items()))))
    if intent.features:
        values = ", ".join(f"{k}={'unknown' if v is None else number(v)}" for k, v in intent.features.items())
        node.add("features  " + escape(values))
    node.add(f"[dim]feature snapshot {intent.feature_snapshot_hash}[/]")


def _age(sequence: int, cycle: int, now: int) -> str:
    return "" if sequence == now else f" [dim](stands since decision {sequence}, {event_time(cycle)})[/]"


def _add_clips(tree: Tree, order: OrderExplanation) -> None:
    branch = tree.add("[bold]Clips[/]" + ("" if order.clips else "  none"))
    for clip in order.clips:
        where = f" in {escape(clip.pod)}" if clip.pod else ""
        branch.add(
            f"[yellow]{clip.reason}[/]{where}: {number(clip.before)} -> {number(clip.after)} {clip.unit}"
            f"  [dim]{escape(clip.explanation)}[/]{_age(clip.sequence, clip.cycle, order.decision.sequence)}"
        )


def _add_fills(tree: Tree, order: OrderExplanation) -> None:
    branch = tree.add("[bold]Fills[/]" + ("" if order.fills else "  none yet"))
    for fill in order.fills:
        branch.add(f"{event_time(fill.cycle)}  {number(fill.quantity)} at {number(fill.price)}, fee {number(fill.fee)}")

    for cancel in order.cancels:
        branch.add(
            f"{event_time(cancel.cycle)}  cancelled: [yellow]{cancel.reason}[/]  [dim]{escape(cancel.explanation)}[/]"
        )


def _add_decision(tree: Tree, order: OrderExplanation) -> None:
    decision = order.decision
    branch = tree.add(
        f"[bold]Decision[/] {decision.sequence} of {escape(order.portfolio)} at {event_time(decision.cycle)},"
        f" {decision.trading_state}, equity {number(decision.equity)},"
        f" gross exposure {number(decision.gross_exposure)}, net {number(decision.net_exposure)}"
    )
    for row in decision.inputs:
        branch.add(f"input {escape(row.topic)}/{row.partition} offsets {row.first_offset}..{row.last_offset}")
    branch.add(f"[dim]configuration {decision.config_hash}[/]")
    branch.add(f"[dim]hash {decision.hash}, code {escape(decision.code_version) or 'unknown'}[/]")


def verification_view(result: Verification) -> RenderableType:
    """The verdict and its findings."""
    colour = {Outcome.OK: "green", Outcome.BROKEN: "red", Outcome.UNUSABLE: "yellow"}[result.outcome]
    counted = f"{result.decisions:,} decisions" + (f", {result.orders:,} orders" if result.orders_checked else "")
    parts: list[RenderableType] = [Text.assemble((result.outcome.value.upper(), f"bold {colour}"), f"  {counted}")]
    parts.append(Text(f"  {_signatures(result)}; {_segments(result)}"))
    parts += [Text(f"  {f.verdict.value}: {f.text}") for f in result.findings]
    parts += [Text(f"  head of {name}: {h.sequence} {h.hash}", style="dim") for name, h in result.heads.items()]
    return Group(*parts)


def _signatures(result: Verification) -> str:
    if not result.signed:
        return "UNSIGNED"
    checked = f"{result.verified:,} verified" if result.verified else "NOT CHECKED (no HMAC key given)"
    rest = f", {result.unsigned:,} unsigned" if result.unsigned else ""
    used = sorted({key for row in result.keys.values() for _, key in row if key is not None})
    return f"{result.signed:,} signed by {', '.join(used)}, {checked}{rest}"


def _segments(result: Verification) -> str:
    if not result.segments:
        return "no segment ends: what was cut off at the end cannot be seen" if not result.anchors else (
            f"compared with {result.anchors} anchor(s)"
        )  # fmt: skip
    checked = f"{result.sealed:,} signed by a known key" if result.sealed else "signatures of ends NOT CHECKED"
    anchors = f"; compared with {result.anchors} anchor(s)" if result.anchors else ""
    return f"{result.segments:,} segments, {checked}{anchors}"


def difference_view(result: Difference, left: str, right: str) -> RenderableType:
    """Counts, and the first differing decision side by side."""
    counts = (
        f"{result.left_decisions:,} and {result.right_decisions:,} decisions: {result.equal:,} equal, "
        f"{result.changed:,} changed, {result.only_left:,} only left, {result.only_right:,} only right"
    )
    first = result.first
    if first is None:
        return Group(Text("SAME", style="bold green"), Text(counts))
    where = f"{first.portfolio} at {event_time(first.cycle)} (sequence {first.left_sequence} / {first.right_sequence})"
    head = Text.assemble(("DIFFERENT", "bold red"), f"  first in {where}: {first.kind.replace('_', ' ')}")
    table = Table("field", left, right, box=None, header_style="bold", pad_edge=False)
    for row in first.fields:
        one = "(missing)" if row.only == "right" else _shown(row.left)
        other = "(missing)" if row.only == "left" else _shown(row.right)
        table.add_row(escape(row.path), escape(one), escape(other))
    return Group(head, Text(counts), table)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
