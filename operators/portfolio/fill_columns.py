"""What a venue filled in a cycle, as columns of its decision (spec 9)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from schemas.decision import FillTable


class FillColumns:
    """Collects the fills of one cycle; see :class:`schemas.decision.FillTable` for the columns."""

    def __init__(self, pods: Sequence[str]) -> None:
        self._pods = pods
        self._ids: list[str] = []
        self._executions: list[str] = []
        self._fees: list[float] = []
        self._takers: list[list[str]] = []
        self._prices: list[float] = []
        self._quantities: list[float] = []
        self._shares: list[list[float]] = []
        self._symbols: list[str] = []

    def __len__(self) -> int:
        return len(self._ids)

    def add(
        self,
        client_order_id: str,
        execution_id: str,
        symbol: str,
        quantity: float,
        price: float,
        fee: float,
        shares: Sequence[float],
    ) -> None:
        """One fill; ``shares`` has an entry for every pod of the portfolio, 0 for one without a part."""
        self._ids.append(client_order_id)
        self._executions.append(execution_id)
        self._symbols.append(symbol)
        self._quantities.append(quantity)
        self._prices.append(price)
        self._fees.append(fee)
        self._takers.append([pod for pod, share in zip(self._pods, shares, strict=True) if share != 0.0])
        self._shares.append([share for share in shares if share != 0.0])

    def table(self) -> FillTable | None:
        """The columns; None without a fill."""
        if not self._ids:
            return None
        return FillTable(
            client_order_id=self._ids,
            execution_id=self._executions,
            fee=self._fees,
            pods=self._takers,
            price=self._prices,
            quantity=self._quantities,
            shares=self._shares,
            symbol=self._symbols,
        )


def joined(one: FillTable | None, other: FillTable | None) -> FillTable | None:
    """Both tables' rows, those of ``one`` first."""
    if one is None or other is None:
        return one or other
    first, second = msgspec.structs.asdict(one), msgspec.structs.asdict(other)
    return FillTable(**{name: first[name] + second[name] for name in first})
