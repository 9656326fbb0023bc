"""Realistic decision chains for tests, made from the schema's own structs and independent of any stage."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from schemas.canonical import canonical_json, sha256_hex, short_id
from schemas.decision import (
    GENESIS,
    ClipTable,
    DecisionBody,
    Envelope,
    FillTable,
    IntentTable,
    OrderTable,
    PodTable,
    TargetTable,
)
from schemas.messages import Cancel, Order

HOUR = 3_600_000_000_000
START = 1_704_067_200_000_000_000  # 2024-01-01T00:00:00Z
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
PODS = ("trend", "reversion")
CONFIG_HASH = sha256_hex(b"configuration of the test chain")


@dataclass
class Chain:
    """A run: journal lines and order lines (bytes without newline) in the order in which they were written."""

    lines: list[bytes] = field(default_factory=list)
    orders: list[bytes] = field(default_factory=list)

    def write(self, folder: Path) -> Path:
        """Writes ``decisions.jsonl`` and ``orders.jsonl`` into ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "decisions.jsonl").write_bytes(b"".join(line + b"\n" for line in self.lines))
        (folder / "orders.jsonl").write_bytes(b"".join(line + b"\n" for line in self.orders))
        return folder


def journal_line(body: bytes, code_version: str = "test") -> bytes:
    """A line around a body's bytes, hashed as they are."""
    envelope = msgspec.json.encode(Envelope(code_version=code_version))
    return b'{"body":' + body + b',"hash":"' + sha256_hex(body).encode() + b'","envelope":' + envelope + b"}"


def body_of(line: bytes) -> DecisionBody:
    """The body of a line made by :func:`journal_line`."""
    return msgspec.json.decode(line, type=_Line).body


class _Line(msgspec.Struct):
    body: DecisionBody


