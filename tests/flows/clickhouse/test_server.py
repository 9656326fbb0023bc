"""A ClickHouse server over HTTP: the same results as embedded, and a copy that outlasts its absence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from clickhouse_connect.driver.client import Client
from structlog.testing import capture_logs

from flows.clickhouse.client import connect
from flows.clickhouse.persistent import LONGEST_PAUSE_SECONDS, PersistentWriter, StoppedWhileAway
from flows.clickhouse.sink import load_decisions
from flows.journal.explain import explain_order
from operators.frames import RecordBlock
from schemas.configuration.document import ClickHouse
from tests.clickhouse_http import ClickHouseServer
from tests.decision_records import ChainBuilder, two_portfolios

pytestmark = pytest.mark.process


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ClickHouseServer]:
    """A server that runs; a test may stop and start it."""
    server = ClickHouseServer(tmp_path / "server")
    server.start()
    yield server
    server.stop()


def settings_of(server: ClickHouseServer) -> ClickHouse:
    return ClickHouse(dsn=server.dsn, database="weir", batch_rows=20)


def block_of(lines: list[bytes], start: int = 0) -> RecordBlock:
    offsets = np.arange(start, start + len(lines), dtype=np.int64)
    return RecordBlock("decisions", 0, start, start + len(lines), offsets, offsets, lines)


def bodies(client: Client) -> list[str]:
    return [row[0] for row in client.query("SELECT body FROM decisions ORDER BY portfolio, sequence").result_rows]


def test_a_server_holds_what_the_embedded_engine_holds(
    server: ClickHouseServer, client: Client, tmp_path: Path
) -> None:
    chain = two_portfolios(50)
    folder = chain.write(tmp_path / "run")
    remote = connect(settings_of(server))
    assert load_decisions(folder, remote).decisions == load_decisions(folder, client).decisions == 100
    assert bodies(remote) == bodies(client)
    order = msgspec.json.decode(chain.orders[-5])["client_order_id"]
    assert explain_order(remote, order) == explain_order(client, order)
    remote.close()


def test_a_loaded_run_may_be_loaded_again(server: ClickHouseServer, tmp_path: Path) -> None:
    folder = ChainBuilder().build(30).write(tmp_path / "run")
    remote = connect(settings_of(server))
    seen: list[int] = []
    load_decisions(folder, remote, batch_rows=10, progress=seen.append)
    load_decisions(folder, remote, batch_rows=10)
    assert len(bodies(remote)) == 30
    assert seen == [10, 20, 30, 30]
    remote.close()


def test_the_copy_goes_on_when_clickhouse_is_back(server: ClickHouseServer) -> None:
    """ClickHouse is killed between two inserts; the third attempt finds it started again."""
    chain = ChainBuilder().build(90)
    waited: list[float] = []
    states: list[bool] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 5:
            server.start()

    writer = PersistentWriter(settings_of(server), sleep=sleep, changed=states.append)
    writer.take(block_of(chain.lines[:40]))
    writer.flush()
    server.stop()
    with capture_logs() as logs:
        writer.take(block_of(chain.lines[40:], 40))
        writer.flush()
    writer.close()
    remote = connect(settings_of(server))
    assert len(bodies(remote)) == 90
    assert [entry["event"] for entry in logs] == ["clickhouse_away", "clickhouse_back"], "transitions, not attempts"
    assert "secret" not in str(logs)
    assert states == [False, True]
    remote.close()


def test_a_copy_that_starts_before_clickhouse_waits_for_it(tmp_path: Path) -> None:
    server = ClickHouseServer(tmp_path / "server")
    started: list[float] = []

    def sleep(seconds: float) -> None:
        started.append(seconds)
        if len(started) == 1:
            server.start()

    try:
        writer = PersistentWriter(settings_of(server), sleep=sleep)
        writer.take(block_of(ChainBuilder().build(5).lines))
        writer.flush()
        assert len(bodies(connect(settings_of(server)))) == 5
    finally:
        server.stop()


def test_a_stop_ends_the_waiting_and_pauses_are_bounded() -> None:
    waited: list[float] = []
    writer = PersistentWriter(ClickHouse(dsn="http://127.0.0.1:1"), stop=lambda: sum(waited) > 100, sleep=waited.append)
    with pytest.raises(StoppedWhileAway, match="read again at the next start"):
        writer.take(block_of(ChainBuilder().build(1).lines))
    assert max(waited) <= LONGEST_PAUSE_SECONDS
