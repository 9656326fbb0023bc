"""Message values in one buffer, as Arrow lays them out: a block is decoded and crosses without an object a record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any, SupportsIndex, overload

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
_Bounds = npt.NDArray[np.int64]
#: Follows joined payloads, so that compiled readers may look at eight bytes together up to the last of them.
_PADDING = bytes(8)


class Payloads(Sequence[bytes]):
    """Byte strings that lie in one buffer; each is cut out only when it is asked for.

    Attributes:
        data: the buffer, read-only. It may hold more than these payloads.
        bounds: [n + 1] payload ``i`` is ``data[bounds[i]:bounds[i + 1]]``.
    """

    __slots__ = ("bounds", "data")

    def __init__(self, data: Any, bounds: _Bounds) -> None:
        """Takes any buffer of bytes; ``bounds`` must ascend within it and is kept."""
        self.data: Bytes = np.frombuffer(data, np.uint8)
        self.data.flags.writeable = False
        self.bounds = bounds

    @staticmethod
    def of(payloads: Iterable[bytes]) -> Payloads:
        """These payloads, joined when they are not in one buffer yet."""
        if isinstance(payloads, Payloads):
            return payloads
        parts = payloads if isinstance(payloads, list) else list(payloads)
        return Payloads(b"".join([*parts, _PADDING]), np.array([0, *accumulate(map(len, parts))], np.int64))

    def take(self, rows: Iterable[int]) -> list[bytes]:
        """The payloads of these rows."""
        return [self[row] for row in rows]

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @overload
    def __getitem__(self, index: SupportsIndex) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Payloads: ...
    def __getitem__(self, index: SupportsIndex | slice) -> bytes | Payloads:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step != 1:
                raise ValueError(f"step {step} given; payloads are cut in runs")
            return Payloads(self.data, self.bounds[start : max(start, stop) + 1])
        row = range(len(self))[index]
        return self.data[self.bounds[row] : self.bounds[row + 1]].tobytes()

    def __iter__(self) -> Iterator[bytes]:
        bounds: list[int] = (self.bounds - self.bounds[0]).tolist()
        data = self._own()
        return (data[start:stop] for start, stop in pairwise(bounds))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Payloads.of({list(self)!r})"

    def _own(self) -> bytes:
        return self.data[self.bounds[0] : self.bounds[-1]].tobytes()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles its own part of the buffer alone."""
        return Payloads, (self._own(), self.bounds - self.bounds[0])
