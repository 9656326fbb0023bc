"""A small market with every difficulty that recovery could trip over, as a dump, and a configuration that trades it.

Eight symbols in four market partitions, gaps, duplicates and garbage, a control topic with commands and ticks, two
portfolios with three pods. Prices come from a fixed generator: every call makes the same bytes.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from flows.dump.importer import clock_tick
from flows.dump.manifest import Instrument, Manifest
from flows.dump.records import Records
from flows.dump.writer import DumpWriter
from schemas.messages import Bar, ControlCommand, Target
from schemas.partitioning import murmur2_partition

NS: Final = 1_000_000_000
CYCLE_SECONDS: Final = 60
START: Final = 1_700_000_040
PARTITIONS: Final = 4
CYCLES: Final = 200
#: (role, partition) of every partition there is.
Place = tuple[str, int]
PLACES: Final[list[Place]] = [*(("market", partition) for partition in range(PARTITIONS)), ("control", 0)]
#: A record that is no bar comes in every partition after so many cycles.
GARBAGE_EVERY: Final = 23
#: Two symbols in each partition, by Kafka's own rule.
SYMBOLS: Final = tuple(
    symbol
    for partition in range(PARTITIONS)
    for symbol in [f"S{n:02d}" for n in range(99) if murmur2_partition(b"S%02d" % n, PARTITIONS) == partition][:2]
)


def write_market(
    folder: Path, cycles: int = CYCLES, *, after: int = 0, upto: int | None = None, only: Place | None = None
) -> Path:
    """Writes the dump, or a part of it: cycles ``after`` < cycle <= ``upto``, ``only`` one partition. Returns it.

    Records of a part stand where they stand in the whole.
    """
    writer = DumpWriter(folder, Manifest(cycle_seconds=CYCLE_SECONDS, interval="1m", source="made for tests"))
    for role, partition in PLACES:
        records = _market_records(partition, cycles) if role == "market" else _control_records(cycles)
        chosen = records if only in (None, (role, partition)) else []
        _append(writer, role, partition, chosen, after, cycles + 1 if upto is None else upto)
    writer.manifest.sealed = True
    writer.close([_instrument(symbol) for symbol in SYMBOLS])
    return folder


def _instrument(symbol: str) -> Instrument:
    first = (START + CYCLE_SECONDS) * NS
    return Instrument(
        symbol=symbol,
        tick=0.01,
        lot=1.0,
        interval="1m",
        listed_from=first,
        participation=True,
        currency="USD",
        venue=None,
    )


def write_parts(folder: Path, parts: int, only: Place | None = None) -> list[Path]:
    """The dump, or ``only`` one partition of it, in ``parts`` dumps that follow each other."""
    borders = [0, *(CYCLES * part // parts for part in range(1, parts)), CYCLES + 1]
    return [write_market(folder / f"part-{n}", after=borders[n], upto=borders[n + 1], only=only) for n in range(parts)]


def write_shuffled(folder: Path, parts: int, seed: int) -> list[Path]:
    """The dump in parts of single partitions, in an order that keeps nothing but each partition's own."""
    places = PLACES * parts
    random.Random(seed).shuffle(places)
    waiting = {place: iter(write_parts(folder / f"{place[0]}-{place[1]}", parts, place)) for place in PLACES}
    return [next(waiting[place]) for place in places]


def _append(
    writer: DumpWriter, role: str, partition: int, records: list[tuple[int, bytes]], after: int, upto: int
) -> None:
    # A cycle's own records come within a second after its border, commands half a cycle before it.
    first, last = ((START + cycle * CYCLE_SECONDS + 10) * NS for cycle in (after, upto))
    chosen = [(offset, ts, value) for offset, (ts, value) in enumerate(records) if first < ts <= last]
    offsets, times, values = ([record[n] for record in chosen] for n in range(3))
    writer.append(role, partition, Records.of(offsets, times, values))


