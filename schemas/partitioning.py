"""Which partition a key belongs to (design, "Key group").

Three rules: ``murmur2`` is what the Java producer and Kafka Streams do, ``consistent`` what librdkafka does by default
for keyed messages, ``explicit`` is a map in the configuration.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Literal

Partitioner = Literal["murmur2", "consistent", "explicit"]

_MASK = 0xFFFFFFFF
_MULTIPLIER = 0x5BD1E995
_SEED = 0x9747B28C


def murmur2(data: bytes) -> int:
    """Kafka's 32-bit MurmurHash2 of ``data`` as a *signed* number (``org.apache.kafka.common.utils.Utils.murmur2``)."""
    length = len(data)
    h = _SEED ^ length
    whole = length & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * _MULTIPLIER & _MASK
        k = (k ^ k >> 24) * _MULTIPLIER & _MASK
        h = (h * _MULTIPLIER & _MASK) ^ k
    if length > whole:
        h = (h ^ int.from_bytes(data[whole:], "little")) * _MULTIPLIER & _MASK
    h = (h ^ h >> 13) * _MULTIPLIER & _MASK
    h ^= h >> 15
    return h - (1 << 32) if h >> 31 else h


def murmur2_partition(key: bytes, partitions: int) -> int:
    """Partition of ``key`` as the Java producer chooses it: ``toPositive(murmur2(key)) % partitions``."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def consistent_partition(key: bytes, partitions: int) -> int:
    """Partition of ``key`` as librdkafka's ``consistent`` chooses it: ``crc32(key) % partitions``."""
    return zlib.crc32(key) % partitions


def partition_rule(
    partitioner: Partitioner, partitions: int, explicit: Mapping[str, int] | None = None
) -> Callable[[str], int]:
    """A function from symbol to partition number in ``range(partitions)``.

    Raises ValueError for no partitions, an unknown rule, or a map entry out of range; the function of an ``explicit``
    rule raises KeyError for a symbol that the map does not name.
    """
    if partitions < 1:
        raise ValueError(f"partitions: {partitions} given, at least 1 is needed")
    if partitioner == "murmur2":
        return lambda symbol: murmur2_partition(symbol.encode(), partitions)
    if partitioner == "consistent":
        return lambda symbol: consistent_partition(symbol.encode(), partitions)
    if partitioner != "explicit":
        raise ValueError(f"partitioner: {partitioner!r} is unknown; use murmur2, consistent or explicit")
    places = dict(explicit or {})
    for symbol, place in places.items():
        if not 0 <= place < partitions:
            raise ValueError(
                f"partition map: {symbol} is sent to {place}, but partitions go from 0 to {partitions - 1}"
            )
    return lambda symbol: places[symbol]
