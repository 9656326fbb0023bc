"""Columnar frames: what flows between stages (design, "Data flow").

A frame covers one or many cycles. Every sparse list inside a frame is sorted by cycle, and a stage's result for a
cycle never depends on how cycles are cut into frames. All times are UTC nanoseconds; a *cycle* is named by its
closing border T.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from operators.payloads import Payloads

if TYPE_CHECKING:
    from operators.bars import BarBlock

Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

#: "Nothing seen yet": lies before every event time, and cycle arithmetic on it cannot overflow.
BEGINNING = -(2**62)


@dataclass(slots=True, frozen=True)
class RecordBlock:
    """Raw records of one topic partition, as a source read them.

    An empty block is a *beat*: it wakes every key downstream in each epoch, so that recovery never loads a row that an
    abandoned run left behind (design, "Stale snapshots").

    Attributes:
        topic: configured role of the topic ("market", "control", ...), not its broker name.
        partition: partition number.
        start: log position of the first record that this block stands for.
        next: log position after the last one. Positions between records may be missing (compaction, transaction
            markers), so ``next - start >= len(payloads)``. A beat has ``start == next``.
        offsets: [n] original log positions.
        timestamps: [n] record timestamps in ns.
        payloads: [n] message values: a list, or :class:`~operators.payloads.Payloads` where they lie in one buffer.
    """

    topic: str
    partition: int
    start: int
    next: int
    offsets: Int64
    timestamps: Int64
    payloads: Sequence[bytes]

    @staticmethod
    def beat(topic: str, partition: int, position: int) -> RecordBlock:
        """An empty block at ``position``."""
        none = np.empty(0, np.int64)
        return RecordBlock(topic, partition, position, position, none, none, [])


#: Kinds of market rows. OTHER only moves the watermark (a bar of an interval that nobody uses, a symbol event).
BAR, QUOTE, TRADE, TICK, OTHER = 0, 1, 2, 3, 4

#: Rows of ``MarketBlock.integers``.
OFFSET, RECORD_TS, TS, KIND, SYMBOL, INTERVAL, SEQ, CYCLE, RECORD = range(9)
INTEGER_COLUMNS = 9
#: Rows of ``MarketBlock.floats``. A quote stands as low = bid, high = ask, open = bid size, close = ask size; a trade
#: as close = price, volume = size. What a message does not have is NaN.
OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)

#: Quality flaws of a message, as bits.
FLAW_STALE, FLAW_DUPLICATE, FLAW_NON_MONOTONIC, FLAW_NULL, FLAW_SCHEMA = 1, 2, 4, 8, 16
#: A corporate action that is not applied: prices before and after it must not be compared.
FLAW_ACTION = 32


@dataclass(slots=True, frozen=True)
class MarketBlock:
    """Decoded market records of one partition, in log order; see :mod:`operators.normalize.decode`.

    Attributes:
        partition, start, next: as in :class:`RecordBlock`.
        integers: [9, n] columns by OFFSET .. RECORD. SYMBOL counts within the key group, INTERVAL within the plan,
            RECORD is the row's place in ``payloads``.
        floats: [5, n] columns by OPEN .. VOLUME.
        dead_letters: what could not be used, in log order.
        payloads: the raw bytes of every record of the block. Crossing between processes copies one buffer; a payload
            is cut out only for a dead letter.
        flaws: [3, m] offset, symbol and flaw bit of refused rows that name a known symbol, for the quality gate.
        unknown_fields: how many fields were ignored, a sample for the metric.
    """

    partition: int
    start: int
    next: int
    integers: Int64
    floats: Float64
    dead_letters: list[DeadLetterRow]
    flaws: Int64
    payloads: Payloads
    unknown_fields: int = 0


@dataclass(slots=True, frozen=True)
class DeadLetterRow:
    """A refused message: where it stands in the log, why, and its raw bytes."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    reason: str
    error: str
    payload: bytes


@dataclass(slots=True)
class Intents:
    """Sparse intents, sorted by (cycle, schedule, symbol).

    Attributes:
        cycle: [n] the cycle that emitted it.
        schedule: [n] index of the schedule in the plan.
        symbol: [n] index of the symbol in the plan (global).
        strength: [n] signed share of the schedule's capital; NaN where ``notional`` is given instead.
        notional: [n] signed notional in base currency; NaN where ``strength`` is given.
        confidence: [n] 0..1.
        price: [n] the symbol's close at the cycle.
        features: [n, F] declared feature values, NaN padded to the plan's widest schedule.
    """

    cycle: Int64
    schedule: Int32
    symbol: Int32
    strength: Float64
    notional: Float64
    confidence: Float64
    price: Float64
    features: Float64

    def __len__(self) -> int:
        return len(self.cycle)


@dataclass(slots=True)
class StrategyEvent:
    """Something that happened to a schedule in a key group: an error, an opened circuit, a quarantine."""

    cycle: int
    schedule: int
    symbol: int
    reason: str
    detail: str