def _market_records(partition: int, cycles: int) -> list[tuple[int, bytes]]:
    """(record timestamp in ns, payload) of one partition, ended by a tick."""
    chance = random.Random(100 + partition)
    symbols = [s for s in SYMBOLS if murmur2_partition(s.encode(), PARTITIONS) == partition]
    prices = dict.fromkeys(symbols, 100.0)
    found: list[tuple[int, bytes]] = []
    for cycle in range(1, cycles + 1):
        ts = (START + cycle * CYCLE_SECONDS) * NS
        for symbol in symbols:
            before = prices[symbol]
            prices[symbol] = after = round(before * (1 + chance.gauss(0, 0.004)), 2)
            if chance.random() < 0.01:
                continue
            high, low = max(before, after) + 0.01, min(before, after) - 0.01
            bar = Bar(symbol=symbol, ts=ts, open=before, high=high, low=low, close=after, volume=10.0, seq=cycle)
            payload = msgspec.json.encode(bar)
            found.append((ts + 5_000_000, payload))
            if chance.random() < 0.01:
                found.append((ts + 6_000_000, payload))
        if cycle % GARBAGE_EVERY == 0:
            found.append((ts + 7_000_000, b'{"type":"bar","symbol":"' + bytes([0xFF, cycle % 256])))
    end = (START + (cycles + 1) * CYCLE_SECONDS) * NS
    return [*found, (end, clock_tick(end))]


def _control_records(cycles: int) -> list[tuple[int, bytes]]:
    commands = {
        cycles // 10: _command("reduce", "trading_state", Target(scope="global"), {"state": "REDUCING"}),
        cycles // 8: _command("active", "trading_state", Target(scope="global"), {"state": "ACTIVE"}),
        cycles // 4: _command("kill", "kill", Target(scope="symbol", name=SYMBOLS[0]), {"mode": "flatten"}),
        cycles // 3: _command("arm", "arm", Target(scope="symbol", name=SYMBOLS[0]), {}),
        cycles // 2: _command("rebalance", "force_rebalance", Target(scope="portfolio"), {}),
        cycles * 2 // 3: _command("kill-pod", "kill", Target(scope="pod", name="fast"), {"mode": "freeze"}),
        cycles * 3 // 4: _command("arm-pod", "arm", Target(scope="pod", name="fast"), {}),
        cycles * 2 // 7: _command("restrict", "restrict", Target(scope="symbol", name=SYMBOLS[1]), {}),
        cycles * 3 // 7: _command("free", "unrestrict", Target(scope="symbol", name=SYMBOLS[1]), {}),
        cycles * 4 // 9: _command(
            "suspend", "suspend", Target(scope="schedule", name="fast_schedule"), {"duration_seconds": 600}
        ),
        cycles * 5 // 9: _command(
            "limit", "set_risk_limit", Target(scope="portfolio"), {"limit": "max_gross_exposure", "value": 0.4}
        ),
        cycles * 4 // 7: _command("policy", "swap_policy", Target(scope="portfolio"), {"policy": "inverse_volatility"}),
    }
    found: list[tuple[int, bytes]] = []
    for cycle in range(1, cycles + 2):
        ts = (START + cycle * CYCLE_SECONDS) * NS
        if cycle in commands:
            command = msgspec.structs.replace(commands[cycle], ts=ts - 30 * NS)
            found.append((ts - 30 * NS, msgspec.json.encode(command)))
        found.append((ts, clock_tick(ts)))
    return found


def _command(name: str, command: str, target: Target, body: dict[str, Any]) -> ControlCommand:
    return ControlCommand(
        id=name, command=command, operator="tester", ts=0, portfolio="*", target=target, note="looked at", body=body
    )


def _pod(name: str, strategy: str, **parameters: float) -> dict[str, Any]:
    schedules = [{"id": f"{name}_schedule", "strategy": strategy, "parameters": parameters}]
    return {"id": name, "schedules": schedules, "initial_state": "PRODUCTION"}


def _portfolio(name: str, pods: list[dict[str, Any]]) -> dict[str, Any]:
    guards = {"max_gross_exposure": 1.5, "max_symbol_notional": 300_000}
    return {"id": name, "base_currency": "USD", "pods": pods, "guards": guards, "heartbeat_cycles": 20}


def document(**sections: Any) -> dict[str, Any]:
    """The configuration document; ``sections`` replace whole sections of it."""
    made: dict[str, Any] = {
        "name": "processes",
        "time": {"cycle_seconds": CYCLE_SECONDS, "allowed_lateness_seconds": 5},
        "topics": {"market": {"partitions": PARTITIONS}, "control": {"partitions": 1}},
        "instruments": [{"symbol": s, "tick": 0.01, "lot": 1, "interval": "1m"} for s in SYMBOLS],
        "portfolios": [
            _portfolio(
                "alpha",
                [_pod("fast", "sma_cross", fast=3, slow=7), _pod("reversion", "mean_reversion", window=12, entry=1.5)],
            ),
            _portfolio("beta", [_pod("slow", "sma_cross", fast=5, slow=15, short=True)]),
        ],
    }
    return made | sections


def write_configuration(path: Path, made: dict[str, Any]) -> Path:
    """Writes a configuration document as YAML."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(made, sort_keys=False))
    return path
