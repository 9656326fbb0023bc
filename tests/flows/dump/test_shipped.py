"""The shipped data set makes a dump of plausible daily bars."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.dump.layout import open_dump
from flows.dump.shipped import DATA, build_demo_dump
from flows.errors import InvalidInput

NS = 1_000_000_000
#: 1990-01-02 21:00 UTC.
FIRST_CLOSE = 631_314_000 * NS


def test_the_first_days_are_the_sources(tmp_path: Path) -> None:
    report = build_demo_dump(tmp_path / "dump", days=3)
    dump = open_dump(tmp_path / "dump")
    bars = [
        json.loads(payload or b"")
        for partition in range(4)
        for records in dump.read("market", partition)
        for payload in records.payloads[:-1]
    ]
    apple = [bar for bar in bars if bar["symbol"] == "AAPL"]
    assert [bar["close"] for bar in apple] == [0.264, 0.266, 0.267]
    assert [(bar["open"], bar["high"], bar["low"]) for bar in apple] == [
        (0.264, 0.264, 0.264),
        (0.264, 0.266, 0.264),
        (0.266, 0.267, 0.266),
    ]
    assert [bar["ts"] for bar in apple] == [FIRST_CLOSE + day * 86_400 * NS for day in range(3)]
    assert (report.bars, len(report.symbols), dump.manifest.interval) == (60, 20, "1d")
    assert not any(instrument.participation for instrument in dump.instruments())
    assert "BSD-3-Clause" in dump.manifest.source


def test_the_data_stays_small() -> None:
    assert DATA.stat().st_size < 1_500_000
    assert "BSD 3-Clause License" in (DATA.parent / "README.md").read_text()


def test_a_day_is_the_least(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="days"):
        build_demo_dump(tmp_path / "dump", days=0)
