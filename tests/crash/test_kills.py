"""kill -9 of whole clusters, and of the copy to ClickHouse, on a real broker changes nothing (design, promise 3)."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.clickhouse.client import connect
from flows.kafka.settings import ClientSettings
from schemas.configuration.document import ClickHouse
from tests.clickhouse_http import ClickHouseServer
from tests.crash.kills import Kill, plan, survive
from tests.processes.live_cluster import Command, eventually, weir
from tests.processes.market import write_configuration
from tests.processes.outputs import Outputs
from tests.processes.trial import Trial

pytestmark = [pytest.mark.kafka, pytest.mark.process]

#: Random moments, and points around the commit and the snapshot; each start in another shape.
FIVE = [
    Kill(1, 1, point="decisions.before_commit:2"),
    Kill(2, 1, more=7, seconds=0.05),
    Kill(1, 4, point="stages.after_snapshot:30"),
    Kill(4, 1, more=3),
    Kill(2, 2, point="decisions.after_commit:1"),
]


@pytest.fixture(scope="module")
def survivor(kafka_client: ClientSettings, expected: Outputs, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """A deployment that was killed five times and then ran to the end of the log."""
    folder = tmp_path_factory.mktemp("survivor")
    trial = Trial(kafka_client, folder / "trial").topics()
    survive(trial, expected, folder / "parts", FIVE)
    return trial


def test_five_kills_change_no_decision_and_no_order(survivor: Trial, expected: Outputs) -> None:
    """Everything is compared by the fixture; here stands what a reader looks for."""
    found = survivor.outputs()
    assert found.decisions_sha256 == expected.decisions_sha256
    assert found.orders_sha256 == expected.orders_sha256


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ClickHouseServer]:
    """The real engine behind a ClickHouse front."""
    server = ClickHouseServer(tmp_path / "server")
    server.start()
    yield server
    server.stop()


def test_clickhouse_is_the_decisions_topic_after_kills_around_its_inserts_and_an_outage(
    survivor: Trial, expected: Outputs, server: ClickHouseServer, tmp_path: Path
) -> None:
    made = survivor.made | {"clickhouse": {"dsn": server.dsn}, "runtime": {"epoch_seconds": 0.05}}
    configuration = write_configuration(tmp_path / "copy.yaml", made)
    arguments = ["copy-decisions", "--config", configuration, "--recovery", tmp_path / "copy-recovery", "--json"]
    for point in ("clickhouse.before_insert:3", "clickhouse.after_insert:4", "clickhouse.before_insert:8"):
        died = weir(*arguments, WEIR_CRASH_POINT=point)
        assert died.returncode == -signal.SIGKILL, died.stderr
    server.stop()
    client = None
    with Command(tmp_path / "copy.log", *arguments) as copy:
        eventually("the outage is noticed", lambda: copy.ended or "clickhouse_away" in copy.said)
        server.start()
        client = connect(ClickHouse(dsn=server.dsn))
        count = "SELECT count() FROM decisions"
        eventually("all is copied", lambda: copy.ended or client.query(count).result_rows[0][0] >= expected.total)
        copy.signal(signal.SIGTERM)
        assert copy.wait() == 0, copy.said[-2000:]
    rows = client.query("SELECT portfolio, body FROM decisions ORDER BY portfolio, sequence").result_rows
    orders = client.query("SELECT count(), uniqExact(client_order_id) FROM orders").result_rows[0]
    client.close()
    topic = survivor.outputs()
    assert [(p, body.encode()) for p, body in rows] == [(p, b) for p in sorted(topic.bodies) for b in topic.bodies[p]]
    assert tuple(orders) == (sum(map(len, topic.orders.values())),) * 2


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 104))
def test_many_kills_change_no_decision_and_no_order(
    kafka_client: ClientSettings, expected: Outputs, tmp_path: Path, seed: int
) -> None:
    survive(Trial(kafka_client, tmp_path / "trial").topics(), expected, tmp_path / "parts", plan(seed, 8))
