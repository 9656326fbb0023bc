"""A strategy that does not return (design, "Overrun and hang"): a replay names it, a live flow goes on without it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from flows.exit_codes import ExitCode
from flows.kafka.settings import ClientSettings
from tests.processes.live_cluster import weir
from tests.processes.market import CYCLES, document, write_configuration
from tests.processes.outputs import assert_equal, outputs_of_files
from tests.processes.trial import Trial, replayed

pytestmark = pytest.mark.process

#: Longer than any strategy takes on a busy machine that loads its kernels.
HANG_SECONDS = 5.0

MODULE = """
from operators.normalize.features.feature import Feature
from operators.strategy_evaluate.strategy import Parameters
from operators.strategy_evaluate.symbol_strategy import SymbolStrategy


class Hanging(SymbolStrategy):
    strategy_type = "hanging"
    version = "1.0.0"
    parameters_type = Parameters

    def features(self):
        return (Feature("sma", (2,)),)

    def on_bar(self, bar, features, position):
        while bar.ts >= {cycle}:
            pass
        return 0.5 if bar.close > features[0] else 0.0
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An installed package that announces the strategy ``hanging``, which hangs from the hundredth cycle on."""
    from tests.processes.market import CYCLE_SECONDS, NS, START

    site = tmp_path / "site"
    described = site / "hanging_strategy-1.0.0.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: hanging-strategy\nVersion: 1.0.0\n")
    (described / "entry_points.txt").write_text("[weir.strategies]\nhanging@1.0.0 = hanging_strategy:Hanging\n")
    (site / "hanging_strategy.py").write_text(MODULE.format(cycle=(START + 100 * CYCLE_SECONDS) * NS))
    return {"PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}


def portfolios() -> list[dict[str, Any]]:
    """The usual ones, and a pod whose schedule hangs."""
    made: list[dict[str, Any]] = document()["portfolios"]
    schedule = {"id": "stuck", "strategy": "hanging@1.0.0"}
    made[1]["pods"].append({"id": "stuck_pod", "schedules": [schedule], "initial_state": "PRODUCTION"})
    return made


def test_a_replay_ends_with_an_error_that_names_strategy_and_cycle(
    market: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    made = document(portfolios=portfolios(), runtime={"hang_seconds": HANG_SECONDS})
    configuration = write_configuration(tmp_path / "weir.yaml", made)
    arguments = ["replay", "--dump", str(market), "--config", str(configuration), "--out", str(tmp_path / "out")]
    ended = weir(*arguments, "--no-report", "--no-clickhouse", **environment)
    assert ended.returncode == ExitCode.HANG, ended.stderr
    assert "stuck" in ended.stderr and "cycle" in ended.stderr and "fix the strategy" in ended.stderr


def test_a_live_flow_quarantines_the_schedule_restarts_and_its_recording_replays_alike(
    kafka_client: ClientSettings, market: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    trial = Trial(kafka_client, tmp_path / "trial", portfolios=portfolios())
    trial.made["runtime"]["hang_seconds"] = HANG_SECONDS
    write_configuration(trial.configuration, trial.made)
    trial.topics().publish(market)
    with trial.cluster().start(processes=2, restarts=3, **environment) as cluster:
        # A decision comes at least every heartbeat of 20 cycles.
        trial.wait_for_cycle("beta", CYCLES - 20, cluster)
        assert "stuck" in cluster.said and "quarantined" in cluster.said
        recorded = tmp_path / "recorded"
        ended = weir("record", "--config", trial.configuration, "--out", recorded, "--no-seal", **environment)
        assert ended.returncode == 0, ended.stderr
        replayed(recorded, trial.configuration, tmp_path / "out", **environment)
        expected = outputs_of_files(tmp_path / "out")
        trial.wait_for(expected.total, cluster)
        assert cluster.stop() == 0, cluster.said[-2000:]
    assert_equal(trial.outputs(), expected)
