"""The flow that copies decisions: offsets are committed only after the insert, so a crash anywhere loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flows.clickhouse.client import connect
from schemas.configuration.document import ClickHouse
from tests.clickhouse_http import ClickHouseServer
from tests.decision_records import two_portfolios

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[3]

#: Runs the copy over a file of lines: 25 lines a poll, an epoch each, and a recovery folder.
PROGRAM = """
import sys
from datetime import timedelta
from pathlib import Path
import numpy as np
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.recovery import RecoveryConfig
from bytewax.testing import cluster_main
from flows.decisions_to_clickhouse import copy_flow
from operators.frames import RecordBlock
from schemas.configuration.document import ClickHouse

journal, recovery, dsn = sys.argv[1:]
lines = Path(journal).read_bytes().splitlines()

class Part(StatefulSourcePartition):
    def __init__(self, at):
        self.at = at
    def next_batch(self):
        if self.at >= len(lines):
            raise StopIteration
        start, self.at = self.at, min(self.at + 25, len(lines))
        offsets = np.arange(start, self.at, dtype=np.int64)
        return [RecordBlock("decisions", 0, start, self.at, offsets, offsets, lines[start:self.at])]
    def snapshot(self):
        return self.at

class Source(FixedPartitionedSource):
    def list_parts(self):
        return ["decisions-0"]
    def build_part(self, step_id, for_part, resume):
        print("resumed at", resume or 0, flush=True)
        return Part(resume or 0)

flow = copy_flow(Source(), 1, ClickHouse(dsn=dsn, batch_rows=40))
cluster_main(flow, [], 0, epoch_interval=timedelta(0), recovery_config=RecoveryConfig(recovery))
"""


@pytest.fixture
def recovery(tmp_path: Path) -> Path:
    """A recovery folder with one partition."""
    folder = tmp_path / "recovery"
    folder.mkdir()
    subprocess.run([sys.executable, "-m", "bytewax.recovery", str(folder), "1"], check=True)
    return folder


def run(journal: Path, recovery: Path, dsn: str, crash_point: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **({"WEIR_CRASH_POINT": crash_point} if crash_point else {})}
    command = [sys.executable, "-c", PROGRAM, str(journal), str(recovery), dsn]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=120, check=False)


def test_kill_9_around_inserts_loses_and_doubles_nothing(tmp_path: Path, recovery: Path) -> None:
    chain = two_portfolios(60)
    journal = chain.write(tmp_path / "run") / "decisions.jsonl"
    server = ClickHouseServer(tmp_path / "server")
    server.start()
    try:
        for point in ("clickhouse.before_insert:5", "clickhouse.after_insert:9", "clickhouse.before_insert:16"):
            crashed = run(journal, recovery, server.dsn, point)
            assert crashed.returncode == -signal.SIGKILL, crashed.stderr
        done = run(journal, recovery, server.dsn)
        assert done.returncode == 0, done.stderr
        assert "resumed at 0" not in done.stdout, "what was committed is not read again"
        client = connect(ClickHouse(dsn=server.dsn))
        rows = client.query("SELECT count(), uniqExact(portfolio, sequence) FROM decisions").result_rows
        assert tuple(rows[0]) == (120, 120)
        orders = client.query("SELECT count(), uniqExact(client_order_id) FROM orders").result_rows
        assert tuple(orders[0]) == (len(chain.orders), len(chain.orders))
        client.close()
    finally:
        server.stop()
