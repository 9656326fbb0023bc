"""Wire values of orders, put together from text: what an order has in common with others is encoded once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import msgspec
import numpy as np

from operators.frames import Float64, Int64
from operators.plan import Plan
from schemas.messages import SCHEMA_VERSION, Order

_ENCODE: Final = msgspec.json.Encoder().encode
#: Stands where an order differs from the next one. No encoded JSON contains it.
_GAP: Final = msgspec.Raw(b"\0")
#: The fields that differ, in wire order.
_VARIABLE: Final = (
    "attribution", "client_order_id", "cycle", "decision_id", "decision_sequence", "limit_price", "quantity",
    "reducing", "reference_price", "sequence", "side", "symbol", "venue",
)  # fmt: skip


@dataclass(slots=True, frozen=True)
class OrderTexts:
    """The parts of a run's orders that are known before their ids: up to the id, between the decision and the order's
    sequence, and after that."""

    head: list[str]
    middle: list[str]
    tail: list[str]


class OrderLines:
    """Encodes the orders of one portfolio; a line equals the encoded :class:`schemas.messages.Order`."""

    def __init__(self, plan: Plan, portfolio: int) -> None:
        own = plan.portfolios[portfolio]
        execution = own.configuration.execution
        self._market = execution.order_type == "market"
        order: Any = Order
        skeleton = order(
            account=execution.account,
            config_hash=plan.config_hash,
            order_type=execution.order_type,
            portfolio=own.id,
            stop_price=None,
            time_in_force=execution.time_in_force,
            v=SCHEMA_VERSION,
            **dict.fromkeys(_VARIABLE, _GAP),
        )
        self._between = _ENCODE(skeleton).decode().split("\0")
        self._keys = [f"{_text(plan.pods[p].id)}:" for p in own.pods]
        instruments = [plan.instruments[s] for s in own.symbols.tolist()]
        #: by side (sell, buy) and symbol
        self._tails = [[self._tail(side, i.symbol, i.venue) for i in instruments] for side in ("sell", "buy")]

    def _tail(self, side: str, symbol: str, venue: str) -> str:
        *_, before_side, before_symbol, before_venue, end = self._between
        return f"{before_side}{_text(side)}{before_symbol}{_text(symbol)}{before_venue}{_text(venue)}{end}"

    def texts(
        self,
        place: list[int],
        lots: Int64,
        quantity: Float64,
        price: Float64,
        limit: Float64,
        reducing: list[bool],
        shares: Float64,
    ) -> OrderTexts:
        """The texts of a run's orders by row; ``quantity`` is signed and in units, ``shares`` [n, P] are negative for
        pods without one."""
        limits = ["null"] * len(place) if self._market else _numbers(limit)
        after_limit, after_quantity, after_reducing, after_price = self._between[6:10]
        flags = (f"{after_quantity}false{after_reducing}", f"{after_quantity}true{after_reducing}")
        middle = [
            f"{limited}{after_limit}{units}{flags[reduces]}{at}{after_price}"
            for limited, units, reduces, at in zip(
                limits, _numbers(np.abs(quantity)), reducing, _numbers(price), strict=True
            )
        ]
        tails = self._tails
        tail = [tails[buys][s] for buys, s in zip((lots > 0).tolist(), place, strict=True)]
        return OrderTexts(self._heads(shares), middle, tail)

    def _heads(self, shares: Float64) -> list[str]:
        """The texts up to an order's id, whose attribution names the pods that have a share of it."""
        row, pod = np.nonzero(shares >= 0.0)
        named = [f"{self._keys[p]}{share}" for p, share in zip(pod.tolist(), _numbers(shares[row, pod]), strict=True)]
        ends = np.searchsorted(row, np.arange(len(shares) + 1)).tolist()
        before, after = f"{self._between[0]}{{", f'}}{self._between[1]}"'
        return [f"{before}{','.join(named[first:last])}{after}" for first, last in pairwise(ends)]

    def lines(
        self,
        texts: OrderTexts,
        rows: slice,
        ids: list[str],
        decision: tuple[int, str, int],
        first_sequence: int,
    ) -> list[bytes]:
        """The wire values of some rows; ``decision`` is its cycle, id and sequence."""
        cycle, decision_id, decision_sequence = decision
        between = self._between
        decided = f'"{between[2]}{cycle}{between[3]}"{decision_id}"{between[4]}{decision_sequence}{between[5]}'
        columns = zip(texts.head[rows], ids, texts.middle[rows], texts.tail[rows], strict=True)
        lines = [
            f"{head}{client_id}{decided}{middle}{sequence}{tail}"
            for sequence, (head, client_id, middle, tail) in enumerate(columns, first_sequence)
        ]
        return "\n".join(lines).encode().split(b"\n")


def _text(value: Any) -> str:
    return _ENCODE(value).decode()


def _numbers(values: Float64) -> list[str]:
    """Each value as JSON."""
    if not len(values):
        return []
    return _ENCODE(values.tolist())[1:-1].decode().split(",")
