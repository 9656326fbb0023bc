"""What a run of cycles did, as the columns of decision bodies: converted once, cut by decision."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from operators.frames import Bool, Float64, Int64
from operators.plan import Plan
from operators.portfolio.cycle_output import CANCELS, CLIPS, FILLS, ORDERS, TARGETS, CycleOutput
from operators.portfolio.ledger import TRADING, Ledger, Rules
from operators.portfolio.order_lines import OrderLines, OrderTexts
from schemas.reasons import Reason

_REASONS = {int(r): r.name for r in Reason}


@dataclass(slots=True, frozen=True)
class ChangeNotes:
    """What netting said of each row of ``Changes``: [n] net and gross weight, and whether schedules disagreed."""

    net: Float64
    gross: Float64
    conflict: Bool


@dataclass(slots=True, frozen=True)
class FillRows:
    """Fills by row; ``fee`` is what an order pays that is all of the fill: the whole fee, but for rounding.

    ``pods`` and ``shares`` are of those who took a part. A row of no lots is a trade among pods: its shares are units.
    """

    place: list[int]
    symbol: list[str]
    lots: list[int]
    quantity: list[float]
    price: list[float]
    whole_fee: list[float]
    fee: list[float]
    pods: list[list[str]]
    shares: list[list[float]]


@dataclass(slots=True, frozen=True)
class TargetRows:
    """Targets by row; see :class:`schemas.decision.TargetTable`."""

    conflict: list[bool]
    fraction: list[float]
    gross: list[float]
    net: list[float]
    pod: list[str]
    symbol: list[str]
    units: list[float]
    weight: list[float]


@dataclass(slots=True, frozen=True)
class ClipRows:
    """Cuts at portfolio level by row; see :class:`schemas.decision.ClipTable`."""

    after: list[float]
    before: list[float]
    reason: list[str]
    symbol: list[str]
    unit: list[str]


@dataclass(slots=True, frozen=True)
class OrderRows:
    """Orders by row: signed lots, quantities in units, and what their wire values are made of."""

    place: list[int]
    symbol: list[str]
    lots: list[int]
    quantity: list[float]
    approved: list[float]
    position: list[float]
    pending: list[float]
    price: list[float]
    texts: OrderTexts


_NO_FILLS = FillRows([], [], [], [], [], [], [], [], [])
_NO_TARGETS = TargetRows([], [], [], [], [], [], [], [])
_NO_CLIPS = ClipRows([], [], [], [], [])
_NO_ORDERS = OrderRows([], [], [], [], [], [], [], [], OrderTexts([], [], []))


@dataclass(slots=True, frozen=True)
class RunColumns:
    """A run's tables; ``ends[n]`` are the rows used after its n-th cycle, ``scalars[n]`` and ``offset[n]`` as
    CycleOutput has them."""

    ends: list[list[int]]
    scalars: list[list[float]]
    offset: list[float]
    #: realised, unrealised and fees of each pod after each cycle
    profit: list[list[list[float]]]
    fraction: list[float]
    trading: int
    fills: FillRows
    targets: TargetRows
    clips: ClipRows
    orders: OrderRows
    #: places of symbols whose targets turned against their open orders
    cancels: list[int]

    def bounds(self, row: int, table: int) -> tuple[int, int]:
        """First row and the one after the last that a cycle of the run has in a table."""
        return self.ends[row - 1][table] if row else 0, self.ends[row][table]


class RunTables:
    """Reads the runs of one portfolio's kernel; knows what it calls symbols and pods."""

    def __init__(self, plan: Plan, portfolio: int, rules: Rules, lines: OrderLines) -> None:
        own = plan.portfolios[portfolio]
        self._rules, self._lines = rules, lines
        self._symbols = np.array([plan.symbols[s] for s in own.symbols.tolist()], object)
        self._pods = np.array([plan.pods[p].id for p in own.pods], object)

    def columns(self, out: CycleOutput, cycles: int, ledger: Ledger, notes: ChangeNotes) -> RunColumns:
        """The report of a run of ``cycles`` cycles; the ledger's fractions and state held through all of it."""
        used: list[int] = out.counts.tolist()
        return RunColumns(
            ends=out.ends[:cycles].tolist(),
            scalars=out.scalars[:cycles].tolist(),
            offset=out.offset[:cycles].tolist(),
            profit=out.profit[:cycles].tolist(),
            fraction=ledger.fraction.tolist(),
            trading=int(ledger.state[TRADING]),
            fills=self._fills(out, used[FILLS]) if used[FILLS] else _NO_FILLS,
            targets=self._targets(out, used[TARGETS], ledger.fraction, notes) if used[TARGETS] else _NO_TARGETS,
            clips=self._clips(out, used[CLIPS]) if used[CLIPS] else _NO_CLIPS,
            orders=self._orders(out, used[ORDERS]) if used[ORDERS] else _NO_ORDERS,
            cancels=out.cancel_symbol[: used[CANCELS]].tolist(),
        )

    def _fills(self, out: CycleOutput, n: int) -> FillRows:
        place, lots, parts = out.fill_symbol[:n], out.fill_lots[:n], out.fill_part[:n]
        quantity = in_units(lots, self._rules.lot[place])
        among_pods, fee = lots == 0, out.fill_fee[:n]
        shares = parts / np.where(among_pods, 1.0, quantity)[:, None]
        row, pod = np.nonzero(parts)
        names, shared = self._pods[pod].tolist(), shares[row, pod].tolist()
        ends = np.searchsorted(row, np.arange(n + 1)).tolist()
        return FillRows(
            place=place.tolist(),
            symbol=self._symbols[place].tolist(),
            lots=lots.tolist(),
            quantity=quantity.tolist(),
            price=out.fill_price[:n].tolist(),
            whole_fee=fee.tolist(),
            fee=(fee * lots / np.where(among_pods, 1, lots)).tolist(),
            pods=[names[first:last] for first, last in pairwise(ends)],
            shares=[shared[first:last] for first, last in pairwise(ends)],
        )

    def _targets(self, out: CycleOutput, n: int, fraction: Float64, notes: ChangeNotes) -> TargetRows:
        pod, weight, change = out.target_pod[:n], out.target_weight[:n], out.target_change[:n]
        net, gross, conflict = weight, np.abs(weight), np.zeros(n, np.bool_)
        noted = change >= 0
        if noted.any():
            at = np.where(noted, change, 0)
            net, gross = np.where(noted, notes.net[at], net), np.where(noted, notes.gross[at], gross)
            conflict = noted & notes.conflict[at]
        return TargetRows(
            conflict=conflict.tolist(),
            fraction=fraction[pod].tolist(),
            gross=gross.tolist(),
            net=net.tolist(),
            pod=self._pods[pod].tolist(),
            symbol=self._symbols[out.target_symbol[:n]].tolist(),
            units=out.target_units[:n].tolist(),
            weight=weight.tolist(),
        )

    def _clips(self, out: CycleOutput, n: int) -> ClipRows:
        return ClipRows(
            after=out.clip_after[:n].tolist(),
            before=out.clip_before[:n].tolist(),
            reason=[_REASONS[r] for r in out.clip_reason[:n].tolist()],
            symbol=self._symbols[out.clip_symbol[:n]].tolist(),
            unit=["units" if u else "weight" for u in out.clip_in_units[:n].tolist()],
        )

    def _orders(self, out: CycleOutput, n: int) -> OrderRows:
        place, lots, price = out.order_symbol[:n], out.order_lots[:n], out.order_price[:n]
        lot, position, pending = self._rules.lot[place], out.order_position[:n], out.order_pending[:n]
        quantity, places = in_units(lots, lot), place.tolist()
        limit = _limits(price, lots, self._rules.tick[place])
        reducing = ((position + pending) * lots < 0).tolist()
        return OrderRows(
            place=places,
            symbol=self._symbols[place].tolist(),
            lots=lots.tolist(),
            quantity=quantity.tolist(),
            approved=out.order_approved[:n].tolist(),
            position=in_units(position, lot).tolist(),
            pending=in_units(pending, lot).tolist(),
            price=price.tolist(),
            texts=self._lines.texts(places, lots, quantity, price, limit, reducing, out.order_share[:n]),
        )


def _limits(price: Float64, lots: Int64, tick: Float64) -> Float64:
    """Limits at the reference prices, rounded to the tick away from the market (never more aggressive)."""
    steps = price / tick
    return in_units(np.where(lots > 0, np.floor(steps + 1e-9), np.ceil(steps - 1e-9)), tick)


def in_units(whole: Int64 | Float64, step: Float64) -> Float64:
    """Whole steps (lots, ticks) in units: the twin of :func:`operators.portfolio.ledger.units_of` for columns."""
    each = np.maximum(np.round(1.0 / step), 1.0)
    exact = (each > 1.0) & (np.abs(each * step - 1.0) < 1e-12)
    return np.where(exact, whole / each, whole * step)
