"""Verify: every kind of tampering is told apart, and the first bad sequence is named."""

from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.exit_codes import ExitCode
from flows.journal.findings import Verdict
from flows.journal.reader import STANDARD_INPUT
from flows.journal.verify import Head, Outcome, verify
from schemas.canonical import sha256_hex
from tests.decision_records import Chain, ChainBuilder, journal_line, two_portfolios

Lines = list[bytes]


def test_an_intact_run_is_ok_with_its_heads(tmp_path: Path) -> None:
    chain = two_portfolios(30)
    result = verify(chain.write(tmp_path))
    assert (result.outcome, result.exit_code, result.findings) == (Outcome.OK, ExitCode.OK, [])
    assert (result.decisions, result.orders) == (60, len(chain.orders))
    assert {name: head.sequence for name, head in result.heads.items()} == {"hedge": 30, "main": 30}


@pytest.mark.parametrize(
    ("name", "pack"),
    [("decisions.jsonl.gz", gzip.compress), ("decisions.jsonl.zst", zstandard.ZstdCompressor().compress)],
)
def test_compressed_journals_are_read_as_they_are(tmp_path: Path, name: str, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / name).write_bytes(pack(b"".join(line + b"\n" for line in ChainBuilder().build(20).lines)))
    assert verify(tmp_path).outcome is Outcome.OK
    assert verify(tmp_path / name).decisions == 20


def test_standard_input_is_a_journal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    data = gzip.compress(b"".join(line + b"\n" for line in ChainBuilder().build(5).lines))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert verify(STANDARD_INPUT).decisions == 5


def flipped(lines: Lines) -> Lines:
    return [*lines[:7], lines[7].replace(b'"confidence":[0.65]', b'"confidence":[0.66]'), *lines[8:]]


def flipped_into_no_json(lines: Lines) -> Lines:
    return [*lines[:7], lines[7].replace(b'"cash":', b'"cash"!'), *lines[8:]]


def flipped_hash(lines: Lines) -> Lines:
    return [*lines[:7], lines[7].replace(b',"hash":"', b',"hash":"0')[:-1] + b"}", *lines[8:]]


def dropped(lines: Lines) -> Lines:
    return lines[:7] + lines[8:]


def dropped_first(lines: Lines) -> Lines:
    return lines[1:]


def swapped(lines: Lines) -> Lines:
    return [*lines[:7], lines[8], lines[7], *lines[9:]]


def repeated(lines: Lines) -> Lines:
    return lines[:8] + lines[7:]


def forked(lines: Lines) -> Lines:
    """The head of one run with the tail of another."""
    return lines[:7] + ChainBuilder(seed=99).build(20).lines[7:]


def reformatted(lines: Lines) -> Lines:
    """The same values with other bytes, hashed anew."""
    body = bytes(msgspec.json.decode(lines[-1], type=dict[str, msgspec.Raw])["body"])
    return [*lines[:-1], journal_line(body.replace(b'"cash":', b'"cash": '))]


@pytest.mark.parametrize(
    ("tamper", "verdict", "sequence"),
    [
        (flipped, Verdict.FLIPPED, 8),
        (flipped_into_no_json, Verdict.FLIPPED, 8),
        (flipped_hash, Verdict.FLIPPED, 8),
        (dropped, Verdict.DROPPED, 8),
        (dropped_first, Verdict.DROPPED, 1),
        (swapped, Verdict.REORDERED, 8),
        (repeated, Verdict.REPEATED, 8),
        (forked, Verdict.FORKED, 8),
        (reformatted, Verdict.NOT_CANONICAL, 20),
    ],
)
def test_each_kind_of_tampering_has_its_verdict(
    tmp_path: Path, tamper: Callable[[Lines], Lines], verdict: Verdict, sequence: int
) -> None:
    lines = tamper(ChainBuilder().build(20).lines)
    result = verify(Chain(lines).write(tmp_path), check_orders=False)
    assert (result.outcome, result.exit_code) == (Outcome.BROKEN, ExitCode.FAILED)
    assert [(f.verdict, f.portfolio, f.sequence) for f in result.findings] == [(verdict, "main", sequence)]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
