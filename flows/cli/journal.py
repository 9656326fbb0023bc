"""``weir explain``, ``verify`` and ``diff``: reading what a run left."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.console import Json, command, emit

if TYPE_CHECKING:
    from flows.journal.explanation import OrderExplanation
    from flows.journal.verify import Head

Out = Annotated[Path, typer.Option("--out", help="Folder of the run, or its journal file.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("explain")(command(explain))
    app.command("verify")(command(verify))
    app.command("diff")(command(diff))


def _explanation(out: Path, order: str) -> OrderExplanation:
    from flows.journal.explain import explain_order
    from flows.run_products import feature_names, run_configuration

    configuration = run_configuration(out) if out.is_dir() else None
    names = {} if configuration is None else feature_names(configuration)
    return explain_order(out, order, configuration=configuration, feature_names=names)


def show_order(out: Path, order: str) -> None:
    """An explained order as a tree on standard output."""
    from rich.console import Console

    from flows.journal.show import explanation_tree

    Console().print(explanation_tree(_explanation(out, order)))


def explain(
    order: Annotated[str, typer.Argument(metavar="[ORDER_ID]", help="client_order_id of the order.")] = "",
    out: Out = Path("demo-out"),
    decision: Annotated[
        str, typer.Option("--decision", help="A decision instead, as sequence or portfolio:sequence; see --symbol.")
    ] = "",
    symbol: Annotated[
        str, typer.Option("--symbol", help="Why there was an order, a cut or none for this symbol.")
    ] = "",
    at: Annotated[str, typer.Option("--at", help="The cycle: ISO 8601 time, or UTC ns.")] = "",
    portfolio: Annotated[str, typer.Option("--portfolio", help="Whose; by default the journal's first.")] = "",
    dump: Annotated[
        Path | None, typer.Option("--dump", help="Recorded inputs: replayed to the cycle, to tell what was seen there.")
    ] = None,
    json: Json = False,
) -> None:
    """Lead an order back to its origin, or say why a symbol was cut, refused or not traded in a cycle."""
    if order and not (decision or symbol):
        if json:
            emit(_explanation(out, order), True)
        else:
            show_order(out, order)
        return
    from flows.journal.explain_command import explained_symbols

    found = explained_symbols(out, decision=decision, symbol=symbol, at=at, portfolio=portfolio, dump=dump)
    if json:
        emit(found, True)
        return
    from rich.console import Console

    from flows.journal.show_why import symbol_tree

    for one in found:
        Console().print(symbol_tree(one))


def verify(
    run: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder of a run, a journal file, or - for standard input.")
    ],
    orders: Annotated[Path | None, typer.Option("--orders", help="Orders file; the folder's by default.")] = None,
    head: Annotated[
        list[str] | None, typer.Option("--head", help="Anchored last decision, as portfolio:sequence:hash.")
    ] = None,
    json: Json = False,
) -> None:
    """Check a journal offline; exits 0 ok, 1 broken, 2 unusable, and names the first bad sequence."""
    from flows.journal.verify import verify as verify_journal

    found = verify_journal(run, orders=orders, heads=parse_heads(head or []))
    if json:
        emit(found, True)
    else:
        from rich.console import Console

        from flows.journal.show import verification_view

        Console().print(verification_view(found))
    raise typer.Exit(int(found.exit_code))


def parse_heads(given: list[str]) -> dict[str, Head]:
    """Anchored decisions by portfolio, from ``portfolio:sequence:hash``; raises InvalidInput for another form."""
    from flows.errors import InvalidInput
    from flows.journal.verify import Head

    heads: dict[str, Head] = {}
    for text in given:
        portfolio, _, rest = text.partition(":")
        sequence, _, digest = rest.partition(":")
        if not (portfolio and sequence.isdigit() and digest):
            raise InvalidInput(f"--head {text}: write portfolio:sequence:hash")
        heads[portfolio] = Head(int(sequence), digest)
    return heads


def diff(
    left: Annotated[Path, typer.Argument(metavar="A", help="Folder or journal of one run.")],
    right: Annotated[Path, typer.Argument(metavar="B", help="Folder or journal of the other.")],
    ignore_derived: Annotated[
        bool, typer.Option("--ignore-derived", help="Leave out hashes and ids, which follow from the rest.")
    ] = False,
    json: Json = False,
) -> None:
    """Show the first decision in which two runs differ, by field; exits 0 when none does, else 1."""
    from flows.journal.diff import diff_runs

    found = diff_runs(left, right, ignore_derived=ignore_derived)
    if json:
        emit(found, True)
    else:
        from rich.console import Console

        from flows.journal.show import difference_view

        Console().print(difference_view(found, str(left), str(right)))
    raise typer.Exit(0 if found.same else 1)
