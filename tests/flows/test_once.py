"""``weir run --once`` (audit: one cycle, then exit) and ``--environment`` (seed 004)."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from flows.dump.records import Records
from flows.live import environment_problems
from flows.process import drain
from flows.process.worker import execute
from flows.settings import DumpInput, FilesOutput, FlowSettings, Recovery
from flows.trading import build_trading
from tests.flows.dump.samples import write_dump
from tests.regrouping import HOURS, configuration, control, market


def decided(out: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in out.rglob("decisions*.jsonl*"))


def run(folder: Path, out: Path, *, once: bool) -> int:
    """Decisions of a run over small slabs of a dump."""
    settings = FlowSettings(
        configuration=configuration(2).model_dump(mode="json"),
        source=DumpInput(path=str(folder), batch=4, slab_records=8),
        sink=FilesOutput(out=str(out)),
        once=once,
    )
    out.mkdir()
    drain.reset()
    try:
        execute(build_trading(settings), addresses=[], process=0, workers=1, recovery_folder=None, epoch_seconds=0.0)
        assert drain.requested() is once
    finally:
        drain.reset()
    return decided(out)


def test_once_stops_when_a_cycle_has_been_decided(tmp_path: Path) -> None:
    parts = market(2, 0, HOURS - 1)
    places = {("market", p): rows for p, rows in parts.items()} | {("control", 0): control()}
    write_dump(
        tmp_path / "dump",
        {
            place: Records.of([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows])
            for place, rows in places.items()
        },
    )
    whole = run(tmp_path / "dump", tmp_path / "all", once=False)
    part = run(tmp_path / "dump", tmp_path / "part", once=True)
    assert 0 < part < whole / 2, "what was read before the first cycle was decided is drained too"


def test_settings_of_an_older_start_do_not_stop_early() -> None:
    settings = FlowSettings(
        configuration={}, source=DumpInput(path=""), sink=FilesOutput(out=""), recovery=Recovery(directory="x")
    )
    assert msgspec.json.decode(msgspec.json.encode(settings), type=FlowSettings).once is False


@pytest.mark.parametrize(("environment", "refused"), [(None, False), ("demo", False), ("paper", False), ("live", True)])
def test_a_paper_configuration_does_not_start_as_live(environment: str | None, refused: bool) -> None:
    problems = environment_problems(configuration(2), environment)
    assert bool(problems) is refused
    if refused:
        assert problems == [
            f"portfolios.{p.id}.execution.mode: internal_paper does not belong to --environment live, which allows live"
            for p in configuration(2).portfolios
        ]
