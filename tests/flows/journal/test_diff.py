"""Diff: the first differing decision, by field, with both values."""

from __future__ import annotations

from pathlib import Path

import msgspec

from flows.journal.diff import FieldDifference, diff_runs, field_differences
from flows.journal.show import difference_view
from schemas.canonical import canonical_json
from tests.decision_records import HOUR, START, Chain, ChainBuilder, journal_line, two_portfolios


def changed(line: bytes, **fields: object) -> bytes:
    """The line with other values in its body, hashed anew."""
    body = msgspec.json.decode(line)["body"]
    return journal_line(canonical_json({**body, **fields}))


def test_a_run_is_the_same_as_itself_whatever_the_interleaving(tmp_path: Path) -> None:
    chain = two_portfolios(20)
    by_portfolio = sorted(chain.lines, key=lambda line: msgspec.json.decode(line)["body"]["portfolio"])
    result = diff_runs(chain.write(tmp_path / "a"), Chain(by_portfolio).write(tmp_path / "b"))
    assert result.same
    assert (result.equal, result.left_decisions, result.right_decisions) == (40, 40, 40)


def test_the_first_difference_is_named_by_field_with_both_values(tmp_path: Path) -> None:
    chain = ChainBuilder().build(20)
    lines = list(chain.lines)
    lines[5] = changed(lines[5], equity=1.5)
    lines[9] = changed(lines[9], equity=2.5, cash=0.0)
    result = diff_runs(chain.write(tmp_path / "a"), Chain(lines).write(tmp_path / "b"))
    first = result.first
    assert first is not None
    assert (first.kind, first.portfolio, first.left_sequence, first.cycle) == ("changed", "main", 6, START + 6 * HOUR)
    equity = msgspec.json.decode(chain.lines[5])["body"]["equity"]
    assert first.fields == [FieldDifference("equity", equity, 1.5)]
    assert (result.equal, result.changed, result.fields) == (18, 2, {"cash": 1, "equity": 2})


def test_values_come_before_the_hashes_that_follow_from_them(tmp_path: Path) -> None:
    left, right = ChainBuilder(seed=1).build(3), ChainBuilder(seed=2).build(3)
    first = diff_runs(left.write(tmp_path / "a"), right.write(tmp_path / "b")).first
    assert first is not None
    paths = [difference.path for difference in first.fields]
    assert paths.index("intents.value[0]") < len(paths)
    assert paths[0] not in {"previous", "decision_id"}


def test_hashes_and_ids_can_be_left_out(tmp_path: Path) -> None:
    chain = ChainBuilder().build(4)
    other = [changed(line, previous="f" * 64, decision_id="x", config_hash="y") for line in chain.lines]
    left, right = chain.write(tmp_path / "a"), Chain(other).write(tmp_path / "b")
    assert diff_runs(left, right).changed == 4
    assert diff_runs(left, right, ignore_derived=True).same


def test_a_decision_of_one_side_alone_shifts_nothing(tmp_path: Path) -> None:
    chain = ChainBuilder().build(10)
    fewer = Chain(chain.lines[:4] + chain.lines[5:])
    result = diff_runs(chain.write(tmp_path / "a"), fewer.write(tmp_path / "b"))
    assert (result.only_left, result.only_right, result.equal) == (1, 0, 9)
    assert result.first is not None and (result.first.kind, result.first.left_sequence) == ("only_left", 5)


def test_field_paths_reach_into_tables_and_say_which_side_lacks_a_field() -> None:
    left = {"a": {"b": [1, 2]}, "c": 1}
    right = {"a": {"b": [1, 3, 4]}, "d": 1}
    assert field_differences(left, right) == [
        FieldDifference("a.b[1]", 2, 3),
        FieldDifference("a.b[2]", None, 4, "right"),
        FieldDifference("c", 1, None, "left"),
        FieldDifference("d", None, 1, "right"),
    ]


def test_an_integer_is_not_its_float() -> None:
    assert field_differences({"a": 1}, {"a": 1.0}) == [FieldDifference("a", 1, 1.0)]


def test_the_view_shows_both_sides(tmp_path: Path) -> None:
    from rich.console import Console

    chain = ChainBuilder().build(3)
    lines = [chain.lines[0], changed(chain.lines[1], trading_state="HALTED"), chain.lines[2]]
    result = diff_runs(chain.write(tmp_path / "a"), Chain(lines).write(tmp_path / "b"))
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115  # lives as long as the test
    console.print(difference_view(result, "left", "right"))
    text = console.export_text()
    assert "DIFFERENT" in text and "trading_state" in text and "'ACTIVE'" in text and "'HALTED'" in text
