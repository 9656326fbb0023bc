"""Records of one topic partition as columns, with everything that a log keeps of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from operators.frames import Int64

#: A Kafka header list: names may repeat, values may be null.
Headers = list[tuple[str, bytes | None]]

#: The topics that a flow reads, by role; a dump's folders are named so.
ROLES = ("market", "signals", "fills", "overlay", "control")


@dataclass(slots=True, frozen=True)
class Records:
    """Consecutive records of one partition, in log order.

    Attributes:
        offsets: [n] log positions, strictly increasing.
        timestamps: [n] record timestamps in ns.
        payloads: [n] values; None is a tombstone. A list, or Payloads where they lie in one buffer.
        keys: [n] keys, or None when no record has one or keys were not asked for.
        headers: [n] headers, or None when no record has any or they were not asked for.
    """

    offsets: Int64
    timestamps: Int64
    payloads: Sequence[bytes | None]
    keys: list[bytes | None] | None = None
    headers: list[Headers | None] | None = None

    def __len__(self) -> int:
        return len(self.payloads)

    def cut(self, start: int, stop: int) -> Records:
        """Records ``start`` to ``stop`` (exclusive) of this run."""
        return Records(
            self.offsets[start:stop],
            self.timestamps[start:stop],
            self.payloads[start:stop],
            None if self.keys is None else self.keys[start:stop],
            None if self.headers is None else self.headers[start:stop],
        )

    @staticmethod
    def of(
        offsets: list[int],
        timestamps: list[int],
        payloads: list[bytes | None],
        keys: list[bytes | None] | None = None,
        headers: list[Headers | None] | None = None,
    ) -> Records:
        """Records from plain lists; timestamps in ns."""
        return Records(np.array(offsets, np.int64), np.array(timestamps, np.int64), payloads, keys, headers)
