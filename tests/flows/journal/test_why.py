"""Why a symbol was traded, cut, refused or left alone: from decisions, and from a replay of the recorded inputs."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from flows.dump.importer import import_bars
from flows.errors import InvalidInput
from flows.journal.explain_command import event_ns, explained_symbols
from flows.journal.line import parse_line
from flows.journal.reader import read_decisions
from flows.journal.show_why import symbol_tree
from flows.journal.why import SymbolExplanation, explain_symbol
from flows.replay import ReplayOptions, replay
from schemas.configuration import parse_configuration
from schemas.reasons import Reason
from tests.decision_records import HOUR, START, Chain, ChainBuilder, body_of
from tests.signed_journals import ring, segments, signed_chain

CHAIN = ChainBuilder(cancels=True).build(40)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return CHAIN.write(tmp_path_factory.mktemp("run"))


def why(run: Path, symbol: str, cycle: int) -> SymbolExplanation:
    return explain_symbol(read_decisions(run), "main", symbol, START + cycle * HOUR)


def test_an_order_is_named(run: Path) -> None:
    body = body_of(CHAIN.lines[8])
    assert body.orders is not None
    found = why(run, "SOLUSDT", 9)
    assert found.ordered == body.orders.client_order_id
    assert found.decision is not None
    assert (found.decision.sequence, found.decision.inputs[0].first_offset) == (9, 24)


def test_a_cut_comes_with_what_its_reason_means(run: Path) -> None:
    clipped = next(b for b in map(body_of, CHAIN.lines) if b.clips is not None)
    assert clipped.clips is not None
    found = why(run, clipped.clips.symbol[0], clipped.sequence)
    assert f"LEVERAGE_POD_SYMBOL: {Reason.LEVERAGE_POD_SYMBOL.explanation}" in found.answers
    assert [(clip.before, clip.after) for clip in found.clips] == [(clipped.clips.before[0], clipped.clips.after[0])]


def test_without_an_order_the_standing_targets_and_the_position_say_why(run: Path) -> None:
    """In cycle 10 BTCUSDT is traded; SOLUSDT has what its pods want since the fill of its order of cycle 9."""
    found = why(run, "SOLUSDT", 10)
    assert found.ordered == []
    assert {(t.pod, t.sequence) for t in found.targets} == {("trend", 9), ("reversion", 6)}
    assert "units together" in found.answers[-1]
    fills = [body.fills for body in map(body_of, CHAIN.lines[:10]) if body.fills is not None]
    assert found.position == sum(f.quantity[0] for f in fills if f.symbol[0] == "SOLUSDT")


def test_an_open_order_keeps_its_symbol_waiting(tmp_path: Path) -> None:
    chain = ChainBuilder().build(9)
    body = body_of(chain.lines[8])
    assert body.orders is not None
    found = explain_symbol(map(parse_line, chain.lines), "main", "SOLUSDT", START + 9 * HOUR + 1)
    assert [order.client_order_id for order in found.open_orders] == body.orders.client_order_id
    assert any("is open: the symbol waits for it" in answer for answer in found.answers)


def test_a_cancelled_order_is_not_open(run: Path) -> None:
    cancelled = next(b for b in map(body_of, CHAIN.lines) if b.cancels)
    assert cancelled.cancels is not None
    found = why(run, cancelled.cancels[0]["symbol"], cancelled.sequence)
    assert cancelled.cancels[0]["client_order_id"] not in [order.client_order_id for order in found.open_orders]


def test_a_cycle_without_a_decision_names_the_last_one_before(run: Path) -> None:
    found = why(run, "SOLUSDT", 1_000)
    assert found.decision is None
    assert "there is no decision at this cycle" in found.answers[-1]
    assert "the last one is 40" in found.answers[-1]


def test_a_symbol_that_no_strategy_named_has_no_target(run: Path) -> None:
    assert "no strategy has stated an intent for it" in why(run, "DOGEUSDT", 9).answers[0]


def test_a_decision_is_explained_for_every_symbol_that_it_cut(run: Path) -> None:
    clipped = next(b for b in map(body_of, CHAIN.lines) if b.clips is not None)
    assert clipped.clips is not None
    found = explained_symbols(run, decision=f"main:{clipped.sequence}")
    assert [one.symbol for one in found] == clipped.clips.symbol


def test_segments_are_explained_as_files_are(run: Path, tmp_path: Path) -> None:
    chain = signed_chain(ring(), 40)
    folder = segments(tmp_path / "segments", ring(), chain)
    plain = Chain(chain.lines).write(tmp_path / "run")
    assert explained_symbols(folder, decision="9") == explained_symbols(plain, decision="9")


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({}, "give an order id"),
        ({"decision": "x"}, "write sequence or portfolio:sequence"),
        ({"decision": "main:99"}, "holds no decision 99"),
        ({"symbol": "SOLUSDT", "at": "soon"}, "write a time as"),
        ({"symbol": "SOLUSDT", "at": "2024-01-01", "portfolio": "other"}, "the journal holds main"),
        ({"symbol": "SOLUSDT", "at": "2024-01-01", "dump": Path("x")}, "holds no configuration.json"),
    ],
)
def test_a_question_that_cannot_be_answered_says_what_is_missing(
    run: Path, question: dict[str, str], words: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        explained_symbols(run, **question)  # type: ignore[arg-type]
    assert words in str(caught.value)


def test_times_are_utc() -> None:
    assert event_ns("2024-01-01T00:00:00Z") == event_ns("2024-01-01") == event_ns(str(START)) == START
    assert event_ns("2024-01-01T01:00:00+01:00") == START


def test_the_tree_begins_with_the_answer(run: Path) -> None:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(symbol_tree(why(run, "SOLUSDT", 10)))
    text = capture.get()
    assert text.startswith("NO ORDER SOLUSDT at 2024-01-01 10:00:00Z in main")
    for part in ("Why", "units together", "Pods", "trend", "input market/0", "configuration"):
        assert part in text
    found = why(run, "SOLUSDT", 10)
    assert msgspec.json.decode(msgspec.json.encode(found), type=SymbolExplanation) == found


# ---------------------------------------------------------------- with the recorded inputs
HOURS = 40


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A dump of two symbols, of which one stops early, and its run."""
    folder = tmp_path_factory.mktemp("replayed")
    (folder / "prices").mkdir()
    for symbol, hours in (("AAAUSDT", HOURS), ("BBBUSDT", 30)):
        rows = [
            f"{1_700_000_400 + 3600 * n - 400},{p},{p + 1},{p - 1},{p},5" for n in range(hours) for p in [10 + n % 9]
        ]
        text = "timestamp,open,high,low,close,volume\n" + "\n".join(rows) + "\n"
        (folder / "prices" / f"{symbol}.csv").write_text(text)
    import_bars(folder / "prices", folder / "dump", "1h", "close", 2)
    schedule = {"id": "cross", "strategy": "sma_cross", "parameters": {"fast": 2, "slow": 5}}
    configuration = parse_configuration(
        {"portfolios": [{"id": "main", "pods": [{"id": "pod", "schedules": [schedule]}]}]}
    )
    replay(folder / "dump", configuration, folder / "out", ReplayOptions(clickhouse=False, report=False))
    return folder / "dump", folder / "out"


