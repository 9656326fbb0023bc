"""What ``weir explain`` is asked about a symbol or a decision, found in a run's journal."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from flows.errors import InvalidInput
from flows.journal.line import JournalLine
from flows.journal.reader import read_decisions
from flows.journal.why import SymbolExplanation, Witnessed, explain_symbol
from flows.run_products import feature_names, run_configuration
from schemas.configuration import Configuration
from schemas.decision import DecisionBody


def explained_symbols(
    journal: Path, *, decision: str = "", symbol: str = "", at: str = "", portfolio: str = "", dump: Path | None = None
) -> list[SymbolExplanation]:
    """Explains a symbol in a cycle, or every symbol that a decision cut, refused or ordered.

    Args:
        journal: a run's folder, a folder of segments or a journal file.
        decision: ``sequence`` or ``portfolio:sequence``.
        symbol, at: the symbol, and the cycle where no decision is named.
        portfolio: by default the journal's first.
        dump: recorded inputs to be replayed up to the cycle.

    Raises:
        InvalidInput: what is asked for is not there, or not enough is said.
    """
    if decision:
        line = _decision(journal, decision, portfolio)
        cycle, portfolio = line.cycle, line.portfolio
        symbols: Sequence[str] = [symbol] if symbol else _touched(line.body())
        if not symbols:
            raise InvalidInput(
                f"decision {line.sequence} of {portfolio} cut, refused and ordered nothing; give --symbol"
            )
    elif symbol and at:
        cycle, symbols = event_ns(at), [symbol]
        portfolio = portfolio or next(read_decisions(journal)).portfolio
    else:
        raise InvalidInput("give an order id, or --decision SEQUENCE, or --symbol with --at")
    configuration = run_configuration(journal) if journal.is_dir() else None
    names = {} if configuration is None else feature_names(configuration)
    return [
        explain_symbol(
            read_decisions(journal),
            portfolio,
            one,
            cycle,
            configuration=configuration,
            feature_names=names,
            witnessed=_witnessed(dump, configuration, one, cycle),
        )
        for one in symbols
    ]


def _witnessed(dump: Path | None, configuration: Configuration | None, symbol: str, cycle: int) -> Witnessed | None:
    if dump is None:
        return None
    if configuration is None:
        raise InvalidInput("--dump: the journal's folder holds no configuration.json; explain from a run's folder")
    # Loads the compiled operators: only for those who ask for a replay.
    from flows.journal.witness import witness
    from flows.process.pinning import pin_numerics

    pin_numerics()
    with tempfile.TemporaryDirectory() as scratch:
        return witness(dump, configuration, Path(scratch), symbol, cycle)


def event_ns(text: str) -> int:
    """UTC ns of an ISO 8601 time (without a zone: UTC) or of a number; raises InvalidInput for anything else."""
    if text.isdigit():
        return int(text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"--at {text}: write a time as 2024-01-31T00:00:00Z, or UTC ns") from None
    since = (time if time.tzinfo is not None else time.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000


def _decision(journal: Path, decision: str, portfolio: str) -> JournalLine:
    name, _, sequence = decision.rpartition(":")
    name = name or portfolio
    if not sequence.isdigit():
        raise InvalidInput(f"--decision {decision}: write sequence or portfolio:sequence")
    for line in read_decisions(journal):
        name = name or line.portfolio
        if (line.portfolio, line.sequence) == (name, int(sequence)):
            return line
    raise InvalidInput(f"--decision {decision}: the journal holds no decision {sequence} of portfolio {name!r}")


def _touched(body: DecisionBody) -> list[str]:
    """Symbols that the decision cut or refused; where there is none, those that it ordered."""
    cut = [] if body.clips is None else [symbol for symbol in body.clips.symbol if symbol]
    ordered = [] if body.orders is None else body.orders.symbol
    return sorted(set(cut or ordered))
