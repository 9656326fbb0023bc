"""Logs in memory for the tests of time: messages with their record timestamps, cut into blocks and run."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from operators.frames import DeadLetterRow, GroupFrame, RecordBlock
from operators.normalize.decode import MarketDecoder
from operators.normalize.group_step import GroupStep
from operators.plan import Plan, compile_plan
from operators.strategy_evaluate.registry import default_registry
from schemas.configuration import parse_configuration

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
#: Monday 2024-01-01 00:00 UTC
START = 1_704_067_200 * SECOND


@dataclass(frozen=True)
class Record:
    """A record of a log: its payload and its record timestamp in ns."""

    payload: bytes
    timestamp: int


def record(message: dict[str, Any] | bytes, timestamp: int | None = None) -> Record:
    """A message as a record; its record timestamp is its event time unless given."""
    if isinstance(message, bytes):
        return Record(message, START if timestamp is None else timestamp)
    at = message.get("ts", START) if timestamp is None else timestamp
    return Record(msgspec.json.encode(message), at)


def bar(symbol: str, ts: int, close: float = 100.0, **fields: Any) -> dict[str, Any]:
    """A bar around ``close``."""
    prices = {"open": close, "high": close + 1, "low": close - 1, "close": close, "volume": 10.0}
    return {"type": "bar", "symbol": symbol, "ts": ts, **prices, **fields}


def quote(symbol: str, ts: int, bid: float, ask: float, **fields: Any) -> dict[str, Any]:
    """A quote."""
    return {"type": "quote", "symbol": symbol, "ts": ts, "bid": bid, "ask": ask, **fields}


def trade(symbol: str, ts: int, price: float, size: float, **fields: Any) -> dict[str, Any]:
    """A trade."""
    return {"type": "trade", "symbol": symbol, "ts": ts, "price": price, "size": size, **fields}


def tick(ts: int) -> dict[str, Any]:
    """A ClockTick."""
    return {"type": "clock_tick", "ts": ts}


def plan_of(
    symbols: str | Sequence[str] = "AB",
    *,
    intervals: Sequence[str] = ("1m",),
    instruments: dict[str, dict[str, Any]] | None = None,
    **sections: dict[str, Any],
) -> Plan:
    """One partition, cycles of a minute, a schedule for each interval over all symbols; ``sections`` are merged in."""
    known = instruments or {}
    schedules = [
        {"id": f"s-{i}", "strategy": "sma_cross", "interval": i, "parameters": {"fast": 1, "slow": 2}}
        for i in intervals
    ]
    document: dict[str, Any] = {
        "time": {"cycle_seconds": 60},
        "topics": {"market": {"partitions": 1}},
        "instruments": [{"symbol": s, "interval": intervals[0], **known.get(s, {})} for s in symbols],
        "portfolios": [{"id": "main", "pods": [{"id": "pod", "schedules": schedules}]}],
    }
    for name, section in sections.items():
        document[name] = {**document.get(name, {}), **section}
    return compile_plan(parse_configuration(document), default_registry())


def blocks(log: Sequence[Record], cuts: Iterable[int], topic: str = "market", partition: int = 0) -> list[RecordBlock]:
    """``log`` as blocks that end at the positions ``cuts``; equal cuts make beats."""
    made: list[RecordBlock] = []
    start = 0
    for end in [*sorted(cuts), len(log)]:
        part = log[start:end]
        made.append(
            RecordBlock(
                topic, partition, start, end, np.arange(start, end), np.array([r.timestamp for r in part], np.int64),
                [r.payload for r in part],
            )
        )  # fmt: skip
        start = end
    return made


@dataclass
class Outcome:
    """What came of a log: rows of closed cycles, intents and events as plain values, dead letters, and the end."""

    cycles: list[tuple[Any, ...]] = field(default_factory=list)
    intents: list[tuple[Any, ...]] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    letters: list[DeadLetterRow] = field(default_factory=list)
    closed_to: int | None = None

    def closes(self) -> dict[int, list[float | None]]:
        """Closes by cycle."""
        return {row[0]: row[4] for row in self.cycles}

    def volumes(self) -> dict[int, list[float | None]]:
        """Volumes by cycle."""
        return {row[0]: row[5] for row in self.cycles}

    def degraded(self) -> dict[int, list[bool]]:
        """Verdicts of the quality gate by cycle."""
        return {row[0]: row[7] for row in self.cycles}

    def reasons(self) -> list[tuple[int, str]]:
        """(offset, reason) of the dead letters, in their order."""
        return [(letter.offset, letter.reason) for letter in self.letters]

    def add(self, frame: GroupFrame) -> None:
        """Takes a frame's content; frames must follow each other."""
        if self.closed_to is not None:
            assert frame.after_cycle == self.closed_to
        assert frame.to_cycle > frame.after_cycle
        self.closed_to = frame.to_cycle
        for n, cycle in enumerate(frame.cycles.tolist()):
            assert frame.after_cycle < cycle <= frame.to_cycle
            columns = (_plain(c[n]) for c in (frame.open, frame.close, frame.volume))
            offsets = (int(frame.first_offset[n]), int(frame.last_offset[n]))
            self.cycles.append((cycle, *offsets, *columns, frame.fresh[n].tolist(), frame.degraded[n].tolist()))
        table = frame.intents
        for n in range(len(table)):
            numbers = (table.strength[n], table.notional[n], table.confidence[n], table.price[n], *table.features[n])
            place = (int(table.cycle[n]), int(table.schedule[n]), int(table.symbol[n]))
            self.intents.append((*place, *_plain(np.array(numbers))))
        self.events += frame.events


def _plain(values: Any) -> list[float | None]:
    return [None if np.isnan(v) else float(v) for v in values.tolist()] if np.isnan(values).any() else values.tolist()


class GroupRun:
    """A key group without a flow around it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.decoder, self.step = MarketDecoder(plan, 0), GroupStep(plan, 0)
        self.outcome = Outcome()

    def feed(self, block: RecordBlock) -> None:
        """One block."""
        frames, letters = self.step.step(self.decoder.decode(block))
        for frame in frames:
            self.outcome.add(frame)
        if letters is not None:
            self.outcome.letters += letters.rows

    def resume(self) -> None:
        """The process ends; a new one goes on from its snapshot."""
        saved = pickle.loads(pickle.dumps(self.step.snapshot()))
        self.step = GroupStep(self.plan, 0)
        self.step.restore(saved)


def run_group(
    plan: Plan, messages: Sequence[dict[str, Any] | bytes | Record], cuts: Iterable[int] = (), *, crashes: bool = False
) -> Outcome:
    """The whole log through a key group, cut at ``cuts``; with ``crashes`` every block meets a new process."""
    log = [m if isinstance(m, Record) else record(m) for m in messages]
    run = GroupRun(plan)
    for block in blocks(log, cuts):
        run.feed(block)
        if crashes:
            run.resume()
    return run.outcome
