"""The paper venue of one portfolio: market frames and orders in, execution reports out (spec 9; design, "Feedback").

It acts on a cycle T when every key group of the portfolio has closed T and the portfolio's ``CycleEnd(T)`` is there.
First the bar of T trades what rests from cycles before, then T's cancels and orders are taken in. Reports carry T as
their event time, and a ClockTick of T says that the answer to ``CycleEnd(T)`` is complete.
"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
import numpy as np

from operators.barrier.barrier import Barrier
from operators.contiguity import SnapshotError, next_counter
from operators.frames import GroupFrame
from operators.plan import Plan
from operators.venue.faults import happens
from operators.venue.matching import RestingOrder, SymbolMarket, trade_price, trade_quantity
from operators.venue.orders_step import OrderMessage, OrdersFrame
from schemas.canonical import IdPrefix, short_id
from schemas.messages import Cancel, ClockTick, CycleEnd, ExecutionReport, Order

VENUE_SNAPSHOT = 1
_DAY_NS = 86_400_000_000_000
_ENCODE = msgspec.json.Encoder().encode


@dataclass(slots=True)
class VenueFrame:
    """Records for the fills topic: answers to the cycle ends of one portfolio up to ``to_cycle``."""

    portfolio: str
    counter: int
    to_cycle: int
    records: list[bytes]


class VenueStep:
    """State and step of the venue for one portfolio."""

    def __init__(self, plan: Plan, portfolio: int) -> None:
        own = plan.portfolios[portfolio]
        self._plan, self._portfolio = plan, own.id
        self._ids = IdPrefix(b"execution", own.id.encode())
        self._settings = plan.configuration.paper_venue
        self._symbols = {plan.symbols[s]: int(s) for s in own.symbols.tolist()}
        self._columns = {
            g: {plan.symbols[s]: n for n, s in enumerate(plan.groups[g].symbols.tolist())} for g in own.groups
        }
        self._barrier = Barrier(tuple(f"group-{g}" for g in own.groups))
        self._market: dict[int, deque[GroupFrame]] = {g: deque() for g in own.groups}
        self._orders_counter = 0
        self._batch: list[OrderMessage] = []
        self._ended: deque[tuple[int, list[OrderMessage]]] = deque()
        self._resting: dict[str, RestingOrder] = {}
        self._held: list[tuple[int, ExecutionReport]] = []
        self._frames = 0

    def step(self, frame: GroupFrame | OrdersFrame) -> VenueFrame | None:
        """Takes a frame; answers every cycle that is complete. Raises ContiguityError when a frame is missing."""
        if isinstance(frame, OrdersFrame):
            self._take_orders(frame)
        else:
            self._barrier.arrive(f"group-{frame.group}", frame.counter, frame.to_cycle)
            if len(frame.cycles):
                self._market[frame.group].append(frame)
        records: list[bytes] = []
        cycle = 0
        while self._ended and self._ended[0][0] <= self._barrier.frontier():
            cycle, messages = self._ended.popleft()
            records += [_ENCODE(report) for report in self._answer(cycle, messages)]
            records.append(_ENCODE(ClockTick(ts=cycle)))
        if not records:
            return None
        self._frames += 1
        return VenueFrame(self._portfolio, self._frames, cycle, records)

    def _take_orders(self, frame: OrdersFrame) -> None:
        self._orders_counter = next_counter(f"orders of {self._portfolio}", self._orders_counter, frame.counter)
        for message in frame.messages:
            if isinstance(message, CycleEnd):
                self._ended.append((message.cycle, self._batch))
                self._batch = []
            else:
                self._batch.append(message)

    # ------------------------------------------------------------ a cycle
    def _answer(self, cycle: int, messages: list[OrderMessage]) -> list[ExecutionReport]:
        reports = self._trade(cycle, self._bars(cycle))
        for message in messages:
            if isinstance(message, Order):
                reports += self._accept(message, cycle)
            elif isinstance(message, Cancel):
                reports += self._cancel(message, cycle)
        due = [msgspec.structs.replace(report, ts=cycle) for left, report in self._held if left <= 0]
        self._held = [(left - 1, report) for left, report in self._held if left > 0]
        return due + self._with_faults(reports)

    def _bars(self, cycle: int) -> dict[str, SymbolMarket]:
        """Each symbol with a fresh price in ``cycle``; what lies before is dropped."""
        share = self._settings.participation
        found: dict[str, SymbolMarket] = {}
        for group, frames in self._market.items():
            while frames and frames[0].cycles[-1] < cycle:
                frames.popleft()
            if not frames:
                continue
            frame = frames[0]
            row = int(np.searchsorted(frame.cycles, cycle))
            if row == len(frame.cycles) or frame.cycles[row] != cycle:
                continue
            for name, column in self._columns[group].items():
                if name in self._symbols and frame.fresh[row, column]:
                    volume = float(frame.volume[row, column])
                    limited = share is not None and volume == volume
                    found[name] = SymbolMarket(
                        open=float(frame.open[row, column]),
                        close=float(frame.close[row, column]),
                        available=volume * (share or 0.0) if limited else float("inf"),
                    )
        return found

    def _trade(self, cycle: int, bars: dict[str, SymbolMarket]) -> list[ExecutionReport]:
        """What rests trades in this bar, in the order in which it came; or expires."""
        reports: list[ExecutionReport] = []
        for order in list(self._resting.values()):
            # An order for the day expires at the first bar of a later day: a closed market ends no day.
            market = bars.get(order.symbol)
            if market is None:
                continue
            if order.wait > 0:
                order.wait -= 1
                continue
            reports += self._trade_one(order, market, cycle, bars)
        return reports

    def _trade_one(
        self, order: RestingOrder, market: SymbolMarket, cycle: int, bars: dict[str, SymbolMarket]
    ) -> list[ExecutionReport]:
        instrument = self._plan.instruments[self._symbols[order.symbol]]
        reports: list[ExecutionReport] = []
        price = trade_price(order, market, self._settings.slippage_bps * 1e-4)
        quantity = trade_quantity(order, market, instrument.lot) if price is not None else 0.0
        if price is not None and quantity > 0.0:
            order.left = round(order.left - quantity, 12)
            bars[order.symbol] = SymbolMarket(market.open, market.close, market.available - quantity)
            if order.left <= 0.0 and self._fault("overfill", order.client_order_id):
                quantity = round(quantity + instrument.lot, 12)
            fee = quantity * price * instrument.contract_multiplier * instrument.fee_rate
            status = "filled" if order.left <= 0.0 else "partially_filled"
            reports.append(self._report(order, cycle, status, quantity, price, fee))
            order.executions += 1
        over = order.time_in_force == "ioc" or (order.time_in_force == "day" and cycle // _DAY_NS > order.day)
        if order.left <= 0.0:
            del self._resting[order.client_order_id]
        elif over:
            del self._resting[order.client_order_id]
            reports.append(self._report(order, cycle, "expired", text=f"{order.time_in_force}: {order.left:g} left"))
        return reports

    def _accept(self, order: Order, cycle: int) -> list[ExecutionReport]:
        if order.symbol in self._settings.faults.silent:
            return []
        resting = RestingOrder(
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            left=order.quantity,
            limit=order.limit_price,
            time_in_force=order.time_in_force,
            day=cycle // _DAY_NS,
            wait=self._settings.latency_cycles,
        )
        if order.symbol not in self._symbols:
            return [self._report(resting, cycle, "rejected", text=f"no symbol {order.symbol}")]
        if self._fault("reject", order.client_order_id):
            return [self._report(resting, cycle, "rejected", text="refused by the venue")]
        self._resting[order.client_order_id] = resting
        reports = [self._report(resting, cycle, "accepted")]
        if self._fault("unknown", order.client_order_id):
            ghost = short_id(b"ghost", order.client_order_id.encode())
            lot = self._plan.instruments[self._symbols[order.symbol]].lot
            reports.append(
                msgspec.structs.replace(
                    self._report(resting, cycle, "filled", lot, order.reference_price), client_order_id=ghost
                )
            )
        return reports

    def _cancel(self, cancel: Cancel, cycle: int) -> list[ExecutionReport]:
        """A cancel of what has traded or was refused already is answered by those reports."""
        order = self._resting.pop(cancel.client_order_id, None)
        return [] if order is None else [self._report(order, cycle, "cancelled", text=cancel.reason)]

    # ------------------------------------------------------------ reports
    def _report(
        self,
        order: RestingOrder,
        cycle: int,
        status: Any,
        quantity: float = 0.0,
        price: float | None = None,
        fee: float = 0.0,
        text: str = "",
    ) -> ExecutionReport:
        execution = self._ids.id(order.client_order_id.encode(), b"%d" % order.executions) if quantity else ""
        return ExecutionReport(
            portfolio=self._portfolio, client_order_id=order.client_order_id, ts=cycle, status=status,
            symbol=order.symbol, side=order.side, quantity=quantity, price=price, fee=fee, execution_id=execution,
            text=text,
        )  # fmt: skip

    def _fault(self, kind: str, subject: str) -> bool:
        return happens(getattr(self._settings.faults, kind), self._settings.seed, kind, subject)

    def _with_faults(self, reports: list[ExecutionReport]) -> list[ExecutionReport]:
        """Late, doubled and disordered reports."""
        told: list[ExecutionReport] = []
        for report in reports:
            is_fill = report.quantity > 0.0
            if is_fill and self._fault("late", report.execution_id):
                self._held.append((self._settings.faults.late_answers - 1, report))
                continue
            told.append(report)
            if is_fill and self._fault("duplicate", report.execution_id):
                told.append(report)
        if any(self._fault("disorder", r.client_order_id) for r in told):
            told.reverse()
        return told

    # ------------------------------------------------------------ state
    def snapshot(self) -> dict[str, Any]:
        """A versioned snapshot; see :meth:`restore`."""
        return {
            "version": VENUE_SNAPSHOT,
            "barrier": self._barrier.snapshot(),
            "market": [frame for frames in self._market.values() for frame in frames],
            "orders_counter": self._orders_counter,
            "batch": list(self._batch),
            "ended": list(self._ended),
            "resting": [asdict(order) for order in self._resting.values()],
            "held": list(self._held),
            "frames": self._frames,
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Goes on from a snapshot; raises SnapshotError for an unknown version."""
        if snapshot.get("version") != VENUE_SNAPSHOT:
            raise SnapshotError(f"venue of {self._portfolio}", snapshot.get("version"), VENUE_SNAPSHOT)
        self._barrier.restore(snapshot["barrier"])
        for frame in snapshot["market"]:
            self._market[frame.group].append(frame)
        self._orders_counter = snapshot["orders_counter"]
        self._batch, self._ended = list(snapshot["batch"]), deque(snapshot["ended"])
        self._resting = {saved["client_order_id"]: RestingOrder(**saved) for saved in snapshot["resting"]}
        self._held = list(snapshot["held"])
        self._frames = snapshot["frames"]
