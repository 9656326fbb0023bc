"""What a run of cycles did, as the columns of decision bodies: converted once, cut by decision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from operators.frames import Bool, Float64, Int64
from operators.portfolio.cycle_output import CANCELS, CLIPS, FILLS, ORDERS, TARGETS, CycleOutput
from operators.portfolio.ledger import TRADING, Ledger, Rules
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
    """Fills by row; ``parts`` are each pod's units, ``shares`` the same over the fill's quantity."""

    symbol: list[int]
    lots: list[int]
    price: list[float]
    fee: list[float]
    parts: list[list[float]]
    shares: list[list[float]]


@dataclass(slots=True, frozen=True)
class TargetRows:
    """Targets by row; see :class:`schemas.decision.TargetTable`."""

    conflict: list[bool]
    fraction: list[float]
    gross: list[float]
    net: list[float]
    pod: list[int]
    symbol: list[int]
    units: list[float]
    weight: list[float]


@dataclass(slots=True, frozen=True)
class ClipRows:
    """Cuts by row, ``pod`` -1 at portfolio level; see :class:`schemas.decision.ClipTable`."""

    after: list[float]
    before: list[float]
    pod: list[int]
    reason: list[str]
    symbol: list[int]
    unit: list[str]


@dataclass(slots=True, frozen=True)
class OrderRows:
    """Orders by row; quantities in units, ``lots`` signed, ``shares`` negative for pods without one."""

    symbol: list[int]
    lots: list[int]
    quantity: list[float]
    approved: list[float]
    position: list[float]
    pending: list[float]
    price: list[float]
    limit: list[float]
    reducing: list[bool]
    shares: list[list[float]]


@dataclass(slots=True, frozen=True)
class RunColumns:
    """A run's tables; ``ends[n]`` are the rows used after its n-th cycle, ``scalars[n]`` and ``offset[n]`` as
    CycleOutput has them."""

    ends: list[list[int]]
    scalars: list[list[float]]
    offset: list[float]
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


def run_columns(out: CycleOutput, cycles: int, ledger: Ledger, rules: Rules, notes: ChangeNotes) -> RunColumns:
    """The report of a run of ``cycles`` cycles; the ledger's fractions and state held through all of it."""
    used: list[int] = out.counts.tolist()
    return RunColumns(
        ends=out.ends[:cycles].tolist(),
        scalars=out.scalars[:cycles].tolist(),
        offset=out.offset[:cycles].tolist(),
        fraction=ledger.fraction.tolist(),
        trading=int(ledger.state[TRADING]),
        fills=_fills(out, used[FILLS], rules),
        targets=_targets(out, used[TARGETS], ledger.fraction, notes),
        clips=_clips(out, used[CLIPS]),
        orders=_orders(out, used[ORDERS], rules),
        cancels=out.cancel_symbol[: used[CANCELS]].tolist(),
    )


def _fills(out: CycleOutput, n: int, rules: Rules) -> FillRows:
    symbol, lots, parts = out.fill_symbol[:n], out.fill_lots[:n], out.fill_part[:n]
    quantity = in_units(lots, rules.lot[symbol])
    return FillRows(
        symbol=symbol.tolist(),
        lots=lots.tolist(),
        price=out.fill_price[:n].tolist(),
        fee=out.fill_fee[:n].tolist(),
        parts=parts.tolist(),
        shares=(parts / quantity[:, None]).tolist(),
    )


def _targets(out: CycleOutput, n: int, fraction: Float64, notes: ChangeNotes) -> TargetRows:
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
        pod=pod.tolist(),
        symbol=out.target_symbol[:n].tolist(),
        units=out.target_units[:n].tolist(),
        weight=weight.tolist(),
    )


def _clips(out: CycleOutput, n: int) -> ClipRows:
    return ClipRows(
        after=out.clip_after[:n].tolist(),
        before=out.clip_before[:n].tolist(),
        pod=out.clip_pod[:n].tolist(),
        reason=[_REASONS[r] for r in out.clip_reason[:n].tolist()],
        symbol=out.clip_symbol[:n].tolist(),
        unit=["units" if u else "weight" for u in out.clip_in_units[:n].tolist()],
    )


def _orders(out: CycleOutput, n: int, rules: Rules) -> OrderRows:
    symbol, lots, price = out.order_symbol[:n], out.order_lots[:n], out.order_price[:n]
    lot, position, pending = rules.lot[symbol], out.order_position[:n], out.order_pending[:n]
    return OrderRows(
        symbol=symbol.tolist(),
        lots=lots.tolist(),
        quantity=in_units(lots, lot).tolist(),
        approved=out.order_approved[:n].tolist(),
        position=in_units(position, lot).tolist(),
        pending=in_units(pending, lot).tolist(),
        price=price.tolist(),
        limit=_limits(price, lots, rules.tick[symbol]).tolist(),
        reducing=((position + pending) * lots < 0).tolist(),
        shares=out.order_share[:n].tolist(),
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
