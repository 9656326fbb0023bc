"""The closed loop over a real broker: books agree, and neither a replay nor a crash changes anything."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from flows.kafka.settings import ClientSettings
from tests.processes.closed_loop import ClosedLoop, assert_books_agree
from tests.processes.live_cluster import LiveCluster, weir
from tests.processes.market import write_market
from tests.processes.outputs import Outputs, assert_equal, outputs_of_files
from tests.processes.trial import replayed

pytestmark = [pytest.mark.kafka, pytest.mark.process]

CYCLES = 80
VENUE = {"participation": 0.5, "faults": {"late": 0.2, "duplicate": 0.2, "reject": 0.1}}


@pytest.fixture(scope="module")
def small_market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Less of the market: every cycle is a round trip between two processes."""
    return write_market(tmp_path_factory.mktemp("market") / "dump", CYCLES)


def to_the_end(loop: ClosedLoop, flow: LiveCluster) -> None:
    for portfolio in ("alpha", "beta"):
        loop.wait_for_cycle(portfolio, CYCLES, flow)


@pytest.fixture(scope="module")
def undisturbed(
    kafka_client: ClientSettings, small_market: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ClosedLoop, Outputs]:
    """A loop that nobody disturbed."""
    loop = ClosedLoop(kafka_client, tmp_path_factory.mktemp("loop"), **VENUE).prepared(small_market)
    with loop.running() as (flow, venue):
        to_the_end(loop, flow)
        assert flow.stop() == 0, flow.said[-2000:]
        assert venue.stop() == 0, venue.said[-2000:]
    return loop, loop.outputs()


def test_positions_are_the_venues_and_profit_is_the_accounts(undisturbed: tuple[ClosedLoop, Outputs]) -> None:
    loop, outputs = undisturbed
    assert_books_agree(outputs, loop.reports())


def test_a_recording_replays_byte_for_byte(undisturbed: tuple[ClosedLoop, Outputs], tmp_path: Path) -> None:
    loop, outputs = undisturbed
    ended = weir("record", "--config", loop.configuration, "--out", tmp_path / "recorded", "--no-seal", "--json")
    assert ended.returncode == 0, ended.stderr
    replayed(tmp_path / "recorded", loop.configuration, tmp_path / "again")
    assert_equal(outputs_of_files(tmp_path / "again"), outputs)


def test_kill_9_of_either_side_changes_nothing(
    undisturbed: tuple[ClosedLoop, Outputs], kafka_client: ClientSettings, small_market: Path, tmp_path: Path
) -> None:
    _, expected = undisturbed
    loop = ClosedLoop(kafka_client, tmp_path, **VENUE).prepared(small_market)
    chance = random.Random(11)
    total = sum(expected.counts().values())
    flow, venue = loop.cluster().start(), loop.venue().launch()
    try:
        for kill in range(4):
            wanted = loop.decided() + chance.randint(5, total // 8)
            loop.wait_for(min(wanted, total - 1), flow)
            assert loop.decided() < total, "the kill must fall within the log"
            if kill % 2:
                flow.kill()
                flow = loop.cluster().start()
            else:
                venue.kill()
                venue = loop.venue().launch()
        to_the_end(loop, flow)
        assert flow.stop() == 0, flow.said[-2000:]
    finally:
        flow.kill()
        venue.kill()
    assert_equal(loop.outputs(), expected)
    assert_books_agree(loop.outputs(), loop.reports())
