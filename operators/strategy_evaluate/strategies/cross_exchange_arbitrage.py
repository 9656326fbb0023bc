"""``cross_exchange_arbitrage``: buys on the cheap venue, sells on the dear one, until the gap closes (spec 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import Field, model_validator

from operators.bars import BarBlock
from operators.frames import Bool, Float64, Int64
from operators.normalize.features.feature import Feature
from operators.normalize.features.kernel import kernel
from operators.strategy_evaluate.strategy import Market, Parameters, Strategy, Targets

NANOSECONDS = 1_000_000_000
#: Rows of a leg's memory of quotes, and of the trade that is open.
BID, ASK = 0, 1
SIDE, OPENED_SPREAD = 0, 1


class CrossExchangeArbitrageParameters(Parameters):
    """Spreads as fractions of the mid price, ``max_notional`` of each leg in base currency.

    ``fee_rates``: fee per side of each leg as a fraction of its notional; unset: the instruments'. ``primary``: symbol
    of the leg whose quotes lead; unset: the first by name. ``max_delay_seconds``: how old the other venue's quote may
    be for an entry, and how long one leg may be filled alone.
    """

    entry: Annotated[float, Field(gt=0)] = 0.0015
    exit: Annotated[float, Field(ge=0)] = 0.0005
    max_notional: Annotated[float, Field(gt=0)] = 50_000.0
    max_open_seconds: Annotated[float, Field(gt=0)] = 120.0
    max_delay_seconds: Annotated[float, Field(ge=0)] = 5.0
    fee_rates: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=2, max_length=2)] | None = None
    primary: str | None = None
    primary_leg: Annotated[int, Field(ge=0, le=1)] = 0

    @model_validator(mode="after")
    def _order(self) -> CrossExchangeArbitrageParameters:
        if self.exit >= self.entry:
            raise ValueError(f"exit ({self.exit}) must lie below entry ({self.entry})")
        return self


class CrossExchangeArbitrage(Strategy):
    """Two symbols, one instrument on two venues; each leg ±``max_notional``, confidence 1.

    Entry: (bid of the dear venue - ask of the cheap one) / mid, less the fees of both legs in and out, is at least
    ``entry``. Exit, of both legs at once: the mids are within ``exit`` of each other, or the trade has been open
    for ``max_open_seconds``. One leg that is filled alone for more than ``max_delay_seconds``, because the other venue
    fell silent, is unwound together with the other's target. An entry needs quotes of both venues that are not older
    than ``max_delay_seconds``; an exit needs none.

    Both legs are stated in one cycle, always; the pod lets both pass or neither.
    """

    strategy_type = "cross_exchange_arbitrage"
    version = "1.0.0"
    aliases = ("cross_exchange_arbitrage",)
    scope = "pod"
    unit = "notional"
    legs = 2
    parameters_type = CrossExchangeArbitrageParameters
    parameters: CrossExchangeArbitrageParameters

    def __init__(self, parameters: CrossExchangeArbitrageParameters) -> None:
        super().__init__(parameters)
        #: For metrics alone: the latest delay of the second venue, and what the latest closed trade captured.
        self._seen = np.full(2, np.nan)

    @classmethod
    def bind(cls, parameters: Mapping[str, Any], market: Market) -> dict[str, Any]:
        """Fees of both instruments, and which of them leads; raises ValueError for a leader that is none of them."""
        bound = dict(parameters)
        if bound.get("fee_rates") is None and len(market.symbols) == cls.legs:
            bound["fee_rates"] = list(market.fee_rate)
        primary = bound.get("primary")
        if primary is not None:
            if primary not in market.symbols:
                raise ValueError(f"parameters.primary: {primary!r} is none of {', '.join(market.symbols)}")
            bound["primary_leg"] = market.symbols.index(primary)
        return bound

    def features(self) -> tuple[Feature, ...]:
        """None: it looks at the quotes themselves."""
        return ()

    def initial_state(self, symbols: int) -> dict[str, Any]:
        """By leg: last ``quote`` (bid, ask) and the cycle it was ``quoted``; of the trade its ``trade`` (side of the
        leg, spread at entry), when it ``opened`` and when the leg was ``filled`` (0: not yet)."""
        return {
            "quote": np.full((symbols, 2), np.nan),
            "quoted": np.zeros(symbols, np.int64),
            "trade": np.zeros((symbols, 2)),
            "opened": np.zeros(symbols, np.int64),
            "filled": np.zeros(symbols, np.int64),
        }

    def step(self, bars: BarBlock, features: tuple[Float64, ...], ready: Bool, state: dict[str, Any]) -> Targets:
        p = self.parameters
        targets = Targets.nothing(ready.shape)
        fees = 2.0 * sum(p.fee_rates or (0.0, 0.0))
        limits = np.array([p.entry, p.exit, p.max_notional, fees])
        times = np.array([int(p.max_open_seconds * NANOSECONDS), int(p.max_delay_seconds * NANOSECONDS)], np.int64)
        memory = (state["quote"], state["quoted"], state["trade"], state["opened"], state["filled"])
        _arbitrage(
            bars.cycles, bars.bid, bars.ask, bars.fresh, ready, limits, times, p.primary_leg, *memory,
            targets.emit, targets.value, self._seen,
        )  # fmt: skip
        return targets

    def measures(self, features: Float64, value: Float64, before: Float64) -> dict[str, float]:
        """Age of the second venue's quote at the latest entry, and the spread that the latest trade captured."""
        seen = {"secondary_delay_ms": float(self._seen[0]), "spread_capture_bps": float(self._seen[1])}
        return {name: number for name, number in seen.items() if number == number}


