"""Decodes market records of any kind to columns (spec 2): typed JSON by msgspec, checks on whole columns.

A block is decoded line by line in one call. Only when that fails is it decoded message by message, with the same row
type, so a message means the same whatever stands beside it in its block.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter

import msgspec
import numpy as np

from operators.frames import (
    BAR,
    FLAW_ACTION,
    FLAW_NULL,
    FLAW_SCHEMA,
    INTEGER_COLUMNS,
    INTERVAL,
    KIND,
    OFFSET,
    OTHER,
    QUOTE,
    RECORD,
    RECORD_TS,
    SEQ,
    SYMBOL,
    TICK,
    TRADE,
    TS,
    Bool,
    DeadLetterRow,
    Float64,
    Int64,
    RecordBlock,
)
from operators.nesting import MAX_NESTING, too_deep
from operators.normalize.market_rows import (
    KINDS,
    MARKET_ROWS,
    MarketRow,
    bar_values,
    plausible_bars,
    quote_values,
    row_fault,
    shape_of,
)
from operators.plan import Plan
from schemas.configuration.base import interval_nanoseconds, seconds_to_nanoseconds
from schemas.messages import SCHEMA_VERSION
from schemas.reasons import Reason

_NOT_HERE = -1
_TS, _SEQ, _SYMBOL = attrgetter("ts"), attrgetter("seq"), attrgetter("symbol")


@dataclass(slots=True)
class _Work:
    """A block on its way through the decoder; ``kept`` maps rows to records, ``usable`` shrinks as checks refuse."""

    block: RecordBlock
    kept: Int64
    rows: list[MarketRow]
    integers: Int64
    values: Float64
    usable: Bool
    forming: Bool
    refused: list[DeadLetterRow] = field(default_factory=list)
    flaws: list[tuple[int, int, int]] = field(default_factory=list)

    def refuse(self, row: int, reason: Reason, error: str) -> None:
        self.usable[row] = False
        self.refused.append(_refusal(self.block, int(self.kept[row]), reason, error))


class _Local(dict[str, int]):
    """Symbols of the group by name; -1 for any other."""

    def __missing__(self, symbol: str) -> int:
        return _NOT_HERE


@dataclass(slots=True, frozen=True)
class TypedRows:
    """What a block's records are.

    Attributes:
        integers, floats: [9, n] and [5, n] usable rows as in :class:`~operators.frames.MarketBlock`, in log order.
        kept: the records that could be read, also those that turned out to be unusable.
        dead_letters, flaws: as in MarketBlock.
    """

    integers: Int64
    floats: Float64
    kept: Int64
    dead_letters: list[DeadLetterRow]
    flaws: Int64


class TypedDecoder:
    """Decodes the records of one key group; holds no state between blocks."""

    def __init__(self, plan: Plan, group: int) -> None:
        market = plan.configuration.topics.market
        self._max_bytes = market.max_payload_bytes
        self._max_future = seconds_to_nanoseconds(plan.configuration.time.max_future_seconds)
        own = plan.groups[group].symbols
        self._local = _Local({plan.symbols[s]: n for n, s in enumerate(own)})
        self._elsewhere = {s: int(plan.group_of[n]) for n, s in enumerate(plan.symbols) if s not in self._local}
        self._intervals = {name: n for n, name in enumerate(plan.intervals)}
        self._intervals[""] = plan.intervals.index(plan.default_interval)

    def decode(self, block: RecordBlock) -> TypedRows:
        """The block's usable rows as columns; everything else as dead letters."""
        lines = b"\n".join(block.payloads)
        one_line_each = lines.count(b"\n") == max(len(block.payloads) - 1, 0)
        work = self._rows(block, lines if one_line_each and _one_object_each(lines, len(block.payloads)) else None)
        if work.rows:
            self._columns(work)
        usable = work.usable
        every = bool(usable.all())
        work.refused.sort(key=lambda r: r.offset)
        work.flaws.sort()
        return TypedRows(
            integers=work.integers if every else np.ascontiguousarray(work.integers[:, usable]),
            floats=work.values if every else np.ascontiguousarray(work.values[:, usable]),
            kept=work.kept,
            dead_letters=work.refused,
            flaws=np.array(work.flaws, np.int64).reshape(-1, 3).T.copy(),
        )

    # ------------------------------------------------------------ rows
    def _rows(self, block: RecordBlock, lines: bytes | None) -> _Work:
        # A payload that is not plainly one object on one line, or an oversized one goes the slow way.
        if lines is not None and max(map(len, block.payloads), default=0) <= self._max_bytes:
            try:
                rows = MARKET_ROWS.decode_lines(lines)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                rows = []
            if len(rows) == len(block.payloads):
                return _work(block, np.arange(len(rows), dtype=np.int64), rows)
        decoded = _work(block, np.empty(0, np.int64), [])
        kept: list[int] = []
        for record, payload in enumerate(block.payloads):
            row = self._decode_one(decoded, record, payload)
            if row is not None:
                kept.append(record)
                decoded.rows.append(row)
        work = _work(block, np.array(kept, np.int64), decoded.rows)
        work.refused, work.flaws = decoded.refused, decoded.flaws
        return work

    def _decode_one(self, work: _Work, record: int, payload: bytes) -> MarketRow | None:
        reason, error = Reason.NONE, ""
        if not payload:
            reason, error = Reason.INPUT_EMPTY, "the payload is empty"
        elif len(payload) > self._max_bytes:
            reason, error = Reason.INPUT_TOO_LARGE, f"{len(payload)} bytes; max_payload_bytes is {self._max_bytes}"
        elif too_deep(payload):
            reason, error = Reason.INPUT_SCHEMA, f"nested more than {MAX_NESTING} levels deep"
        else:
            try:
                # Strings of ignored fields are skipped unread: what is not UTF-8 is refused as a whole.
                payload.isascii() or payload.decode("utf-8")
                return MARKET_ROWS.decode(payload)
            except msgspec.ValidationError as fault:
                reason, error = Reason.INPUT_SCHEMA, str(fault)
                symbol = self._symbol_of(payload)
                if symbol != _NOT_HERE:
                    work.flaws.append((int(work.block.offsets[record]), symbol, FLAW_SCHEMA))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
                reason, error = _not_json(payload), str(fault) or type(fault).__name__
        work.refused.append(_refusal(work.block, record, reason, error))
        return None

    def _symbol_of(self, payload: bytes) -> int:
        try:
            document = msgspec.json.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return _NOT_HERE
        symbol = document.get("symbol") if isinstance(document, dict) else None
        return self._local[symbol] if isinstance(symbol, str) else _NOT_HERE

    # ------------------------------------------------------------ columns
    def _columns(self, work: _Work) -> None:
        integers, rows = work.integers, work.rows
        n = len(rows)
        integers[RECORD] = work.kept
        integers[OFFSET] = work.block.offsets[work.kept]
        integers[RECORD_TS] = work.block.timestamps[work.kept]
        integers[TS] = np.fromiter(map(_TS, rows), np.int64, n)
        integers[SEQ] = np.fromiter(map(_SEQ, rows), np.int64, n)
        integers[SYMBOL] = np.fromiter(map(self._local.__getitem__, map(_SYMBOL, rows)), np.int64, n)
        work.values = bar_values(rows)
        first = shape_of(rows[0])
        plain = first[:3] == ("bar", SCHEMA_VERSION, True) and first[3] in self._intervals
        if plain and len(set(map(shape_of, rows))) == 1:
            integers[INTERVAL] = self._intervals[first[3]]
        else:
            for row, shape in enumerate(map(shape_of, rows)):
                self._shape(work, row, *shape)
        self._check_symbols(work)
        self._check_values(work)
        # A forming bar carries the close that it does not have yet: it may not even move the clock.
        work.usable &= ~work.forming

    def _shape(self, work: _Work, row: int, kind_name: str, version: int, final: bool, interval: str) -> None:
        kind = KINDS.get(kind_name)
        if kind_name == "corporate_action":
            error = "corporate actions are not applied; the symbol is frozen: settle it by hand, then arm the symbol"
            self._mismatch(work, row, Reason.INPUT_CORPORATE_ACTION, error, FLAW_SCHEMA | FLAW_ACTION)
            return
        if kind is None:
            error = f"type {kind_name[:64]!r} is not one of {', '.join(KINDS)}"
            self._mismatch(work, row, Reason.INPUT_TYPE, error)
            return
        if version != SCHEMA_VERSION:
            self._mismatch(work, row, Reason.INPUT_VERSION, f"v {version}: this flow reads version {SCHEMA_VERSION}")
            return
        if kind == BAR:
            index = self._intervals.get(interval)
            if index is not None:
                work.integers[INTERVAL, row] = index
            else:
                try:
                    interval_nanoseconds(interval)
                    kind = OTHER
                except ValueError as error:
                    self._mismatch(work, row, Reason.INPUT_UNKNOWN_INTERVAL, str(error)[:200])
                    return
                reason, fault = row_fault(BAR, work.integers[:, row], work.values[:, row])
                if reason is not Reason.NONE:
                    self._mismatch(work, row, reason, fault)
                    return
            work.forming[row] = not final
        elif kind in (QUOTE, TRADE):
            try:
                work.values[:, row] = quote_values(work.block.payloads[int(work.kept[row])], kind)
            except msgspec.MsgspecError as error:
                self._mismatch(work, row, Reason.INPUT_SCHEMA, str(error))
                return
        work.integers[KIND, row] = kind

    def _mismatch(self, work: _Work, row: int, reason: Reason, error: str, flaw: int = FLAW_SCHEMA) -> None:
        work.refuse(row, reason, error)
        symbol = int(work.integers[SYMBOL, row])
        if symbol != _NOT_HERE:
            work.flaws.append((int(work.integers[OFFSET, row]), symbol, flaw))

    def _check_symbols(self, work: _Work) -> None:
        symbols = work.integers[SYMBOL]
        symbols[work.integers[KIND] == TICK] = 0
        for row in np.flatnonzero((symbols == _NOT_HERE) & work.usable).tolist():
            symbol = work.rows[row].symbol
            if not symbol:
                work.refuse(row, Reason.INPUT_SCHEMA, "`symbol` is missing")
            elif symbol in self._elsewhere:
                error = f"{symbol} belongs to partition {self._elsewhere[symbol]}, this is {work.block.partition}"
                work.refuse(row, Reason.INPUT_WRONG_PARTITION, error)
            else:
                error = f"{symbol[:128]!r} is not an instrument of the configuration"
                work.refuse(row, Reason.INPUT_UNKNOWN_SYMBOL, error)

    def _check_values(self, work: _Work) -> None:
        integers = work.integers
        kind, ts = integers[KIND], integers[TS]
        future = (ts > integers[RECORD_TS] + self._max_future) & ~work.forming
        doubtful = (ts == 0) | future | (kind == QUOTE) | (kind == TRADE)
        doubtful |= (kind == BAR) & ~plausible_bars(work.values)
        for row in np.flatnonzero(doubtful & work.usable).tolist():
            if future[row]:
                ahead = (int(ts[row]) - int(integers[RECORD_TS, row])) / 1e9
                work.refuse(row, Reason.INPUT_FUTURE, f"ts is {ahead:g} s ahead of its record timestamp")
                continue
            reason, error = row_fault(int(kind[row]), integers[:, row], work.values[:, row])
            if reason is Reason.NONE:
                continue
            work.refuse(row, reason, error)
            if kind[row] != TICK:
                flaw = FLAW_NULL if reason is Reason.INPUT_SCHEMA else FLAW_SCHEMA
                work.flaws.append((int(integers[OFFSET, row]), int(integers[SYMBOL, row]), flaw))


