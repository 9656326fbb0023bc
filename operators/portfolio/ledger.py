"""A portfolio's ledger: positions, open orders, cash, targets (spec 1 "Sizing chain", 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from operators.compiled import compiled
from operators.conversion import BASE_CURRENCY, NO_CONVERSION, conversion_places
from operators.frames import BEGINNING, Bool, Float64, Int32, Int64
from schemas.configuration.base import seconds_to_nanoseconds

if TYPE_CHECKING:
    from operators.plan import Plan

#: Entries of ``Ledger.scalars``.
CASH, EQUITY, GROSS, NET = range(4)
#: Entries of ``Ledger.state``.
TRADING = 0
#: Entries of ``Ledger.room``.
BUDGET, CAPACITY, CRISIS = range(3)
ACTIVE, REDUCING, HALTED = range(3)


class Ledger(NamedTuple):
    """State over P pods and S symbols, changed in place. Quantities in lots are whole numbers.

    Attributes:
        position, pending: [S] lots held and lots in open orders.
        attributed: [P, S] each pod's part of the position, in units; sums to the position.
        units: [P, S] target units, held between changes.
        pod_weight: [P, S] what each pod wants, at pod capital.
        held: [P, S] portfolio weight at which ``units`` were computed.
        fraction: [P] capital fractions.
        last: [S] last price, NaN before the first; ``fresh_at`` [S] its cycle; ``degraded`` [S] quality verdict.
        dirty: [S] True where the target may still have to be traded.
        stopped: [S] True where a kill switch freezes the symbol.
        frozen: [P, S] True where a kill switch freezes what the pod holds of the symbol: its units hold.
        unsized: [P, S] True where a target came before the price or conversion that turns it into units.
        told_reason, told_target: [S] the last cut that was journalled and what it was a cut of, so that a standing one
            is not repeated.
        soft_told: [P, S] True where a position past its envelope's soft limit was journalled.
        room: [3] what the regime leaves: factor of gross leverage, factor of caps per symbol, 1 in a crisis.
        cost: [P, S] average cost of what a pod holds, base currency a unit; realised, fees: [P, S] profit and fees
            so far, in base currency.
        cancelling: [S] True while open orders are being taken back at a venue.
        reducing: [S] True where only reductions pass: positions do not reconcile.
        restricted: [S] True where an operator's restricted list lets only reductions pass.
        retry_at: [S] event time before which nothing new is sent: a venue has just refused an order.
        scalars: [4] cash, equity, gross and net exposure in base currency; state: [1] trading state.
    """

    position: Int64
    pending: Int64
    attributed: Float64
    units: Float64
    pod_weight: Float64
    held: Float64
    fraction: Float64
    last: Float64
    fresh_at: Int64
    degraded: Bool
    dirty: Bool
    stopped: Bool
    frozen: Bool
    unsized: Bool
    told_reason: Int32
    told_target: Float64
    soft_told: Bool
    room: Float64
    cost: Float64
    realised: Float64
    fees: Float64
    cancelling: Bool
    reducing: Bool
    restricted: Bool
    retry_at: Int64
    scalars: Float64
    state: Int64


class Rules(NamedTuple):
    """Fixed settings of a portfolio; limits that are off are infinite.

    Attributes:
        lot, tick, multiplier, fee, min_notional: [S] of each instrument; ``shortable`` [S].
        conversion: [S] position of the symbol that converts the currency, or BASE_CURRENCY / NO_CONVERSION.
        slippage: of paper fills, as a fraction of the price.
        band: rebalance band. max_leverage: layer 3. max_position: units. max_notional: base currency.
        max_gross: gross exposure over equity. max_age: ns that a price may be old.
        has_envelopes: whether any envelope is set; of each [P, S]: most_units, and in base currency most_value,
            soft_value, hard_value.
        internal: the portfolio step fills its own orders; otherwise a venue does, and takes them back.
    """

    lot: Float64
    tick: Float64
    multiplier: Float64
    fee: Float64
    min_notional: Float64
    shortable: Bool
    conversion: Int64
    slippage: float
    band: float
    max_leverage: float
    max_position: float
    max_notional: float
    max_gross: float
    max_age: int
    has_envelopes: bool
    most_units: Float64
    most_value: Float64
    soft_value: Float64
    hard_value: Float64
    internal: bool


def new_ledger(pods: int, symbols: int, cash: float, state: int) -> Ledger:
    """A ledger that holds nothing but cash."""
    return Ledger(
        position=np.zeros(symbols, np.int64),
        pending=np.zeros(symbols, np.int64),
        attributed=np.zeros((pods, symbols)),
        units=np.zeros((pods, symbols)),
        pod_weight=np.zeros((pods, symbols)),
        held=np.zeros((pods, symbols)),
        fraction=np.zeros(pods),
        last=np.full(symbols, np.nan),
        fresh_at=np.full(symbols, BEGINNING, np.int64),
        degraded=np.zeros(symbols, np.bool_),
        dirty=np.zeros(symbols, np.bool_),
        stopped=np.zeros(symbols, np.bool_),
        frozen=np.zeros((pods, symbols), np.bool_),
        unsized=np.zeros((pods, symbols), np.bool_),
        told_reason=np.zeros(symbols, np.int32),
        told_target=np.zeros(symbols),
        soft_told=np.zeros((pods, symbols), np.bool_),
        room=np.array([1.0, 1.0, 0.0]),
        cost=np.zeros((pods, symbols)),
        realised=np.zeros((pods, symbols)),
        fees=np.zeros((pods, symbols)),
        cancelling=np.zeros(symbols, np.bool_),
        reducing=np.zeros(symbols, np.bool_),
        restricted=np.zeros(symbols, np.bool_),
        retry_at=np.full(symbols, BEGINNING, np.int64),
        scalars=np.array([cash, cash, 0.0, 0.0]),
        state=np.array([state], np.int64),
    )


def portfolio_rules(plan: Plan, portfolio: int) -> Rules:
    """The settings of a portfolio as columns over its symbols."""
    own = plan.portfolios[portfolio]
    symbols, configuration = own.symbols, own.configuration
    guards = configuration.guards

    def column(name: str) -> Float64:
        return plan.instrument_column(name)[symbols]

    def limit(value: float | None) -> float:
        return np.inf if value is None else value

    age = guards.max_price_age_seconds
    return Rules(
        lot=column("lot"),
        tick=column("tick"),
        multiplier=column("contract_multiplier"),
        fee=column("fee_rate"),
        min_notional=column("min_notional"),
        shortable=column("shortable") > 0,
        conversion=conversion_places(plan, configuration, symbols),
        slippage=getattr(configuration.execution, "slippage_bps", 0.0) * 1e-4,
        band=configuration.rebalance_band,
        max_leverage=configuration.max_gross_leverage,
        max_position=limit(guards.max_position),
        max_notional=limit(guards.max_symbol_notional),
        max_gross=guards.max_gross_exposure,
        max_age=2**62 if age is None else seconds_to_nanoseconds(age),
        has_envelopes=any(p.envelopes for p in configuration.pods),
        most_units=_envelopes(plan, portfolio, "max_size"),
        most_value=_envelopes(plan, portfolio, "max_notional"),
        soft_value=_envelopes(plan, portfolio, "soft_limit"),
        hard_value=_envelopes(plan, portfolio, "hard_limit"),
        internal=configuration.execution.mode == "internal_paper",
    )


def _envelopes(plan: Plan, portfolio: int, name: str) -> Float64:
    """[P, S] one limit of every pod's envelopes; ``*`` stands for the symbols that have none of their own."""
    own = plan.portfolios[portfolio]
    limits = np.full((len(own.pods), len(own.symbols)), np.inf)
    for row, pod in enumerate(own.configuration.pods):
        for place, symbol in enumerate(own.symbols.tolist()):
            envelope = pod.envelopes.get(plan.symbols[symbol], pod.envelopes.get("*"))
            value = None if envelope is None else getattr(envelope, name)
            if value is not None:
                limits[row, place] = value
    return limits


