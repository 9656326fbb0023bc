"""One side partition: decoded messages with the event time at which they take effect (design, "Side topics").

e = max(ts, the largest e before it in its own partition), so the effect depends on no other partition. What comes at or
before a ClockTick's time is late: it takes effect right after the tick, for a command must never be lost. A jump over
the watermark is held until something confirms it: one command with a wrong year must not put off all that follow.
"""

from __future__ import annotations

from typing import Any

import msgspec

from operators.contiguity import ContiguityError, SnapshotError
from operators.frames import BEGINNING, DeadLetterRow, DeadLetters, RecordBlock, SideFrame, SideMessage
from operators.nesting import MAX_NESTING, too_deep
from operators.plan import Plan
from operators.side.jumps import HeldMessage, SideJumpGate
from schemas.configuration.base import seconds_to_nanoseconds
from schemas.messages import SCHEMA_VERSION, TOPIC_MESSAGES, ClockTick, SignalEnvelope
from schemas.reasons import Reason

SIDE_SNAPSHOT = 1


class SideStep:
    """State and step of one partition of a side topic."""

    def __init__(self, plan: Plan, topic: str, partition: int) -> None:
        self._name = f"{topic}-{partition}"
        self._topic, self._partition = topic, partition
        self._symbols = plan.symbol_index
        self._decoder = msgspec.json.Decoder(TOPIC_MESSAGES[topic])
        self._max_future = seconds_to_nanoseconds(plan.configuration.time.max_future_seconds)
        self._max_bytes = plan.configuration.topics.market.max_payload_bytes
        self._position: int | None = None
        self._jumps = SideJumpGate(
            seconds_to_nanoseconds(plan.configuration.time.max_jump_seconds),
            plan.configuration.time.jump_confirmations,
        )
        self._effective = BEGINNING
        self._passed = BEGINNING
        self._frames = 0
        self._letters = 0

    def step(self, block: RecordBlock) -> tuple[SideFrame | None, DeadLetters | None]:
        """Takes the next block; raises ContiguityError when it does not follow the last one."""
        if self._position is not None and block.start != self._position:
            raise ContiguityError(self._name, self._position, block.start)
        self._position = block.next
        messages: list[SideMessage] = []
        refused: list[DeadLetterRow] = []
        passed = self._passed
        for n, payload in enumerate(block.payloads):
            offset, timestamp = int(block.offsets[n]), int(block.timestamps[n])
            message, reason, error = self._decode(payload, timestamp)
            if message is None:
                refused.append(
                    DeadLetterRow(self._topic, self._partition, offset, timestamp, reason.name, error, payload)
                )
            else:
                passing, unconfirmed = self._jumps.pass_message(HeldMessage(message, offset, timestamp, payload))
                refused += [self._jump_refusal(h) for h in unconfirmed]
                for held in passing:
                    self._place(held.message, held.offset, messages)
        frame = letters = None
        if messages or self._passed > passed:
            self._frames += 1
            frame = SideFrame(self._topic, self._partition, self._frames, self._passed, messages)
        if refused:
            self._letters += 1
            letters = DeadLetters(self._topic, self._partition, self._letters, refused)
        return frame, letters

    def _decode(self, payload: bytes, timestamp: int) -> tuple[Any, Reason, str]:
        if not payload:
            return None, Reason.INPUT_EMPTY, "the payload is empty"
        if len(payload) > self._max_bytes:
            return None, Reason.INPUT_TOO_LARGE, f"{len(payload)} bytes; max_payload_bytes is {self._max_bytes}"
        if too_deep(payload):
            return None, Reason.INPUT_SCHEMA, f"nested more than {MAX_NESTING} levels deep"
        try:
            payload.decode("utf-8")
            message = self._decoder.decode(payload)
        except msgspec.ValidationError as fault:
            return None, Reason.INPUT_SCHEMA, str(fault)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
            try:
                payload.decode("utf-8")
            except UnicodeDecodeError:
                return None, Reason.INPUT_NOT_UTF8, "the payload is not UTF-8"
            return None, Reason.INPUT_NOT_JSON, str(fault) or type(fault).__name__
        if message.v != SCHEMA_VERSION:
            return None, Reason.INPUT_VERSION, f"v {message.v}: this flow reads version {SCHEMA_VERSION}"
        if message.ts > timestamp + self._max_future:
            ahead = (message.ts - timestamp) / 1e9
            return None, Reason.INPUT_FUTURE, f"ts is {ahead:g} s ahead of its record timestamp"
        if isinstance(message, SignalEnvelope) and message.symbol not in self._symbols:
            return None, Reason.INPUT_UNKNOWN_SYMBOL, f"{message.symbol!r} is in no instrument list"
        return message, Reason.NONE, ""

    def _jump_refusal(self, held: HeldMessage) -> DeadLetterRow:
        error = "no other message confirmed its jump in event time"
        return DeadLetterRow(
            self._topic, self._partition, held.offset, held.timestamp, Reason.INPUT_TIME_JUMP.name, error, held.payload
        )

    def _place(self, message: Any, offset: int, messages: list[SideMessage]) -> None:
        if isinstance(message, ClockTick):
            self._passed = max(self._passed, message.ts)
            return
        late = message.ts <= self._passed
        self._effective = max(message.ts, self._effective, self._passed + 1)
        # Everything before its event time has been passed; the message itself only when a later one or a tick comes.
        self._passed = max(self._passed, self._effective - 1)
        scheduled = getattr(message, "effective_at", None) or 0
        effective = max(self._effective, scheduled)
        messages.append(SideMessage(effective, self._topic, self._partition, offset, late, message))

    def snapshot(self) -> dict[str, Any]:
        """A versioned snapshot; see :meth:`restore`."""
        return {
            "version": SIDE_SNAPSHOT,
            "position": self._position,
            "effective": self._effective,
            "passed": self._passed,
            "jumps": self._jumps.snapshot(),
            "frames": self._frames,
            "letters": self._letters,
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Goes on from a snapshot; raises SnapshotError for an unknown version."""
        if snapshot.get("version") != SIDE_SNAPSHOT:
            raise SnapshotError(self._name, snapshot.get("version"), SIDE_SNAPSHOT)
        self._position = snapshot["position"]
        self._effective, self._passed = snapshot["effective"], snapshot["passed"]
        self._jumps.restore(snapshot["jumps"])
        self._frames, self._letters = snapshot["frames"], snapshot["letters"]
