"""kill -9 of whole clusters on a real broker changes nothing (design, promise 3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.kafka.settings import ClientSettings
from tests.crash.kills import plan, run_until_killed
from tests.processes.outputs import Outputs, assert_each_once_in_sequence
from tests.processes.trial import Trial

# Not yet proven on an idle machine within the default suite's time: see the closing note.
pytestmark = [pytest.mark.kafka, pytest.mark.process, pytest.mark.soak]


def survive(client: ClientSettings, folder: Path, market: Path, expected: Outputs, seed: int, kills: int) -> None:
    """Runs the market through ``kills`` deaths and one good end."""
    print(f"seed {seed}")
    trial = Trial(client, folder).topics().publish(market).expecting(expected)
    for number, kill in enumerate(plan(seed, kills), start=1):
        print(f"kill {number}: {kill}")
        run_until_killed(trial, kill)
        assert_each_once_in_sequence(trial.outputs())
    trial.finish(processes=2)


def test_five_kills_change_no_decision_and_no_order(
    kafka_client: ClientSettings, market: Path, expected: Outputs, tmp_path: Path
) -> None:
    survive(kafka_client, tmp_path, market, expected, seed=5, kills=5)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 106))
def test_many_kills_change_no_decision_and_no_order(
    kafka_client: ClientSettings, market: Path, expected: Outputs, tmp_path: Path, seed: int
) -> None:
    survive(kafka_client, tmp_path, market, expected, seed=seed, kills=8)