@compiled
def units_of(lots: int, lot: float) -> float:
    """Lots in units, without the noise that 3 x 0.1 would have."""
    if lot == 1.0:
        return float(lots)
    per_unit = np.round(1.0 / lot)
    if per_unit > 1.0 and abs(per_unit * lot - 1.0) < 1e-12:
        return float(lots / per_unit)
    return lots * lot


@compiled
def conversion_rate(ledger: Ledger, rules: Rules, symbol: int) -> float:
    """Base currency for one unit of the symbol's currency; NaN when it is unknown."""
    quote = rules.conversion[symbol]
    if quote == BASE_CURRENCY:
        return 1.0
    return np.nan if quote == NO_CONVERSION else float(ledger.last[quote])


@compiled
def unit_value(ledger: Ledger, rules: Rules, symbol: int) -> float:
    """Notional of one unit in base currency at the last price; NaN when it is unknown."""
    return float(ledger.last[symbol] * rules.multiplier[symbol] * conversion_rate(ledger, rules, symbol))


@compiled
def mark_to_market(ledger: Ledger, rules: Rules, cycle: int, closed: Float64, fresh: Bool, degraded: Bool) -> None:
    """Takes this cycle's prices; computes equity and exposure. A position without a price keeps its last value."""
    last, fresh_at, was_degraded, position = ledger.last, ledger.fresh_at, ledger.degraded, ledger.position
    for s in range(len(fresh)):
        if fresh[s]:
            last[s] = closed[s]
            fresh_at[s] = cycle
            was_degraded[s] = degraded[s]
        elif degraded[s]:
            was_degraded[s] = True
    value = 0.0
    gross = 0.0
    lot = rules.lot
    for s in range(len(fresh)):
        if position[s] != 0:
            part = units_of(position[s], lot[s]) * unit_value(ledger, rules, s)
            value += part
            gross += abs(part)
    ledger.scalars[EQUITY] = ledger.scalars[CASH] + value
    ledger.scalars[GROSS] = gross
    ledger.scalars[NET] = value
