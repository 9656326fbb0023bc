"""A foreign dump is ended with ClockTicks, so that its last cycles close."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.dump.layout import open_dump
from flows.dump.records import Records
from flows.dump.seal import seal
from flows.errors import InvalidInput
from tests.flows.dump.samples import read_all, write_dump

S = 1_000_000_000


def message(ts: int) -> bytes:
    """Any message with an event time in seconds."""
    return b'{"type":"bar","ts":%d}' % (ts * S)


def test_every_partition_ends_at_the_largest_event_time_of_all(tmp_path: Path) -> None:
    dump = write_dump(
        tmp_path / "dump",
        {
            ("market", 0): Records.of([3], [100 * S], [message(100)], [b"A"]),
            ("market", 1): Records.of([], [], []),
            ("control", 0): Records.of([9, 11], [90 * S, 160 * S], [message(90), message(150)]),
        },
    )
    assert seal(dump, tmp_path / "sealed") == 150 * S
    sealed = open_dump(tmp_path / "sealed")
    tick = b'{"type":"clock_tick","v":1,"ts":%d}' % (150 * S)
    assert read_all(sealed, "market", 0) == [*read_all(dump, "market", 0), (4, 150 * S, tick, None, None)]
    assert read_all(sealed, "market", 1) == [(0, 150 * S, tick, None, None)]
    assert read_all(sealed, "control", 0)[-1] == (12, 150 * S, tick, None, None)
    assert sealed.manifest.sealed


def test_the_tick_is_rounded_up_to_the_cycle(tmp_path: Path) -> None:
    dump = write_dump(tmp_path / "dump", {("market", 0): Records.of([0], [100 * S], [message(100)])})
    assert seal(dump, tmp_path / "sealed", cycle_seconds=60) == 120 * S


def test_a_wrong_clock_or_an_unreadable_message_does_not_count(tmp_path: Path) -> None:
    records = Records.of([0, 1, 2, 3], [100 * S] * 4, [message(100), message(10**6), b"\xff{", None])
    dump = write_dump(tmp_path / "dump", {("market", 0): records})
    assert seal(dump, tmp_path / "sealed") == 100 * S


def test_what_is_sealed_or_empty_is_refused(tmp_path: Path) -> None:
    dump = write_dump(tmp_path / "dump", {("market", 0): Records.of([0], [1], [b"no time"])})
    with pytest.raises(InvalidInput, match="nothing to seal"):
        seal(dump, tmp_path / "sealed")
    whole = write_dump(tmp_path / "whole", {("market", 0): Records.of([0], [100 * S], [message(100)])})
    seal(whole, tmp_path / "sealed")
    with pytest.raises(InvalidInput, match="is sealed already"):
        seal(open_dump(tmp_path / "sealed"), tmp_path / "again")