def _work(block: RecordBlock, kept: Int64, rows: list[MarketRow]) -> _Work:
    n = len(rows)
    integers, values = np.zeros((INTEGER_COLUMNS, n), np.int64), np.empty((5, n))
    return _Work(block, kept, rows, integers, values, np.ones(n, np.bool_), np.zeros(n, np.bool_))


def _one_object_each(lines: bytes, payloads: int) -> bool:
    """True when every one of the joined payloads is ``{...}`` and none is nested deeply.

    Only then a line is a message: JSON may span lines, and a line may hold two objects or none.
    """
    plain = lines[:1] == b"{" and lines[-1:] == b"}" and lines.count(b"}\n{") == payloads - 1
    if not plain or not (lines.isascii() or _is_utf8(lines)):
        return False
    flat = lines.count(b"{") == payloads and lines.count(b"[") == 0
    return flat or not any(map(too_deep, lines.split(b"\n")))


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _not_json(payload: bytes) -> Reason:
    return Reason.INPUT_NOT_JSON if _is_utf8(payload) else Reason.INPUT_NOT_UTF8


def _refusal(block: RecordBlock, record: int, reason: Reason, error: str) -> DeadLetterRow:
    return DeadLetterRow(
        topic=block.topic,
        partition=block.partition,
        offset=int(block.offsets[record]),
        timestamp=int(block.timestamps[record]),
        reason=reason.name,
        error=error,
        payload=block.payloads[record],
    )
