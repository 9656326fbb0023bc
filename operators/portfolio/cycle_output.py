"""The tables that a portfolio's compiled pass fills: one row for everything that happened (spec 6, 7, 8)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from operators.compiled import compiled
from operators.frames import Bool, Float64, Int32, Int64
from operators.portfolio.ledger import Ledger

#: Columns of ``CycleOutput.ends``, and entries of ``counts``: rows of each table.
FILLS, TARGETS, CLIPS, ORDERS, CANCELS = range(5)
#: Cycles of one run at most, and how many of them have room for everything to happen at once.
RUN_CYCLES, _ROOM_CYCLES = 256, 4


class Changes(NamedTuple):
    """Pod targets that changed, by cycle row: pod and symbol within the portfolio, weight at pod capital."""

    row: Int64
    pod: Int32
    symbol: Int32
    weight: Float64


class Prices(NamedTuple):
    """A block's prices, [C, S]; see PriceBlock."""

    cycles: Int64
    open: Float64
    close: Float64
    fresh: Bool
    degraded: Bool


class CycleOutput(NamedTuple):
    """What a run of cycles did, table by table; the first ``counts[...]`` rows are valid.

    Attributes:
        counts: [5] rows of each table. Of each cycle of the run: ends [R, 5] the counts after it, scalars [R, 4] of the
            ledger, offset [R] how far the pods offset each other, -1 in a cycle without new targets.
        profit: [R, 3, P] realised, unrealised and fees of each pod after each cycle of the run.
        fill_symbol, fill_lots, fill_price, fill_fee: fills; fill_part [n, P] each pod's units. Zero lots are what pods
            traded among each other.
        target_pod, target_symbol: pods' targets that changed, with the pod's weight and units; target_change is the row
            of ``Changes`` that it came from, -1 where only fractions, caps or drift moved it.
        clip_symbol, clip_reason, clip_before, clip_after, clip_in_units: cuts at portfolio level.
        order_symbol, order_lots: orders; order_approved in units, order_position and order_pending in lots before,
            order_price the reference price; order_share [n, P] each pod's share of it, negative where it has none.
        cancel_symbol: symbols whose open orders are taken back, because the target turned before they filled.
        touched: [S] symbols whose pod weights changed in this cycle; change [P, S] by which row of ``Changes``, or -1.
    """

    counts: Int64
    ends: Int64
    scalars: Float64
    offset: Float64
    profit: Float64
    fill_symbol: Int32
    fill_lots: Int64
    fill_price: Float64
    fill_fee: Float64
    fill_part: Float64
    target_pod: Int32
    target_symbol: Int32
    target_weight: Float64
    target_units: Float64
    target_change: Int64
    clip_symbol: Int32
    clip_reason: Int32
    clip_before: Float64
    clip_after: Float64
    clip_in_units: Bool
    order_symbol: Int32
    order_lots: Int64
    order_approved: Float64
    order_position: Int64
    order_pending: Int64
    order_price: Float64
    order_share: Float64
    cancel_symbol: Int32
    touched: Bool
    change: Int64


def cycle_output(pods: int, symbols: int) -> CycleOutput:
    """Room for a run of cycles of a portfolio."""
    fills, targets = _ROOM_CYCLES * 2 * symbols, _ROOM_CYCLES * 2 * pods * symbols
    clips, orders = _ROOM_CYCLES * (6 + pods) * symbols, _ROOM_CYCLES * 2 * symbols
    return CycleOutput(
        counts=np.zeros(5, np.int64),
        ends=np.zeros((RUN_CYCLES, 5), np.int64),
        scalars=np.zeros((RUN_CYCLES, 4)),
        offset=np.zeros(RUN_CYCLES),
        profit=np.zeros((RUN_CYCLES, 3, pods)),
        fill_symbol=np.empty(fills, np.int32),
        fill_lots=np.empty(fills, np.int64),
        fill_price=np.empty(fills),
        fill_fee=np.empty(fills),
        fill_part=np.empty((fills, pods)),
        target_pod=np.empty(targets, np.int32),
        target_symbol=np.empty(targets, np.int32),
        target_weight=np.empty(targets),
        target_units=np.empty(targets),
        target_change=np.empty(targets, np.int64),
        clip_symbol=np.empty(clips, np.int32),
        clip_reason=np.empty(clips, np.int32),
        clip_before=np.empty(clips),
        clip_after=np.empty(clips),
        clip_in_units=np.empty(clips, np.bool_),
        order_symbol=np.empty(orders, np.int32),
        order_lots=np.empty(orders, np.int64),
        order_approved=np.empty(orders),
        order_position=np.empty(orders, np.int64),
        order_pending=np.empty(orders, np.int64),
        order_price=np.empty(orders),
        order_share=np.empty((orders, pods)),
        cancel_symbol=np.empty(fills, np.int32),
        touched=np.zeros(symbols, np.bool_),
        change=np.full((pods, symbols), -1, np.int64),
    )


@compiled
def has_room(out: CycleOutput) -> bool:
    """True when a cycle in which everything happens still fits."""
    pods, symbols = out.change.shape
    return bool(
        out.counts[FILLS] + 2 * symbols <= len(out.fill_symbol)
        and out.counts[TARGETS] + 2 * pods * symbols <= len(out.target_pod)
        and out.counts[CLIPS] + (6 + pods) * symbols <= len(out.clip_symbol)
        and out.counts[ORDERS] + 2 * symbols <= len(out.order_symbol)
        and out.counts[CANCELS] + symbols <= len(out.cancel_symbol)
    )


@compiled
def clip(out: CycleOutput, symbol: int, reason: int, before: float, after: float, in_units: bool) -> None:
    """Journals a cut."""
    n = out.counts[CLIPS]
    out.clip_symbol[n] = symbol
    out.clip_reason[n] = reason
    out.clip_before[n] = before
    out.clip_after[n] = after
    out.clip_in_units[n] = in_units
    out.counts[CLIPS] = n + 1


@compiled
def tell(ledger: Ledger, out: CycleOutput, symbol: int, reason: int, before: float, after: float) -> None:
    """Journals a cut of the target ``before``, and remembers it."""
    ledger.told_reason[symbol] = reason
    ledger.told_target[symbol] = before
    clip(out, symbol, reason, before, after, True)


@compiled
def was_told(ledger: Ledger, symbol: int, reason: int, target: float) -> bool:
    """True for a standing cut: it is journalled when it begins, not every cycle."""
    return bool(ledger.told_reason[symbol] == reason and ledger.told_target[symbol] == target)