@dataclass
class ChainBuilder:
    """Appends one decision a cycle: a symbol's intent, its target, an order, its fill one cycle later, at times a clip.

    ``seed`` fixes prices and sizes; two builders with the same arguments give the same bytes. ``sequence`` and
    ``order_sequence`` are the last ones used. With ``cancels`` every seventh open order is taken back, not filled.
    """

    portfolio: str = "main"
    seed: int = 7
    symbols: tuple[str, ...] = SYMBOLS
    pods: tuple[str, ...] = PODS
    previous: str = GENESIS
    sequence: int = 0
    order_sequence: int = 0
    equity: float = 1_000_000.0
    cancels: bool = False

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.price = {symbol: 100.0 * (n + 1) for n, symbol in enumerate(self.symbols)}
        self.units = dict.fromkeys(self.symbols, 0.0)
        self.open: tuple[str, str, float, str] | None = None

    def build(self, cycles: int, chain: Chain | None = None) -> Chain:
        """``cycles`` more decisions, appended to ``chain``."""
        chain = Chain() if chain is None else chain
        for _ in range(cycles):
            self._append(chain)
        return chain

    def _append(self, chain: Chain) -> None:
        number = self.sequence
        self.sequence += 1
        cycle = START + (number + 1) * HOUR
        symbol = self.symbols[number % len(self.symbols)]
        pod = self.pods[number // len(self.symbols) % len(self.pods)]
        self.price[symbol] = round(self.price[symbol] * (1 + self.random.gauss(0, 0.01)), 2)
        weight = round(self.random.uniform(-1.0, 1.0), 9)
        capped = max(-0.75, min(0.75, weight))
        decision_id = short_id(b"decision", self.portfolio.encode(), str(cycle).encode())
        cancels = self._cancels(chain, decision_id, cycle) if self.cancels and number % 7 == 6 else None
        fills = self._fills()
        units = round(capped * 0.5 * self.equity / self.price[symbol])
        order, quantity = self._order(decision_id, cycle, symbol, pod, float(units))
        body = DecisionBody(
            cancels=cancels,
            cash=self.equity - sum(self.units[s] * self.price[s] for s in self.symbols),
            clips=self._clips(pod, symbol, weight, capped),
            config_hash=CONFIG_HASH,
            cycle=cycle,
            decision_id=decision_id,
            equity=self.equity,
            fills=fills,
            gross_exposure=sum(abs(self.units[s]) * self.price[s] for s in self.symbols),
            inputs=[("market", 0, number * 3, number * 3 + 2)],
            intents=self._intents(pod, symbol, weight),
            net_exposure=sum(self.units[s] * self.price[s] for s in self.symbols),
            orders=order,
            pods=PodTable(
                equity=[1.0 + 0.001 * number] * len(self.pods),
                fees=[0.0] * len(self.pods),
                fraction=[0.5] * len(self.pods),
                pod=list(self.pods),
                realised=[0.0] * len(self.pods),
                unrealised=[0.0] * len(self.pods),
            ),
            portfolio=self.portfolio,
            previous=self.previous,
            sequence=self.sequence,
            targets=TargetTable(
                conflict=[False], fraction=[0.5], gross=[abs(weight)], net=[weight], pod=[pod], symbol=[symbol],
                units=[float(units)], weight=[capped],
            ),
            trading_state="ACTIVE",
            transitions=self._transitions(number),
            v=1,
        )  # fmt: skip
        if order is not None:
            chain.orders.append(self._wire(order, decision_id, cycle, pod, quantity))
        raw = canonical_json(body)
        chain.lines.append(journal_line(raw))
        self.previous = sha256_hex(raw)

    def _intents(self, pod: str, symbol: str, weight: float) -> IntentTable:
        fast, slow = self.price[symbol] * 1.01, None if self.sequence < 4 else self.price[symbol] * 0.99
        return IntentTable(
            confidence=[0.65],
            direction=["long" if weight > 0 else "short"],
            feature_snapshot_hash=[short_id(symbol.encode(), str(self.sequence).encode())],
            features=[[fast, slow]],
            pod=[pod],
            price=[self.price[symbol]],
            schedule=[f"{pod}-hourly"],
            symbol=[symbol],
            target_notional=[weight * 0.5 * self.equity],
            value=[weight],
            weight=[weight],
        )

    @staticmethod
    def _clips(pod: str, symbol: str, before: float, after: float) -> ClipTable | None:
        if before == after:
            return None
        return ClipTable(
            after=[after], before=[before], pod=[pod], reason=["LEVERAGE_POD_SYMBOL"], symbol=[symbol], unit=["weight"]
        )

    @staticmethod
    def _transitions(number: int) -> list[dict[str, object]] | None:
        if number % 50:
            return None
        return [
            {
                "after": "ACTIVE",
                "before": "HALTED",
                "evidence": {"n": number},
                "reason": "STATE_TRADING",
                "subject": "trading",
            }
        ]

    def _fills(self) -> FillTable | None:
        if self.open is None:
            return None
        client_order_id, symbol, quantity, pod = self.open
        self.open = None
        price = round(self.price[symbol] * (1.0005 if quantity > 0 else 0.9995), 6)
        fee = round(abs(quantity) * price * 0.0004, 6)
        self.units[symbol] += quantity
        self.equity = round(self.equity * (1 + self.random.gauss(0.0002, 0.004)) - fee, 6)
        return FillTable(
            client_order_id=[client_order_id], execution_id=[""], fee=[fee], pods=[[pod]], price=[price],
            quantity=[quantity], shares=[[1.0]], symbol=[symbol],
        )  # fmt: skip

    def _cancels(self, chain: Chain, decision_id: str, cycle: int) -> list[dict[str, object]] | None:
        if self.open is None:
            return None
        client_order_id, symbol, _, _ = self.open
        self.open = None
        self.order_sequence += 1
        cancel = Cancel(
            account="paper", client_order_id=client_order_id, cycle=cycle, decision_id=decision_id,
            decision_sequence=self.sequence, portfolio=self.portfolio, reason="GUARD_HALTED",
            sequence=self.order_sequence, symbol=symbol, v=1,
        )  # fmt: skip
        chain.orders.append(canonical_json(cancel))
        return [
            {
                "client_order_id": client_order_id,
                "reason": "GUARD_HALTED",
                "sequence": self.order_sequence,
                "symbol": symbol,
            }
        ]

    def _order(
        self, decision_id: str, cycle: int, symbol: str, pod: str, units: float
    ) -> tuple[OrderTable | None, float]:
        position = self.units[symbol]
        quantity = units - position
        if quantity == 0:
            return None, 0.0
        client_order_id = short_id(b"paper", decision_id.encode(), symbol.encode())
        self.order_sequence += 1
        self.open = (client_order_id, symbol, quantity, pod)
        table = OrderTable(
            approved=[units], client_order_id=[client_order_id], pending=[0.0], position=[position],
            quantity=[quantity], reference_price=[self.price[symbol]], sequence=[self.order_sequence], symbol=[symbol],
        )  # fmt: skip
        return table, quantity

    def _wire(self, table: OrderTable, decision_id: str, cycle: int, pod: str, quantity: float) -> bytes:
        return canonical_json(
            Order(
                account="paper",
                attribution={pod: 1.0},
                client_order_id=table.client_order_id[0],
                config_hash=CONFIG_HASH,
                cycle=cycle,
                decision_id=decision_id,
                decision_sequence=self.sequence,
                limit_price=None,
                order_type="market",
                portfolio=self.portfolio,
                quantity=abs(quantity),
                reducing=abs(table.approved[0]) < abs(table.position[0]),
                reference_price=table.reference_price[0],
                sequence=self.order_sequence,
                side="buy" if quantity > 0 else "sell",
                stop_price=None,
                symbol=table.symbol[0],
                time_in_force="day",
                v=1,
                venue="",
            )
        )


def two_portfolios(cycles: int) -> Chain:
    """Two chains interleaved in one journal, as one run with two portfolios writes them."""
    chain = Chain()
    builders = [ChainBuilder("main", 7), ChainBuilder("hedge", 11)]
    for _ in range(cycles):
        for builder in builders:
            builder.build(1, chain)
    return chain
