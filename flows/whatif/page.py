"""The answer as one HTML file that needs no other."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Final

from flows.journal.show import event_time, number
from flows.whatif.measures import Measure
from flows.whatif.result import Divergence, WhatIf
from flows.whatif.wording import FIGURES, counted, figure, first_difference

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; color: #2b2f36; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem } h3 { font-size: 1rem }
table { border-collapse: collapse; margin: .5rem 0 1rem; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .8rem .2rem 0; text-align: right; border-bottom: 1px solid #d9dde3 }
th:first-child, td:first-child { text-align: left }
img { max-width: 100% } code { background: #f2f4f7; padding: 0 .2rem } .first { border-left: 4px solid #c4572a;
padding-left: .8rem } .scroll { overflow-x: auto }
@media (prefers-color-scheme: dark) { body { background: #16181c; color: #d9dde3 } code { background: #2b2f36 }
th, td { border-color: #3a3f47 } img { background: #fff } }
"""


def page(answer: WhatIf, plot: bytes) -> str:
    """The HTML text; ``plot`` is a PNG, which is put into it."""
    image = base64.b64encode(plot).decode()
    parts = [
        f"<h1>What if: {escape(answer.dump)}</h1>",
        _changes(answer),
        f"<p>{escape(counted(answer.difference))}</p>",
        _first(answer.difference),
        f'<p><img alt="Equity, gain, drawdown and exposure" src="data:image/png;base64,{image}"></p>',
        *_portfolios(answer),
        _orders(answer.difference),
        _recorded(answer),
        _runs(answer),
    ]
    body = "\n".join(part for part in parts if part)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>What if</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    header = "".join(f"<th>{escape(h)}</th>" for h in head)
    lines = "\n".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{header}</tr>\n{lines}\n</table></div>'


def _changes(answer: WhatIf) -> str:
    if not answer.changes:
        return "<p>Baseline and candidate are the same configuration.</p>"
    rows = [(path, _short(left), _short(right)) for path, (left, right) in answer.changes.items()]
    return "<h2>Changed keys</h2>" + _table(("Key", "Baseline", "Candidate"), rows)


def _short(value: Any) -> str:
    text = number(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _first(found: Divergence) -> str:
    if found.first is None:
        return ""
    rows = [(one.path, _short(one.left), _short(one.right)) for one in found.first.fields]
    return f'<p class="first">{escape(first_difference(found.first))}</p>' + (
        f"<details><summary>{len(rows)} values of this decision</summary>"
        + _table(("Value", "Baseline", "Candidate"), rows)
        + "</details>"
    )


def _portfolios(answer: WhatIf) -> list[str]:
    parts: list[str] = []
    for portfolio in answer.portfolios:
        parts.append(f"<h2>Portfolio {escape(portfolio.portfolio)}</h2>" + _figures(portfolio.measures))
        parts += [f"<h3>Pod {escape(pod.pod)}</h3>" + _figures(pod.measures) for pod in portfolio.pods]
    return parts


def _figures(measures: dict[str, Measure]) -> str:
    rows = [
        (FIGURES[n][0], figure(n, m.baseline), figure(n, m.candidate), figure(n, m.difference, signed=True))
        for n, m in measures.items()
    ]
    return _table(("", "Baseline", "Candidate", "Difference"), rows)


def _orders(found: Divergence) -> str:
    if not found.examples:
        return ""
    rows = [
        (event_time(o.cycle), o.portfolio, o.symbol, o.kind, _quantity(o.baseline), _quantity(o.candidate))
        for o in found.examples
    ]
    head = ("Cycle", "Portfolio", "Symbol", "What", "Baseline", "Candidate")
    return (
        f"<h2>Orders that differ</h2><p>The first {len(rows)}; all of them are in"
        f" <code>{escape(found.order_changes)}</code>.</p>" + _table(head, rows)
    )


def _quantity(value: float | None) -> str:
    return "-" if value is None else number(value)


def _recorded(answer: WhatIf) -> str:
    found = answer.recorded
    if found is None:
        return ""
    text = (
        "How far the recorded run lies from the baseline, which fills its own orders. Here the recorded run stands"
        " first and the baseline second; none of this is due to the change above."
    )
    return f"<h2>The record</h2><p>{text}</p><p>{escape(counted(found))}</p>" + _first(found)


def _runs(answer: WhatIf) -> str:
    rows = [
        (name, f"{run.decisions:,}", f"{run.orders:,}", f"{run.wall_seconds:.1f} s", run.config_hash[:16], run.out)
        for name, run in (("baseline", answer.baseline), ("candidate", answer.candidate))
    ]
    timing = answer.timing
    head = ("Replay", "Decisions", "Orders", "Wall", "Configuration", "Folder")
    warned = list(dict.fromkeys([*answer.baseline.warnings, *answer.candidate.warnings]))
    return (
        "<h2>Runs</h2>"
        + _table(head, rows)
        + f"<p>{timing.wall_seconds:.1f} s in all, {timing.wall_ratio:.2f} times the plain replay"
        f" ({timing.cpu_ratio:.2f} times its CPU).</p>" + "".join(f"<p>Warning: {escape(text)}</p>" for text in warned)
    )
