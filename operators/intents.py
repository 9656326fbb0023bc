"""Tables of intents: selecting, joining, cutting. All keep the order (cycle, schedule, symbol) within a cycle."""

from __future__ import annotations

from collections import deque

import numpy as np

from operators.frames import Bool, Int64, Intents


def no_intents(feature_width: int) -> Intents:
    """An empty table."""
    none, index, value = np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0)
    return Intents(none, index, index, value, value, value, value, np.empty((0, feature_width)))


def take(intents: Intents, rows: Bool | Int64 | slice) -> Intents:
    """The rows that a mask, an index or a slice selects."""
    return Intents(
        cycle=intents.cycle[rows],
        schedule=intents.schedule[rows],
        symbol=intents.symbol[rows],
        strength=intents.strength[rows],
        notional=intents.notional[rows],
        confidence=intents.confidence[rows],
        price=intents.price[rows],
        features=intents.features[rows],
    )


def join(parts: list[Intents], feature_width: int) -> Intents:
    """All rows of ``parts``, sorted by (cycle, schedule, symbol)."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return no_intents(feature_width)
    joined = Intents(
        cycle=np.concatenate([p.cycle for p in parts]),
        schedule=np.concatenate([p.schedule for p in parts]),
        symbol=np.concatenate([p.symbol for p in parts]),
        strength=np.concatenate([p.strength for p in parts]),
        notional=np.concatenate([p.notional for p in parts]),
        confidence=np.concatenate([p.confidence for p in parts]),
        price=np.concatenate([p.price for p in parts]),
        features=np.concatenate([p.features for p in parts]),
    )
    return take(joined, np.lexsort((joined.symbol, joined.schedule, joined.cycle)))


class IntentQueue:
    """Intents that wait for their barrier, in one queue for each key group, where they come in order."""

    def __init__(self, feature_width: int) -> None:
        self._width = feature_width
        self._waiting: dict[int, deque[Intents]] = {}

    def add(self, group: int, intents: Intents) -> None:
        """Keeps a key group's table until its cycles are due."""
        if len(intents):
            self._waiting.setdefault(group, deque()).append(intents)

    def take(self, to_cycle: int) -> Intents:
        """Everything up to ``to_cycle``, sorted."""
        due: list[Intents] = []
        for tables in self._waiting.values():
            while tables and tables[0].cycle[0] <= to_cycle:
                table = tables.popleft()
                rows = int(np.searchsorted(table.cycle, to_cycle, side="right"))
                due.append(take(table, slice(None, rows)) if rows < len(table) else table)
                if rows < len(table):
                    tables.appendleft(take(table, slice(rows, None)))
        return join(due, self._width)

    def snapshot(self) -> dict[int, Intents]:
        """What waits, by key group."""
        return {group: join(list(tables), self._width) for group, tables in self._waiting.items() if tables}

    def restore(self, snapshot: dict[int, Intents]) -> None:
        """Goes on from a snapshot."""
        self._waiting = {group: deque([table]) for group, table in snapshot.items()}