@kernel
def _arbitrage(
    cycles: Int64,
    bid: Float64,
    ask: Float64,
    fresh: Bool,
    ready: Bool,
    limits: Float64,
    times: Int64,
    primary: int,
    quote: Float64,
    quoted: Int64,
    trade: Float64,
    opened: Int64,
    filled: Int64,
    emit: Bool,
    value: Float64,
    seen: Float64,
) -> None:
    entry, leave, notional, fees = limits
    for c in range(len(cycles)):
        now = cycles[c]
        for leg in range(2):
            known = bid[c, leg] > 0.0 and ask[c, leg] > 0.0
            if known:
                quote[leg, BID] = bid[c, leg]
                quote[leg, ASK] = ask[c, leg]
                quoted[leg] = now
            # The hypothetical position: the target is filled at the leg's next price.
            if fresh[c, leg] and trade[leg, SIDE] != 0.0 and filled[leg] == 0:
                filled[leg] = now
        if not (ready[c, 0] or ready[c, 1]):
            continue
        mid_a = 0.5 * (quote[0, BID] + quote[0, ASK])
        mid_b = 0.5 * (quote[1, BID] + quote[1, ASK])
        mid = 0.5 * (mid_a + mid_b)
        if trade[0, SIDE] != 0.0:
            gap = (mid_a - mid_b) / mid * -trade[0, SIDE]
            first = max(filled[0], filled[1])
            alone = (filled[0] == 0) != (filled[1] == 0) and now - first > times[1]
            if gap <= leave or now - opened[0] >= times[0] or alone:
                seen[1] = (trade[0, OPENED_SPREAD] - gap) * 1e4
                for leg in range(2):
                    trade[leg, SIDE] = 0.0
                    trade[leg, OPENED_SPREAD] = 0.0
                    opened[leg] = 0
                    filled[leg] = 0
                    emit[c, leg] = True
            continue
        if quoted[0] == 0 or quoted[1] == 0 or now - min(quoted[0], quoted[1]) > times[1]:
            continue
        sell_a = (quote[0, BID] - quote[1, ASK]) / mid
        sell_b = (quote[1, BID] - quote[0, ASK]) / mid
        spread = max(sell_a, sell_b) - fees
        if spread >= entry:
            side = -1.0 if sell_a > sell_b else 1.0
            seen[0] = (now - quoted[1 - primary]) / 1e6
            for leg in range(2):
                trade[leg, SIDE] = side if leg == 0 else -side
                trade[leg, OPENED_SPREAD] = max(sell_a, sell_b)
                opened[leg] = now
                filled[leg] = 0
                emit[c, leg] = True
                value[c, leg] = trade[leg, SIDE] * notional
