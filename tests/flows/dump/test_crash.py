"""A process killed between dump and files, that comes back in another shape, leaves what an unbroken one does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flows.dump.finish import OutputSummary, finish
from flows.dump.layout import Dump
from tests.flows.dump.copying_flow import portfolio
from tests.flows.dump.samples import counted, write_dump

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parents[3]
PARTITIONS = 3
RECORDS = 1500


@pytest.fixture
def dump(tmp_path: Path) -> Dump:
    """Three partitions of uneven speed."""
    parts = {("market", p): counted([i * (p + 1) for i in range(RECORDS)]) for p in range(PARTITIONS)}
    return write_dump(tmp_path / "dump", parts)


def run(dump: Dump, out: Path, recovery: Path, workers: int, batch: int, crash_point: str = "") -> int:
    """Runs the flow in a process of its own; its exit status, negative for a signal."""
    environment = os.environ | ({"WEIR_CRASH_POINT": crash_point} if crash_point else {})
    command = [sys.executable, "-m", "tests.flows.dump.copying_flow"]
    arguments = [str(dump.folder), str(out), str(recovery), str(workers), str(batch)]
    return subprocess.run([*command, *arguments], cwd=ROOT, env=environment, timeout=120, check=False).returncode


def summary(out: Path) -> OutputSummary:
    """What is in the merged files."""
    return finish(out, [portfolio(partition) for partition in range(PARTITIONS)], [])


def test_kill_and_resume_with_other_workers_and_batches_changes_nothing(dump: Dump, tmp_path: Path) -> None:
    assert run(dump, tmp_path / "whole", tmp_path / "whole_recovery", 1, 10_000) == 0
    whole = summary(tmp_path / "whole")
    assert (whole.decisions, whole.orders) == (PARTITIONS * RECORDS, PARTITIONS * RECORDS)

    out, recovery = tmp_path / "out", tmp_path / "recovery"
    for workers, batch, point in ((1, 50, "files.after_decisions:1"), (2, 7, "files.after_orders:5"),
                                  (1, 1000, "files.after_decisions:7")):  # fmt: skip
        assert run(dump, out, recovery, workers, batch, point) == -signal.SIGKILL
    assert run(dump, out, recovery, 2, 333) == 0
    assert summary(out) == whole
