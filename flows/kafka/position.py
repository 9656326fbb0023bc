"""Where a record stood in the log: the header of a published dump, and positions that never go back.

``weir publish`` writes the header ``weir-position`` = ``topic:partition:offset:timestamp_ns`` of the original record.
The source restores offset and timestamp from it, so that a published dump gives the same decisions as the dump.
"""

from __future__ import annotations

from typing import Final, NamedTuple

#: Record headers as the client gives them.
Headers = dict[str, str | bytes | None] | list[tuple[str, str | bytes | None]]

HEADER: Final = "weir-position"


class OriginalPosition(NamedTuple):
    """Where a record stood before it was published; ``timestamp`` is the record timestamp in ns."""

    topic: str
    partition: int
    offset: int
    timestamp: int


def to_header(position: OriginalPosition) -> tuple[str, bytes]:
    """The record header that carries ``position``."""
    return HEADER, f"{position.topic}:{position.partition}:{position.offset}:{position.timestamp}".encode()


def from_headers(headers: Headers | None) -> OriginalPosition | None:
    """The original position among ``headers``; None where there is none, or one that cannot be read."""
    if not headers:
        return None
    for key, value in headers.items() if isinstance(headers, dict) else headers:
        if key == HEADER:
            return _parse(value)
    return None


def _parse(value: str | bytes | None) -> OriginalPosition | None:
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else value or ""
    parts = text.split(":")
    if len(parts) != 4 or not all(_is_number(part) for part in parts[1:]):
        return None
    return OriginalPosition(parts[0], int(parts[1]), int(parts[2]), int(parts[3]))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 19


class LogPosition:
    """Follows a partition in the numbering of its original log.

    A record with a usable header stands where the header says. One without it stands as far after its predecessor as
    its broker offset does. A header that names another partition, or a place before ``next``, is not believed: a
    position never goes back, whatever a record claims.

    Attributes:
        next: position of the next record.
        shift: original position minus broker offset.
    """

    __slots__ = ("next", "partition", "shift")

    def __init__(self, partition: int, next_position: int = 0, shift: int = 0) -> None:
        self.partition = partition
        self.next = next_position
        self.shift = shift

    def place(self, broker_offset: int, original: OriginalPosition | None) -> tuple[int, bool]:
        """Position of the record at ``broker_offset``, and whether ``original`` was believed."""
        believed = original is not None and original.partition == self.partition and original.offset >= self.next
        if believed and original is not None:
            self.shift = original.offset - broker_offset
        position = broker_offset + self.shift
        self.next = position + 1
        return position, believed
