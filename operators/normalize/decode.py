"""Decodes market records to columns (spec 2): plain bars by a compiled scanner, everything else by msgspec."""

from __future__ import annotations

import numpy as np

from operators.frames import (
    INTEGER_COLUMNS,
    OFFSET,
    RECORD,
    RECORD_TS,
    DeadLetterRow,
    Float64,
    Int64,
    MarketBlock,
    RecordBlock,
)
from operators.normalize.market_rows import count_unknown_fields
from operators.normalize.plain_bars import DECODED, LEFT, BarRules, scan_bars
from operators.normalize.typed_decode import TypedDecoder, TypedRows
from operators.payloads import Payloads
from operators.plan import Plan
from schemas.configuration.base import seconds_to_nanoseconds


class MarketDecoder:
    """Decodes the records of one key group; holds no state between blocks."""

    def __init__(self, plan: Plan, group: int) -> None:
        self._rules = BarRules.of(
            [plan.symbols[s] for s in plan.groups[group].symbols],
            plan.intervals,
            plan.intervals.index(plan.default_interval),
            plan.configuration.topics.market.max_payload_bytes,
            seconds_to_nanoseconds(plan.configuration.time.max_future_seconds),
        )
        self._typed = TypedDecoder(plan, group)
        self.decode(RecordBlock.beat("market", plan.groups[group].partition, 0))  # loads the compiled scanner

    def decode(self, block: RecordBlock) -> MarketBlock:
        """The block's usable rows as columns; everything else as dead letters."""
        payloads = Payloads.of(block.payloads)
        integers = np.zeros((INTEGER_COLUMNS, len(payloads)), np.int64)
        floats = np.empty((5, len(payloads)))
        integers[OFFSET] = block.offsets
        integers[RECORD_TS] = block.timestamps
        integers[RECORD] = np.arange(len(payloads))
        verdicts = scan_bars(payloads, self._rules, integers, floats)
        first = 0 if len(payloads) else None
        dead_letters: list[DeadLetterRow] = []
        flaws = np.empty((3, 0), np.int64)
        if not (verdicts == DECODED).all():
            left = np.flatnonzero(verdicts == LEFT)
            rest = self._typed.decode(_records_of(block, payloads, left))
            dead_letters, flaws = rest.dead_letters, rest.flaws
            first = _first_decoded(verdicts, left, rest)
            integers, floats = _merged(integers, floats, verdicts == DECODED, left, rest)
        return MarketBlock(
            partition=block.partition,
            start=block.start,
            next=block.next,
            integers=integers,
            floats=floats,
            dead_letters=dead_letters,
            flaws=flaws,
            payloads=payloads,
            unknown_fields=0 if first is None else count_unknown_fields(payloads[first]),
        )


def _records_of(block: RecordBlock, payloads: Payloads, rows: Int64) -> RecordBlock:
    """These records of a block, as a block of the same stretch of the log."""
    if len(rows) == len(payloads):
        return block
    return RecordBlock(
        block.topic,
        block.partition,
        block.start,
        block.next,
        block.offsets[rows],
        block.timestamps[rows],
        payloads.take(rows.tolist()),
    )


def _first_decoded(verdicts: np.ndarray, left: Int64, rest: TypedRows) -> int | None:
    """The first record that could be read, whatever became of it."""
    plain = np.flatnonzero(verdicts != LEFT)
    found = [int(rows[0]) for rows in (plain, left[rest.kept]) if len(rows)]
    return min(found, default=None)


def _merged(integers: Int64, floats: Float64, plain: np.ndarray, left: Int64, rest: TypedRows) -> tuple[Int64, Float64]:
    """Plain and typed rows in the order of the log."""
    rest.integers[RECORD] = left[rest.integers[RECORD]]
    if not plain.any():
        return rest.integers, rest.floats
    records = np.concatenate([integers[RECORD, plain], rest.integers[RECORD]])
    order = np.argsort(records, kind="stable")
    together = np.concatenate([integers[:, plain], rest.integers], axis=1)
    values = np.concatenate([floats[:, plain], rest.floats], axis=1)
    return np.ascontiguousarray(together[:, order]), np.ascontiguousarray(values[:, order])
