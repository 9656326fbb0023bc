"""How far the shadow's decisions lie from the live ones, cycle by cycle as both come in."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import msgspec
from msgspec import Struct

from flows.whatif.orders import OrderCounts, order_changes
from operators.frames import OutputBlock

LIVE: Final = "live"
SHADOW: Final = "shadow"
VERSION: Final = 1


class _Targets(Struct, frozen=True):
    pod: list[str]
    symbol: list[str]
    fraction: list[float]
    weight: list[float]


class _Body(Struct, frozen=True):
    equity: float
    gross_exposure: float
    orders: dict[str, Any] | None = None
    targets: _Targets | None = None


_BODY: Final = msgspec.json.Decoder(_Body)


class Divergence(Struct, kw_only=True):
    """What some compared cycles came to.

    Attributes:
        cycles: with a decision on either side; ``diverged``: of these, those with other orders or targets.
        orders: what the shadow would do with the live orders.
        target_distance: Σ over symbols |target weight of the shadow - live|, as a fraction of equity.
        equity_ratio, gross_exposure_ratio: shadow's equity / live equity; the shadow's gross exposure / its equity.
            None before both have decided.
    """

    cycles: int = 0
    diverged: int = 0
    orders: OrderCounts
    target_distance: float = 0.0
    equity_ratio: float | None = None
    gross_exposure_ratio: float | None = None


class Comparer:
    """Compares one portfolio. What one side decided waits until the other has come as far."""

    def __init__(self, portfolio: str) -> None:
        self._portfolio = portfolio
        self._waiting: dict[str, deque[tuple[int, bytes]]] = {LIVE: deque(), SHADOW: deque()}
        self._reached: dict[str, int | None] = {LIVE: None, SHADOW: None}
        self._weights: dict[str, dict[tuple[str, str], float]] = {LIVE: {}, SHADOW: {}}
        self._last: dict[str, tuple[float, float] | None] = {LIVE: None, SHADOW: None}

    def take(self, side: str, block: OutputBlock) -> Divergence | None:
        """Takes a block of either side; answers with what could be compared, None where nothing could."""
        self._waiting[side].extend(zip(block.cycles, block.bodies, strict=True))
        self._reached[side] = block.to_cycle
        live, shadow = self._reached[LIVE], self._reached[SHADOW]
        if live is None or shadow is None:
            return None
        return self._compare(min(live, shadow))

    def forget(self) -> None:
        """The shadow has ended: nothing waits for it any more."""
        for waiting in self._waiting.values():
            waiting.clear()

    def _compare(self, border: int) -> Divergence | None:
        found = Divergence(orders=OrderCounts())
        while (cycle := self._next(border)) is not None:
            bodies = {side: self._pop(side, cycle) for side in (LIVE, SHADOW)}
            changes, same = order_changes(
                self._portfolio, cycle, *(None if b is None else b.orders for b in bodies.values())
            )
            found.orders.same += same
            for change in changes:
                setattr(found.orders, change.kind, getattr(found.orders, change.kind) + 1)
            moved = any(b is not None and b.targets is not None for b in bodies.values())
            found.cycles += 1
            found.diverged += bool(changes) or (moved and self._distance() > 0)
        if found.cycles == 0:
            return None
        found.target_distance = self._distance()
        live, shadow = self._last[LIVE], self._last[SHADOW]
        if live is not None and shadow is not None and live[0] > 0 and shadow[0] > 0:
            found.equity_ratio, found.gross_exposure_ratio = shadow[0] / live[0], shadow[1] / shadow[0]
        return found

    def _next(self, border: int) -> int | None:
        """The next cycle up to ``border`` in which either side decided anything."""
        cycles = [waiting[0][0] for waiting in self._waiting.values() if waiting and waiting[0][0] <= border]
        return min(cycles, default=None)

    def _pop(self, side: str, cycle: int) -> _Body | None:
        waiting = self._waiting[side]
        if not waiting or waiting[0][0] != cycle:
            return None
        body = _BODY.decode(waiting.popleft()[1])
        self._last[side] = body.equity, body.gross_exposure
        if body.targets is not None:
            t = body.targets
            for pod, symbol, fraction, weight in zip(t.pod, t.symbol, t.fraction, t.weight, strict=True):
                self._weights[side][pod, symbol] = fraction * weight
        return body

    def _distance(self) -> float:
        net: dict[str, float] = {}
        for side, sign in ((LIVE, -1.0), (SHADOW, 1.0)):
            for (_, symbol), weight in sorted(self._weights[side].items()):
                net[symbol] = net.get(symbol, 0.0) + sign * weight
        # Weights are rounded to 1e-9: less is the order of summation.
        return sum(abs(w) for _, w in sorted(net.items()) if abs(w) > 1e-9)

    def snapshot(self) -> dict[str, Any]:
        """Versioned state."""
        return {
            "version": VERSION,
            "waiting": {side: list(waiting) for side, waiting in self._waiting.items()},
            "reached": dict(self._reached),
            "weights": {side: dict(weights) for side, weights in self._weights.items()},
            "last": dict(self._last),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a snapshot; raises ValueError for one of another version."""
        if state.get("version") != VERSION:
            raise ValueError(f"a snapshot of version {state.get('version')!r}, this code reads {VERSION}")
        self._waiting = {side: deque(waiting) for side, waiting in state["waiting"].items()}
        self._reached, self._last = dict(state["reached"]), dict(state["last"])
        self._weights = {side: dict(weights) for side, weights in state["weights"].items()}
