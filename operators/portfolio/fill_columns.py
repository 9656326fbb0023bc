"""A cycle's fills as columns of its decision, whoever filled them (spec 9)."""

from __future__ import annotations

from collections.abc import Sequence

from operators.portfolio.order_writer import OrderWriter
from operators.portfolio.run_columns import FillRows
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

    def add_run(self, rows: FillRows, first: int, last: int, names: Sequence[str], orders: OrderWriter) -> None:
        """What the portfolio filled itself: the open orders of a symbol trade whole, pods trade without an order."""
        for n in range(first, last):
            place, lots = rows.symbol[n], rows.lots[n]
            if lots == 0:
                self.add("", "", names[place], 0.0, rows.price[n], 0.0, rows.parts[n])
                continue
            for order in orders.open.pop(place):
                fee = rows.fee[n] * order.lots / lots
                self.add(
                    order.client_order_id, "", names[place], order.quantity, rows.price[n], fee, rows.shares[n]
                )  # fmt: skip

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
