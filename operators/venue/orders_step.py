"""The orders topic as its consumer reads it: unknown types and fields are ignored, sequences may not have gaps (spec 8,
"execution contract")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from operators.contiguity import ContiguityError, SnapshotError
from operators.frames import RecordBlock
from schemas.messages import Cancel, CycleEnd, Order

ORDERS_SNAPSHOT = 1

OrderMessage: TypeAlias = Order | Cancel | CycleEnd
_TYPES: dict[str, type[OrderMessage]] = {"order": Order, "cancel": Cancel, "cycle_end": CycleEnd}


class _Tag(msgspec.Struct):
    type: str = ""


_TAG = msgspec.json.Decoder(_Tag)
_DECODERS = {name: msgspec.json.Decoder(kind) for name, kind in _TYPES.items()}


@dataclass(slots=True)
class OrdersFrame:
    """A portfolio's orders, cancels and cycle ends, in the order of the log."""

    portfolio: str
    counter: int
    messages: list[OrderMessage]


class OrdersStep:
    """State and step of one partition of the orders topic."""

    def __init__(self, partition: int) -> None:
        self._name = f"orders-{partition}"
        self._position: int | None = None
        self._sequences: dict[str, int] = {}
        self._frames: dict[str, int] = {}

    def step(self, block: RecordBlock) -> list[OrdersFrame]:
        """Takes the next block.

        Raises:
            ContiguityError: the block does not follow the last one, or a portfolio's sequence has a gap.
            msgspec.DecodeError: a record is not what the contract says: Weir alone writes this topic.
        """
        if self._position is not None and block.start != self._position:
            raise ContiguityError(self._name, self._position, block.start)
        self._position = block.next
        found: dict[str, list[OrderMessage]] = {}
        for payload in block.payloads:
            decoder = _DECODERS.get(_TAG.decode(payload).type)
            if decoder is None:
                continue
            message: OrderMessage = decoder.decode(payload)
            self._follow(message)
            found.setdefault(message.portfolio, []).append(message)
        frames: list[OrdersFrame] = []
        for portfolio, messages in found.items():
            self._frames[portfolio] = self._frames.get(portfolio, 0) + 1
            frames.append(OrdersFrame(portfolio, self._frames[portfolio], messages))
        return frames

    def _follow(self, message: OrderMessage) -> None:
        """A cycle end repeats the last sequence before it; orders and cancels count it up."""
        last = self._sequences.get(message.portfolio)
        expected = message.sequence if last is None else last + (not isinstance(message, CycleEnd))
        if message.sequence != expected:
            raise ContiguityError(f"{self._name}, portfolio {message.portfolio}", expected, message.sequence)
        self._sequences[message.portfolio] = message.sequence

    def snapshot(self) -> dict[str, Any]:
        """A versioned snapshot; see :meth:`restore`."""
        return {
            "version": ORDERS_SNAPSHOT,
            "position": self._position,
            "sequences": dict(self._sequences),
            "frames": dict(self._frames),
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Goes on from a snapshot; raises SnapshotError for an unknown version."""
        if snapshot.get("version") != ORDERS_SNAPSHOT:
            raise SnapshotError(self._name, snapshot.get("version"), ORDERS_SNAPSHOT)
        self._position = snapshot["position"]
        self._sequences, self._frames = dict(snapshot["sequences"]), dict(snapshot["frames"])
