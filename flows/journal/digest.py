"""One hash over all decisions, one over all orders: what two runs of the same log must agree in."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Final

import msgspec
from msgspec import Struct

from flows.journal.line import MalformedLine, parse_line
from flows.journal.reader import (
    ORDERS,
    JournalDamaged,
    JournalUnusable,
    TruncatedStream,
    decisions_file,
    find_file,
    raw_lines,
)

_CHUNK: Final = 1 << 20
#: (portfolio, sequence, bytes that are hashed)
Keyed = tuple[str, int, bytes]


class _OrderKey(Struct, frozen=True):
    portfolio: str
    sequence: int


_ORDER_KEY = msgspec.json.Decoder(_OrderKey)


class _SinglePortfolio:
    """SHA-256 over the items of one portfolio, each followed by a newline; keeps nothing."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._name: str | None = None
        self._last = -1

    def add(self, portfolio: str, sequence: int, item: bytes) -> None:
        """One item; raises ValueError when its sequence is not above the last one."""
        if self._name is None:
            self._name = portfolio
        if portfolio != self._name:
            raise _SecondPortfolio
        if sequence <= self._last:
            raise ValueError(f"portfolio {portfolio}: sequence {sequence} comes after {self._last}")
        self._last = sequence
        self._hash.update(item)
        self._hash.update(b"\n")

    def hexdigest(self) -> str:
        """64 hex digits."""
        return self._hash.hexdigest()


class _SecondPortfolio(Exception):
    """The digest of one portfolio met another one."""


def decisions_sha256(path: Path) -> str:
    """SHA-256 hex over all decision bodies at ``path`` (file, folder), by (portfolio, sequence).

    Raises:
        JournalDamaged, JournalUnusable: see :mod:`flows.journal.reader`; also when sequences go back.
    """
    source = decisions_file(path)
    return _digest(source, _decision_key)


def orders_sha256(path: Path) -> str:
    """SHA-256 hex over all order lines at ``path`` (file, folder), by (portfolio, sequence); raises as above."""
    source = find_file(path, ORDERS)
    if source is None:
        raise JournalUnusable(f"{path}: holds no {ORDERS}[.gz|.zst]")
    return _digest(source, _order_key)


def _decision_key(raw: bytes) -> Keyed:
    line = parse_line(raw)
    return line.portfolio, line.sequence, line.raw


def _order_key(raw: bytes) -> Keyed:
    key = _ORDER_KEY.decode(raw)
    return key.portfolio, key.sequence, raw


def _keyed(source: Path, key_of: Callable[[bytes], Keyed]) -> Iterator[Keyed]:
    try:
        for number, raw in enumerate(raw_lines(source), 1):
            try:
                yield key_of(raw)
            except (MalformedLine, msgspec.DecodeError) as error:
                raise JournalDamaged(f"{source} line {number}: {error}") from None
    except TruncatedStream as error:
        raise JournalDamaged(str(error)) from None


def _digest(source: Path, key_of: Callable[[bytes], Keyed]) -> str:
    digest = _SinglePortfolio()
    try:
        for portfolio, sequence, item in _keyed(source, key_of):
            digest.add(portfolio, sequence, item)
    except _SecondPortfolio:
        return _digest_by_portfolio(source, key_of)
    except ValueError as error:
        raise JournalDamaged(f"{source}: {error}") from None
    return digest.hexdigest()


def _digest_by_portfolio(source: Path, key_of: Callable[[bytes], Keyed]) -> str:
    """The same where portfolios are interleaved: each one's items wait in a temporary file of its own."""
    with ExitStack() as stack:
        parts: dict[str, IO[bytes]] = {}
        last: dict[str, int] = {}
        for portfolio, sequence, item in _keyed(source, key_of):
            if portfolio not in parts:
                parts[portfolio] = stack.enter_context(tempfile.TemporaryFile())
            if sequence <= last.get(portfolio, -1):
                raise JournalDamaged(
                    f"{source}: portfolio {portfolio}: sequence {sequence} comes after {last[portfolio]}"
                )
            last[portfolio] = sequence
            parts[portfolio].write(item + b"\n")
        whole = hashlib.sha256()
        for _, part in sorted(parts.items()):
            part.seek(0)
            while chunk := part.read(_CHUNK):
                whole.update(chunk)
        return whole.hexdigest()
