"""A replay in real processes that is stopped in the middle goes on with another configuration."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flows.exit_codes import ExitCode
from tests.processes.live_cluster import DEADLINE, ROOT, eventually, weir
from tests.processes.market import document, write_configuration
from tests.processes.outputs import Outputs

pytestmark = pytest.mark.process


def command(market: Path, folder: Path, made: dict[str, Any], *more: str) -> list[str]:
    configuration = write_configuration(folder / "weir.yaml", made)
    return [
        "replay", "--dump", str(market), "--config", str(configuration), "--out", str(folder / "out"),
        "--recovery", str(folder / "recovery"), "--no-clickhouse", "--no-report", "--json", *more,
    ]  # fmt: skip


def changed() -> dict[str, Any]:
    """Pod ``reversion`` is gone, ``fast`` has other parameters, and ``late`` is new."""
    made = document()
    fast, reversion = made["portfolios"][0]["pods"]
    late = {**reversion, "id": "late", "schedules": [{**reversion["schedules"][0], "id": "late_schedule"}]}
    fast["schedules"][0]["parameters"] = {"fast": 2, "slow": 5}
    made["portfolios"][0]["pods"] = [fast, late]
    return made


def stop_in_the_middle(market: Path, folder: Path) -> dict[str, Any]:
    arguments = command(market, folder, document(), "--slab", "20", "--batch", "1", "--processes", "2")
    process = subprocess.Popen(
        [sys.executable, "-m", "flows", *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    part = folder / "out" / "parts" / "portfolio-alpha" / "decisions.jsonl"
    eventually("the first decisions", lambda: part.exists() and part.stat().st_size > 20_000)
    os.kill(process.pid, signal.SIGTERM)
    output, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, errors
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return result


def test_it_goes_on_with_the_new_configuration_and_sells_what_is_gone(
    market: Path, expected: Outputs, tmp_path: Path
) -> None:
    stopped = stop_in_the_middle(market, tmp_path)
    assert 0 < stopped["decisions"] < sum(expected.counts().values()), "stopped neither before nor after everything"

    other = document()
    other["portfolios"][1]["base_currency"] = "EUR"
    refused = weir(*command(market, tmp_path, other))
    assert refused.returncode == ExitCode.SNAPSHOT_INCOMPATIBLE
    assert "portfolios.beta.base_currency: it was USD, now EUR" in refused.stderr + refused.stdout

    ended = weir(*command(market, tmp_path, changed(), "--workers", "2"))
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout.splitlines()[-1])
    assert weir("verify", str(tmp_path / "out")).returncode == 0, "one chain, one sequence of orders"
    lines = [json.loads(line)["body"] for line in (tmp_path / "out" / "decisions.jsonl").read_text().splitlines()]
    for portfolio in ("alpha", "beta"):
        bodies = [b for b in lines if b["portfolio"] == portfolio]
        hashes = [b["config_hash"] for b in bodies]
        first = hashes.index(result["config_hash"])
        assert set(hashes[:first]) == {stopped["config_hash"]} and set(hashes[first:]) == {result["config_hash"]}
        told = {t["subject"]: t["reason"] for t in bodies[first]["transitions"]}
        assert told["configuration"] == "CONFIG_CHANGED"
        if portfolio == "alpha":
            assert told["pod:reversion"] == "CONFIG_POD_REMOVED" and told["pod:late"] == "CONFIG_POD_ADDED"
            assert told["schedule:fast_schedule"] == "CONFIG_SCHEDULE_RESTARTED"
            assert bodies[-1]["pods"]["fraction"][bodies[-1]["pods"]["pod"].index("reversion")] == 0.0
        else:
            assert [b for b in bodies if b.get("orders")] and list(told) == ["configuration"]
    beta = [json.loads(b) for b in expected.bodies["beta"]]
    ours = [b for b in lines if b["portfolio"] == "beta"]
    assert _orders(ours) == _orders(beta), "nothing of beta changed, and it trades as if nothing had happened"


def _orders(bodies: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    tables = [(b["cycle"], b["orders"]) for b in bodies if b.get("orders")]
    return [(cycle, *row) for cycle, t in tables for row in zip(t["symbol"], t["quantity"], t["sequence"], strict=True)]
