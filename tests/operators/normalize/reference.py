"""A slow model of closing and folding in plain Python, one message after another, to hold the kernels against.

It knows what the messages of :mod:`tests.operators.normalize.messy` need and nothing of blocks, columns or tables.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from operators.normalize.decode import MarketDecoder
from operators.plan import Plan
from tests.operators.normalize.logs import SECOND, Record, blocks


@dataclass
class Event:
    """A usable message with its offset and record timestamp."""

    body: dict[str, Any]
    offset: int
    timestamp: int
    held_for: int = 0

    @property
    def ts(self) -> int:
        """Event time."""
        return int(self.body["ts"])

    @property
    def line(self) -> tuple[str, str, str]:
        """What events of one kind of one symbol share."""
        return self.body["type"], self.body["symbol"], self.body.get("interval", "")

    @property
    def identity(self) -> tuple[Any, ...]:
        """What makes two messages the same event."""
        if self.body["type"] == "clock_tick":
            return ("clock_tick", self.ts)
        return (*self.line, self.ts, self.body["seq"])


@dataclass
class Model:
    """The rules of the design page in the order in which they are written there."""

    plan: Plan
    expected: set[tuple[str, str]]
    passed: int | None = None
    closed_to: int | None = None
    latest: int | None = None
    open: list[Event] = field(default_factory=list)
    held: list[Event] = field(default_factory=list)
    newest: dict[tuple[str, str, str], tuple[int, int]] = field(default_factory=dict)
    quality: dict[str, deque[tuple[str, ...]]] = field(default_factory=dict)
    #: (offset at which it was judged, own offset, reason)
    letters: list[tuple[int, int, str]] = field(default_factory=list)
    cycles: list[tuple[Any, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        time = self.plan.configuration.time
        self.lateness = round(time.allowed_lateness_seconds * SECOND)
        self.jump = round(time.max_jump_seconds * SECOND)
        self.cycle = self.plan.cycle_ns

    # ---------------------------------------------------------------- jumps
    def read(self, event: Event) -> None:
        """The next usable message of the log."""
        jumps = self.latest is not None and event.ts > self.latest + self.jump
        tick = event.body["type"] == "clock_tick"
        near = [h for h in self.held if abs(h.ts - event.ts) <= self.jump and h.identity != event.identity]
        if jumps and not tick and not near:
            self.age(event.offset)
            self.held.append(event)
            return
        reached = event.ts + (self.jump if jumps and not tick else 0)
        released = [h for h in self.held if h.ts <= reached]
        self.held = [h for h in self.held if h.ts > reached]
        for one in [*released, event]:
            self.latest = one.ts if self.latest is None else max(self.latest, one.ts)
            self.take(one, event.offset)
        self.age(event.offset)

    def age(self, offset: int) -> None:
        """Every held message has seen one more that does not confirm it."""
        for held in self.held:
            held.held_for += 1
        limit = self.plan.configuration.time.jump_confirmations
        self.letters += [(offset, h.offset, "INPUT_TIME_JUMP") for h in self.held if h.held_for >= limit]
        self.held = [h for h in self.held if h.held_for < limit]

    # ---------------------------------------------------------------- time
    def take(self, event: Event, read_at: int) -> None:
        """A message takes its turn."""
        if event.body["type"] == "clock_tick":
            self.passed = event.ts if self.passed is None else max(self.passed, event.ts)
        else:
            self.place(event, read_at)
            reaches = event.ts - self.lateness - 1
            self.passed = reaches if self.passed is None else max(self.passed, reaches)
        self.close()

    def place(self, event: Event, read_at: int) -> None:
        """Drops duplicates, refuses what is late, keeps the rest."""
        used = event.body["type"] != "bar" or event.body["interval"] in self.plan.intervals
        flaws: list[str] = []
        limit = self.plan.configuration.quality.staleness_seconds * SECOND
        if event.timestamp - event.ts > limit:
            flaws.append("stale")
        if used:
            stamp, last = (event.ts, event.body["seq"]), self.newest.get(event.line, (-1, -1))
            late = self.passed is not None and event.ts <= self.passed
            late |= self.closed_to is not None and self.cycle_of(event) <= self.closed_to
            if stamp > last:
                self.newest[event.line] = stamp
            elif event.ts < last[0]:
                flaws.append("non_monotonic")
            if stamp == last or (not late and any(e.identity == event.identity for e in self.open)):
                flaws.append("duplicate")
            elif late:
                self.letters.append((read_at, event.offset, "INPUT_LATE"))
            else:
                self.open.append(event)
        self.note(event.body["symbol"], flaws)

    def note(self, symbol: str, flaws: Sequence[str]) -> None:
        """One more message for the quality gate."""
        window = self.plan.configuration.quality.window
        self.quality.setdefault(symbol, deque(maxlen=window)).append(tuple(flaws))

    def cycle_of(self, event: Event) -> int:
        """The smallest border at or after the event."""
        return -(-event.ts // self.cycle) * self.cycle

    def awaited(self, cycle: int) -> set[tuple[str, str]]:
        """(symbol, interval) whose final bar must come before the cycle is complete."""
        lengths = dict(zip(self.plan.intervals, self.plan.interval_ns.tolist(), strict=True))
        ending = {(s, i) for s, i in self.expected if cycle % lengths[i] == 0}
        for event in self.open:
            if event.body["type"] == "bar" and self.cycle_of(event) == cycle:
                symbol, interval = event.body["symbol"], event.body["interval"]
                if event.ts > cycle - lengths[interval]:
                    ending.discard((symbol, interval))
        return ending

    def close(self) -> None:
        """Closes what the watermark passed, then what is complete."""
        if self.passed is not None:
            self.close_to(self.passed // self.cycle * self.cycle)
        while self.open and self.plan.configuration.topics.market.close_on == "completeness":
            first = min(self.cycle_of(e) for e in self.open)
            follows = self.closed_to is None or first == self.closed_to + self.cycle
            if not follows or self.awaited(first):
                return
            self.close_to(first)

    def close_to(self, cycle: int) -> None:
        """Folds every open cycle up to ``cycle``."""
        if self.closed_to is not None and cycle <= self.closed_to:
            return
        self.closed_to = cycle
        ready = [e for e in self.open if self.cycle_of(e) <= cycle]
        self.open = [e for e in self.open if self.cycle_of(e) > cycle]
        for closing in sorted({self.cycle_of(e) for e in ready}):
            self.fold(closing, [e for e in ready if self.cycle_of(e) == closing])

    # ---------------------------------------------------------------- folding
    def fold(self, cycle: int, events: list[Event]) -> None:
        """One row of a closed cycle."""
        rows = [self.price([e for e in events if e.body["symbol"] == s]) for s in self.plan.symbols]
        opened, closed, volume = ([r[n] for r in rows] for n in range(3))
        fresh = [r[1] is not None for r in rows]
        offsets = [e.offset for e in events]
        degraded = [self.is_degraded(s) for s in self.plan.symbols]
        self.cycles.append((cycle, min(offsets), max(offsets), opened, closed, volume, fresh, degraded))

    def price(self, events: list[Event]) -> tuple[float | None, float | None, float | None]:
        """Open, close and volume: the shortest interval's bar, else the last quote's mid, else the trades' VWAP."""
        events = sorted(events, key=lambda e: e.ts)
        for interval in self.plan.intervals:
            bars = self.final([e for e in events if e.line[0] == "bar" and e.line[2] == interval])
            if bars:
                return bars[0]["open"], bars[-1]["close"], sum(b["volume"] for b in bars)
        trades = [e.body for e in events if e.line[0] == "trade"]
        opened: float | None = None
        closed: float | None = None
        volume: float | None = None
        if trades:
            opened, volume = trades[0]["price"], sum(t["size"] for t in trades)
            traded = sum(t["price"] * t["size"] for t in trades)
            closed = traded / volume if volume else opened
        quotes = self.final([e for e in events if e.line[0] == "quote"])
        if quotes:
            closed = (quotes[-1]["bid"] + quotes[-1]["ask"]) / 2
            opened = closed if opened is None else opened
        return opened, closed, volume

    @staticmethod
    def final(events: list[Event]) -> list[dict[str, Any]]:
        """Of several messages of one event time the one with the highest sequence number."""
        best: dict[int, Event] = {}
        for event in events:
            if event.ts not in best or event.body["seq"] >= best[event.ts].body["seq"]:
                best[event.ts] = event
        return [best[ts].body for ts in sorted(best)]

    def is_degraded(self, symbol: str) -> bool:
        """Whether a flaw is more frequent than it may be."""
        quality, seen = self.plan.configuration.quality, self.quality.get(symbol, deque())
        if len(seen) < quality.minimum:
            return False
        rates = {
            "stale": 0.05,
            "duplicate": quality.duplicate_rate,
            "non_monotonic": quality.non_monotonic_rate,
            "null": quality.null_rate,
            "schema": quality.schema_rate,
        }
        counts = Counter(f for flaws in seen for f in flaws)
        return any(counts[flaw] > rate * len(seen) for flaw, rate in rates.items())


def model_run(plan: Plan, log: Sequence[Record]) -> Model:
    """What the model makes of a log; refused payloads and their flaws are taken from the decoder, one by one."""
    used = {plan.schedules[n].interval for n, _ in plan.groups[0].schedules}
    model = Model(plan, {(s, plan.intervals[i]) for s in plan.symbols for i in used})
    decoder = MarketDecoder(plan, 0)
    for offset, block in enumerate(blocks(log, range(1, len(log)))):
        decoded = decoder.decode(block)
        for letter in decoded.dead_letters:
            model.letters.append((offset, offset, letter.reason))
        for _, symbol, flaw in decoded.flaws.T.tolist():
            model.note(plan.symbols[symbol], ["null" if flaw == 8 else "schema"])
        if decoded.integers.shape[1]:
            model.read(Event(json.loads(log[offset].payload), offset, log[offset].timestamp))
    return model