def test_a_replay_tells_what_the_strategy_saw_and_said(replayed: tuple[Path, Path]) -> None:
    dump, out = replayed
    intended = next(line for line in read_decisions(out) if line.body().intents is not None)
    table = intended.body().intents
    assert table is not None
    found = explained_symbols(out, symbol=table.symbol[0], at=str(intended.cycle), dump=dump)[0].witnessed
    assert found is not None
    assert (found.close, found.fresh) == (table.price[0], True)
    strategy = found.strategies[0]
    assert (strategy.ready, strategy.value, strategy.confidence) == (True, table.value[0], table.confidence[0])
    assert list(strategy.features.values()) == table.features[0]
    assert list(strategy.features) == ["sma(2)", "sma(5)"]


def test_a_replay_tells_that_a_strategy_was_still_warming_up(replayed: tuple[Path, Path]) -> None:
    dump, out = replayed
    found = explained_symbols(out, symbol="AAAUSDT", at="2023-11-14T23:00:00Z", dump=dump)[0]
    assert any("pod/cross is not ready" in answer for answer in found.answers)


def test_a_replay_tells_that_no_price_came(replayed: tuple[Path, Path]) -> None:
    dump, out = replayed
    found = explained_symbols(out, symbol="BBBUSDT", at="2023-11-16T10:00:00Z", dump=dump)[0]
    assert found.witnessed is not None
    assert not found.witnessed.fresh
    assert any("price of the symbol" in a or "nothing of its partition" in a for a in found.answers)
