"""A replay that ends with open cycles says which, of what, and why; it never closes them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from flows.dump.records import Records
from flows.replay import ReplayOptions, ReplayResult, replay
from flows.stages import StageLogic
from tests.flows.dump.samples import write_dump
from tests.regrouping import HOUR, START, Rows, configuration, control, market

#: An hour in which every symbol has its bar.
LAST = 62
PLAIN = ReplayOptions(clickhouse=False, report=False)


def run(folder: Path, parts: dict[int, Rows], side: Rows, options: ReplayOptions = PLAIN) -> ReplayResult:
    places = {("market", p): rows for p, rows in parts.items()} | {("control", 0): side}
    records = {
        place: Records.of([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows])
        for place, rows in places.items()
    }
    write_dump(folder / "dump", records)
    return replay(folder / "dump", configuration(len(parts)), folder / "out", options)


def unsealed() -> dict[int, Rows]:
    """Partition 2 lacks its tick and the last bar, partition 3 its tick only."""
    parts = market(4, 0, LAST)
    return {0: parts[0], 1: parts[1], 2: parts[2][:-2], 3: parts[3][:-1]}


def test_a_dump_without_its_last_ticks_names_what_is_missing(tmp_path: Path) -> None:
    result = run(tmp_path, unsealed(), control())
    border = START + LAST * HOUR
    found = {o.of: o for o in result.open_cycles}
    assert set(found) == {"market partition 2", "portfolio main"}
    group = found["market partition 2"]
    missing = msgspec.json.decode(market(4, 0, LAST)[2][-2][2])["symbol"]
    assert (group.first, group.last, group.count) == (border, border, 1)
    assert group.why.startswith(f"the first still waits for the final bar of {missing}; a ClockTick closes it")
    portfolio = found["portfolio main"]
    assert (portfolio.last, portfolio.count) == (border, 1)
    assert f"group-2 is the slowest that it waits for and has closed only up to {border - HOUR}" in portfolio.why
    assert any(w.startswith("market partition 2: 1 cycle(s)") for w in result.warnings)
    told = msgspec.json.decode((tmp_path / "out" / "result.json").read_bytes())["open_cycles"]
    assert [o["of"] for o in told] == [o.of for o in result.open_cycles]


def test_a_side_topic_that_never_ticks_holds_every_cycle_back_and_is_named(tmp_path: Path) -> None:
    result = run(tmp_path, market(4, 0, LAST), [(0, START - HOUR, control()[0][2])])
    assert result.decisions == 0
    (portfolio,) = result.open_cycles
    assert (portfolio.of, portfolio.first, portfolio.count) == ("portfolio main", START, LAST + 1)
    assert portfolio.why.startswith("control-0 is the slowest")


@pytest.mark.parametrize("options", [PLAIN, ReplayOptions(workers=2, clickhouse=False, report=False)])
def test_a_sealed_dump_leaves_nothing_open(tmp_path: Path, options: ReplayOptions) -> None:
    result = run(tmp_path, market(4, 0, LAST), control(), options)
    assert (result.open_cycles, result.warnings) == ([], [])


def test_a_message_whose_jump_nothing_confirmed_is_told_too(tmp_path: Path) -> None:
    parts = market(4, 0, LAST)
    far = START + 20_000 * HOUR
    bar = msgspec.json.decode(parts[0][-2][2]) | {"ts": far}
    parts[0].append((len(parts[0]), far, msgspec.json.encode(bar)))
    result = run(tmp_path, parts, control())
    (held,) = result.open_cycles
    assert (held.of, held.first, held.count) == ("held messages of market partition 0", far, 1)
    assert "nothing confirmed it" in held.why


def test_the_end_of_the_upstream_emits_and_flushes_nothing() -> None:
    told: list[int] = []

    class Step:
        def snapshot(self) -> dict[str, int]:
            return {"items": 1}

        def restore(self, snapshot: dict[str, int]) -> None:
            raise AssertionError

    logic = StageLogic(lambda _n: Step(), lambda _s, _n, item: [item], None, lambda _s, number: told.append(number))
    assert logic.on_eof() == ([], False)
    assert told == []
    assert logic.on_batch([(7, "frame")]) == (["frame"], False)
    before = logic.snapshot()
    assert (logic.on_eof(), logic.on_eof()) == (([], False), ([], False))
    assert (told, logic.snapshot()) == ([7], before)
