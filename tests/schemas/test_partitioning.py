"""Symbols land in the partition in which Java's and librdkafka's producers put them."""

from __future__ import annotations

import zlib

import pytest

from schemas.partitioning import consistent_partition, murmur2, murmur2_partition, partition_rule

#: From Kafka's own UtilsTest.testMurmur2.
JAVA_VECTORS = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize("key", sorted(JAVA_VECTORS))
def test_murmur2_is_javas(key: bytes) -> None:
    assert murmur2(key) == JAVA_VECTORS[key]


def test_a_negative_hash_still_gives_a_partition_as_java_does() -> None:
    assert murmur2_partition(b"foobar", 7) == (-790332482 & 0x7FFFFFFF) % 7


def test_consistent_is_crc32() -> None:
    assert consistent_partition(b"BTCUSDT", 4) == zlib.crc32(b"BTCUSDT") % 4


def test_an_explicit_map_knows_its_symbols_only() -> None:
    place = partition_rule("explicit", 2, {"AAPL": 1})
    assert place("AAPL") == 1
    with pytest.raises(KeyError):
        place("MSFT")


@pytest.mark.parametrize(("partitions", "explicit"), [(0, {}), (2, {"AAPL": 2}), (2, {"AAPL": -1})])
def test_an_impossible_rule_is_refused(partitions: int, explicit: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="partition"):
        partition_rule("explicit", partitions, explicit)
