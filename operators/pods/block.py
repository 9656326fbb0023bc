"""The compiled pass of a pod over a block of cycles: book, netting, leverage layers 1 and 2 (spec 4, 5, 6)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from operators.aggregate_intents.netting import net_symbol
from operators.compiled import compiled
from operators.frames import Bool, Float64, Int32, Int64
from operators.pods.book import EQUITY, Book, BookRules, fill_due, mark, roll_day, size
from schemas.reasons import Reason

_CONFLICT, _CONFLICT_FLAT = int(Reason.INTENT_CONFLICT), int(Reason.INTENT_CONFLICT_FLAT)
_POD_SYMBOL = int(Reason.LEVERAGE_POD_SYMBOL)
_POD_GROSS = int(Reason.LEVERAGE_POD_GROSS)
_WIPED_OUT = int(Reason.POD_WIPED_OUT)
#: What rounding to 1e-9 may add to a sum, for each weight.
_ROUNDING = 1e-9


class Standing(NamedTuple):
    """What a pod's K schedules want of its S symbols.

    Attributes:
        asked, confidence: [S, K] the pod weight that each schedule last asked for, after layer 1, and its confidence.
        obeyed, obeyed_confidence: [S, K] what netting uses: differs while a kill switch covers the pair.
        frozen: [S, K] True where a kill switch covers the pair: new intents are kept but not obeyed.
        held: [S] True where all who trade the symbol are frozen in place: its units hold.
        net, gross, conflict: [S] of the last netting, before layer 2.
    """

    asked: Float64
    confidence: Float64
    obeyed: Float64
    obeyed_confidence: Float64
    frozen: Bool
    held: Bool
    net: Float64
    gross: Float64
    conflict: Bool


class IntentRows(NamedTuple):
    """Intents of a block: cycle row, symbol and schedule within the pod, value, the weight of a value of 1, confidence.

    A strength of 1 weighs the schedule's share times the asset's weight; a notional (over the reference capital) is a
    weight already.
    """

    row: Int64
    symbol: Int32
    schedule: Int32
    value: Float64
    scale: Float64
    confidence: Float64


class PodOutput(NamedTuple):
    """Rows that a block writes; ``count`` [3]: changes, clips, days."""

    counts: Int64
    change_row: Int64
    change_symbol: Int32
    change_net: Float64
    change_gross: Float64
    change_weight: Float64
    change_conflict: Bool
    clip_row: Int64
    clip_symbol: Int32
    clip_reason: Int32
    clip_before: Float64
    clip_after: Float64
    day_row: Int64
    day_return: Float64
    equity: Float64


def pod_output(rows: int, symbols: int, intents: int) -> PodOutput:
    """Room for a block of ``rows`` cycles with ``intents`` intents."""
    # A cycle without an intent or command changes nothing, unless the book is wiped out, once after each that did.
    changes = (2 * min(intents, rows) + 2) * symbols
    clips = 2 * changes + intents
    return PodOutput(
        counts=np.zeros(3, np.int64),
        change_row=np.empty(changes, np.int64),
        change_symbol=np.empty(changes, np.int32),
        change_net=np.empty(changes),
        change_gross=np.empty(changes),
        change_weight=np.empty(changes),
        change_conflict=np.empty(changes, np.bool_),
        clip_row=np.empty(clips, np.int64),
        clip_symbol=np.empty(clips, np.int32),
        clip_reason=np.empty(clips, np.int32),
        clip_before=np.empty(clips),
        clip_after=np.empty(clips),
        day_row=np.empty(rows, np.int64),
        day_return=np.empty(rows),
        equity=np.empty(rows),
    )


@compiled
def _clip(out: PodOutput, row: int, symbol: int, reason: int, before: float, after: float) -> None:
    n = out.counts[1]
    out.clip_row[n] = row
    out.clip_symbol[n] = symbol
    out.clip_reason[n] = reason
    out.clip_before[n] = before
    out.clip_after[n] = after
    out.counts[1] = n + 1


@compiled
def net_one(standing: Standing, horizon: Int64, symbol: int, out: PodOutput, row: int) -> None:
    """Nets a symbol anew; tells a conflict when it begins, and when it becomes an exact zero."""
    net, gross, conflict = net_symbol(standing.obeyed[symbol], standing.obeyed_confidence[symbol], horizon)
    if conflict and net == 0.0 and not (standing.conflict[symbol] and standing.net[symbol] == 0.0):
        _clip(out, row, symbol, _CONFLICT_FLAT, gross, 0.0)
    elif conflict and not standing.conflict[symbol]:
        _clip(out, row, symbol, _CONFLICT, gross, net)
    standing.conflict[symbol] = conflict
    standing.net[symbol] = net
    standing.gross[symbol] = gross


@compiled
def settle(
    book: Book, book_rules: BookRules, standing: Standing, max_leverage: float, touched: Bool, out: PodOutput, row: int
) -> None:
    """Layer 2 over the pod's netted weights; writes changed targets and sizes the book.

    A cap that binds scales the symbols that change and whatever must fall to respect it; it never trades the rest up.
    What a freeze holds keeps its weight and leaves the others the room that remains.
    """
    gross = 0.0
    room = max_leverage
    for s in range(len(touched)):
        if standing.held[s]:
            room -= abs(book.weight[s])
        else:
            gross += abs(standing.net[s])
    gross = np.round(gross, 9)
    room = max(room, 0.0)
    # Each weight was rounded: 23 times 1/23 must not count as more than 1.
    rounding = _ROUNDING * len(touched)
    scale = room / gross if gross > room + rounding else 1.0
    wiped_out = not book.scalars[EQUITY] > 0.0
    for s in range(len(touched)):
        if standing.held[s] and not wiped_out:
            continue
        target = 0.0 if wiped_out else np.round(standing.net[s] * scale, 9)
        weight = book.weight[s]
        if not touched[s] and not (abs(target) < abs(weight) and (scale < 1.0 or wiped_out)):
            continue
        if target != standing.net[s]:
            _clip(out, row, s, _WIPED_OUT if wiped_out else _POD_GROSS, standing.net[s], target)
        if target == weight:
            continue
        book.weight[s] = target
        n = out.counts[0]
        out.change_row[n] = row
        out.change_symbol[n] = s
        out.change_net[n] = standing.net[s]
        out.change_gross[n] = standing.gross[s]
        out.change_weight[n] = target
        out.change_conflict[n] = standing.conflict[s]
        out.counts[0] = n + 1
        size(book, book_rules, s, True)


@compiled
def take_intent(standing: Standing, max_leverage: float, rows: IntentRows, n: int, out: PodOutput) -> None:
    """Makes an intent its schedule's standing target, after layer 1: |strength| <= the pod's max_leverage."""
    symbol, schedule, value = rows.symbol[n], rows.schedule[n], rows.value[n]
    capped = min(max(value, -max_leverage), max_leverage)
    weight = np.round(capped * rows.scale[n], 9)
    if capped != value:
        _clip(out, rows.row[n], symbol, _POD_SYMBOL, np.round(value * rows.scale[n], 9), weight)
    standing.asked[symbol, schedule] = weight
    standing.confidence[symbol, schedule] = rows.confidence[n]
    if not standing.frozen[symbol, schedule]:
        standing.obeyed[symbol, schedule] = weight
        standing.obeyed_confidence[symbol, schedule] = rows.confidence[n]


@compiled
def run_block(
    book: Book,
    book_rules: BookRules,
    standing: Standing,
    horizon: Int64,
    max_leverage: float,
    cycles: Int64,
    opened: Float64,
    closed: Float64,
    fresh: Bool,
    intents: IntentRows,
    touched: Bool,
    out: PodOutput,
) -> None:
    """Runs every cycle of a block.

    ``horizon`` [K] numbers the schedules' horizons; ``touched`` [S] marks symbols that a command changed before the
    first cycle.
    """
    at = 0
    for row in range(len(cycles)):
        rolled, daily = roll_day(book, cycles[row])
        if rolled:
            n = out.counts[2]
            out.day_row[n] = row
            out.day_return[n] = daily
            out.counts[2] = n + 1
        fill_due(book, book_rules, opened[row], closed[row], fresh[row])
        mark(book, book_rules, closed[row], fresh[row])
        any_touched = row == 0 and bool(touched.any())
        while at < len(intents.row) and intents.row[at] == row:
            take_intent(standing, max_leverage, intents, at, out)
            touched[intents.symbol[at]] = True
            any_touched = True
            at += 1
        if any_touched:
            for s in range(len(touched)):
                if touched[s]:
                    net_one(standing, horizon, s, out, row)
        if any_touched or not book.scalars[EQUITY] > 0.0:
            settle(book, book_rules, standing, max_leverage, touched, out, row)
            touched[:] = False
        for s in range(len(touched)):
            if fresh[row, s] and not book.due[s] and not standing.held[s]:
                size(book, book_rules, s, False)
        out.equity[row] = book.scalars[EQUITY]