def test_a_file_that_breaks_off_is_truncated(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    data = pack(b"".join(line + b"\n" for line in ChainBuilder().build(20).lines))
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(data[:-100])
    result = verify(path)
    assert result.outcome is Outcome.BROKEN
    assert result.findings[0].verdict is Verdict.TRUNCATED


def test_whole_lines_cut_off_at_the_end_are_only_seen_against_an_anchored_head(tmp_path: Path) -> None:
    lines = ChainBuilder().build(20).lines
    heads = verify(Chain(lines).write(tmp_path / "whole")).heads
    cut = Chain(lines[:15]).write(tmp_path / "cut")
    assert verify(cut, check_orders=False).outcome is Outcome.OK
    finding = verify(cut, heads=heads, check_orders=False).findings[0]
    assert (finding.verdict, finding.sequence) == (Verdict.TRUNCATED, 16)
    other = {"main": Head(15, sha256_hex(b"another"))}
    assert verify(cut, heads=other, check_orders=False).findings[0].verdict is Verdict.FORKED


def test_every_portfolio_has_a_chain_and_a_first_fault_of_its_own(tmp_path: Path) -> None:
    lines = two_portfolios(10).lines
    result = verify(Chain([*lines[:6], *lines[7:11], *lines[12:]]).write(tmp_path), check_orders=False)
    assert [(f.portfolio, f.sequence) for f in result.findings] == [("hedge", 6), ("main", 4)]


@pytest.mark.parametrize(
    ("change", "verdict", "sequence"),
    [
        (lambda orders: orders[:5] + orders[6:], Verdict.ORDER_MISSING, 6),
        (lambda orders: orders[:-1], Verdict.ORDER_MISSING, 19),
        (lambda orders: [*orders, orders[-1].replace(b'e":19', b'e":20')], Verdict.ORDER_UNEXPECTED, 20),
        (lambda orders: orders[:6] + orders[5:], Verdict.ORDER_REPEATED, 6),
        (lambda orders: [*orders, orders[5]], Verdict.ORDER_REPEATED, 6),
        (lambda orders: [*orders[:5], orders[5].replace(b'bol":"', b'bol":"X'), *orders[6:]], Verdict.ORDER_DIFFERS, 6),
        (lambda orders: [*orders[:5], b"{}", *orders[5:]], Verdict.ORDER_MALFORMED, None),
    ],
)  # fmt: skip
def test_each_order_stands_in_exactly_one_decision(
    tmp_path: Path, change: Callable[[Lines], Lines], verdict: Verdict, sequence: int | None
) -> None:
    chain = ChainBuilder().build(19)
    assert len(chain.orders) == 19
    result = verify(Chain(chain.lines, change(chain.orders)).write(tmp_path))
    assert [(f.verdict, f.sequence) for f in result.findings] == [(verdict, sequence)]
    assert result.exit_code == 1


def test_cancels_count_in_the_sequence_of_orders(tmp_path: Path) -> None:
    chain = ChainBuilder(cancels=True).build(30)
    cancels = [n for n, line in enumerate(chain.orders) if b'"type":"cancel"' in line]
    assert cancels and verify(chain.write(tmp_path / "whole")).outcome is Outcome.OK
    fewer = Chain(chain.lines, chain.orders[: cancels[0]] + chain.orders[cancels[0] + 1 :])
    finding = verify(fewer.write(tmp_path / "fewer")).findings[0]
    assert (finding.verdict, finding.sequence) == (Verdict.ORDER_MISSING, cancels[0] + 1)


def test_a_changed_quantity_is_named(tmp_path: Path) -> None:
    chain = ChainBuilder().build(3)
    order = msgspec.json.decode(chain.orders[1])
    chain.orders[1] = msgspec.json.encode({**order, "quantity": order["quantity"] + 1})
    text = verify(chain.write(tmp_path)).findings[0].text
    assert f"quantity {order['quantity'] + 1} instead of {order['quantity']}" in text


@pytest.mark.parametrize("content", [None, b"not a journal\n", b"\x1f\x8b broken gzip\n"])
def test_what_is_no_journal_is_unusable(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "decisions.jsonl").write_bytes(content)
    result = verify(tmp_path)
    assert result.exit_code in ((ExitCode.USAGE,) if content != b"\x1f\x8b broken gzip\n" else (1, 2))
    assert result.findings


_LINES = ChainBuilder().build(6).lines


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_changed_byte_inside_a_body_goes_unseen(tmp_path: Path, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(_LINES) - 1))
    line = bytearray(_LINES[number])
    at = data.draw(st.integers(len(b'{"body":'), line.index(b',"hash":') - 1))
    line[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(b"".join(row + b"\n" for row in [*_LINES[:number], bytes(line), *_LINES[number + 1 :]]))
    result = verify(path)
    assert result.outcome is Outcome.BROKEN
