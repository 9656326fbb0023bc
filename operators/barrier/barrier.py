"""Counts upstream frames and knows how far all of them have closed."""

from __future__ import annotations

from operators.contiguity import ContiguityError, next_counter
from operators.frames import BEGINNING


class Barrier:
    """The frontier over a fixed set of upstream keys; membership comes from configuration, never from arrival."""

    def __init__(self, upstream: tuple[str, ...]) -> None:
        self._closed = dict.fromkeys(upstream, BEGINNING)
        self._counter = dict.fromkeys(upstream, 0)

    def arrive(self, upstream: str, counter: int, closed_to: int) -> None:
        """A frame of ``upstream`` came; raises ContiguityError when one before it is missing or time runs backwards."""
        self._counter[upstream] = next_counter(upstream, self._counter[upstream], counter)
        if closed_to < self._closed[upstream]:
            raise ContiguityError(upstream, self._closed[upstream], closed_to)
        self._closed[upstream] = closed_to

    def frontier(self) -> int:
        """The last cycle that every upstream key has closed."""
        return min(self._closed.values())

    def slowest(self) -> str:
        """The upstream key that holds the frontier back."""
        return min(self._closed, key=lambda u: (self._closed[u], u))

    def closed_to(self, upstream: str) -> int:
        """The last cycle that one upstream key has closed."""
        return self._closed[upstream]

    def snapshot(self) -> dict[str, tuple[int, int]]:
        """(closed to, counter) of every upstream key."""
        return {u: (self._closed[u], self._counter[u]) for u in self._closed}

    def restore(self, snapshot: dict[str, tuple[int, int]]) -> None:
        """Goes on from a snapshot over the same upstream keys; raises KeyError for others."""
        for upstream in self._closed:
            self._closed[upstream], self._counter[upstream] = snapshot[upstream]