@dataclass(slots=True)
class GroupFrame:
    """One key group's closed cycles (after_cycle, to_cycle]; ``cycles`` lists those in which something happened.

    Prices are [C, S] over the group's own symbols (``plan.groups[group].symbols``). ``fresh`` marks symbols with a
    price of this cycle; ``open``/``close`` are NaN elsewhere. ``degraded`` is the quality gate's verdict. ``shared``
    holds the bars that strategies with ``scope: pod`` need, over the group's ``shared`` symbols.
    """

    group: int
    counter: int
    after_cycle: int
    to_cycle: int
    cycles: Int64
    first_offset: Int64
    last_offset: Int64
    open: Float64
    close: Float64
    volume: Float64
    fresh: Bool
    degraded: Bool
    intents: Intents
    events: list[StrategyEvent]
    shared: list[BarBlock] = field(default_factory=list)


@dataclass(slots=True, frozen=True)
class SideMessage:
    """A decoded side message with its effective event time and log position."""

    effective: int
    topic: str
    partition: int
    offset: int
    late: bool
    message: Any


@dataclass(slots=True)
class SideFrame:
    """New messages of one side partition; every message with effective time <= ``passed`` has been delivered."""

    topic: str
    partition: int
    counter: int
    passed: int
    messages: list[SideMessage]


@dataclass(slots=True)
class DeadLetters:
    """Dead letters of one source partition, in offset order, on their way to the dead-letter sink."""

    topic: str
    partition: int
    counter: int
    rows: list[DeadLetterRow]


@dataclass(slots=True)
class Beat:
    """Wakes a key in an epoch and is passed on; carries nothing (design, "Stale snapshots")."""

    source: str


@dataclass(slots=True)
class TargetChanges:
    """Pod targets that changed, sorted by (cycle, symbol); weights are signed fractions of the pod's capital.

    Attributes:
        cycle, symbol: [n] cycle and global symbol index.
        net: [n] after netting the pod's schedules, before any cap.
        gross: [n] sum of the schedules' absolute weights.
        weight: [n] after leverage layers 1 and 2.
        conflict: [n] True where schedules disagreed on the direction.
    """

    cycle: Int64
    symbol: Int32
    net: Float64
    gross: Float64
    weight: Float64
    conflict: Bool


@dataclass(slots=True)
class Clips:
    """Cuts and refusals, sorted by cycle. ``pod`` is -1 at portfolio level; ``in_units`` tells units from weights."""

    cycle: Int64
    pod: Int32
    symbol: Int32
    reason: Int32
    before: Float64
    after: Float64
    in_units: Bool


@dataclass(slots=True, frozen=True)
class PodTransition:
    """A change of state inside a pod: of one asset, or of the pod as a whole (``symbol`` -1)."""

    cycle: int
    pod: int
    symbol: int
    before: str
    after: str
    reason: str
    evidence: dict[str, Any]


@dataclass(slots=True)
class PodFrame:
    """One pod's cycles (after_cycle, to_cycle]: what it wants, and how its own book stands.

    Attributes:
        changes, clips, intents, intent_weight, events: sorted by cycle; ``intent_weight`` [n] is each intent's share of
            the pod's capital before netting.
        book_cycle, book_equity: [C] the book's equity (1.0 at the start) after each cycle with data.
        daily_cycle, daily_return: [D] completed UTC days: the cycle that completed one, and its simple return.
        daily_trades: [D] positions that the book had opened by then, since its beginning.
        daily_sharpe, daily_drawdown: [D] rolling_sharpe_30d and rolling_drawdown_30d then; NaN where unknown.
        transitions: changes of state of the pod's assets, in order.
    """

    pod: int
    counter: int
    after_cycle: int
    to_cycle: int
    changes: TargetChanges
    clips: Clips
    intents: Intents
    intent_weight: Float64
    events: list[StrategyEvent]
    book_cycle: Int64
    book_equity: Float64
    daily_cycle: Int64
    daily_return: Float64
    daily_trades: Int64
    daily_sharpe: Float64
    daily_drawdown: Float64
    transitions: list[PodTransition]


@dataclass(slots=True)
class OutputBlock:
    """What a portfolio step hands to the sink: explained decisions and the orders that they cause.

    Decision ``i`` has sequence ``first_sequence + i``; sequences have no gaps. ``bodies`` are canonical JSON and
    contain the previous decision's hash; ``hashes`` are SHA-256 over the body. ``orders`` are whole wire values in
    portfolio order-sequence, ``order_decisions[j]`` is the index in ``bodies`` of the decision that order ``j`` belongs
    to.

    Attributes:
        portfolio: portfolio id, the sink key.
        counter: contiguity counter of this stage's frames.
        to_cycle: every cycle up to here is decided (also when nothing came of it).
        cycles: cycle of each decision.
        clips: how many cuts at portfolio level by reason code, for metrics.
        fills: how many fills were booked, for metrics.
    """

    portfolio: str
    counter: int
    to_cycle: int
    first_sequence: int
    cycles: list[int]
    bodies: list[bytes]
    hashes: list[str]
    orders: list[bytes]
    order_decisions: list[int]
    clips: dict[int, int] = field(default_factory=dict)
    fills: int = 0
