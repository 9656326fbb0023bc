"""Digests: one hash over bodies, one over orders, by (portfolio, sequence)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from flows.journal.digest import decisions_sha256, orders_sha256
from flows.journal.line import parse_line
from flows.journal.reader import JournalDamaged, JournalUnusable
from tests.decision_records import Chain, ChainBuilder, journal_line, two_portfolios


def test_the_digest_is_sha256_over_bodies_and_newlines(tmp_path: Path) -> None:
    chain = ChainBuilder().build(12)
    wanted = hashlib.sha256(b"".join(parse_line(line).raw + b"\n" for line in chain.lines)).hexdigest()
    assert decisions_sha256(chain.write(tmp_path)) == wanted
    assert orders_sha256(tmp_path) == hashlib.sha256(b"".join(o + b"\n" for o in chain.orders)).hexdigest()


def test_portfolios_are_hashed_one_after_the_other_whatever_their_interleaving(tmp_path: Path) -> None:
    chain = two_portfolios(15)
    lines = sorted(map(parse_line, chain.lines), key=lambda line: (line.portfolio, line.sequence))
    wanted = hashlib.sha256(b"".join(line.raw + b"\n" for line in lines)).hexdigest()
    regrouped = Chain(
        sorted(chain.lines, key=lambda line: parse_line(line).portfolio, reverse=True),
        sorted(chain.orders, key=lambda order: str(msgspec.json.decode(order)["portfolio"]), reverse=True),
    )
    assert decisions_sha256(chain.write(tmp_path / "a")) == wanted
    assert decisions_sha256(regrouped.write(tmp_path / "b")) == wanted
    assert orders_sha256(tmp_path / "a") == orders_sha256(tmp_path / "b")


def test_the_envelope_does_not_count(tmp_path: Path) -> None:
    chain = ChainBuilder().build(3)
    other = [journal_line(parse_line(line).raw, code_version="another") for line in chain.lines]
    assert decisions_sha256(chain.write(tmp_path / "a")) == decisions_sha256(Chain(other).write(tmp_path / "b"))


def test_a_journal_out_of_order_has_no_digest(tmp_path: Path) -> None:
    lines = ChainBuilder().build(5).lines
    with pytest.raises(JournalDamaged, match="sequence 3 comes after 4"):
        decisions_sha256(Chain([*lines[:2], lines[3], lines[2], lines[4]]).write(tmp_path))


def test_a_folder_without_orders_says_so(tmp_path: Path) -> None:
    with pytest.raises(JournalUnusable, match=r"holds no orders\.jsonl"):
        orders_sha256(tmp_path)
