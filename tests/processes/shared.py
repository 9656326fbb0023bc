"""Fixtures of every test that runs whole processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.processes.market import document, write_configuration, write_market
from tests.processes.outputs import Outputs
from tests.processes.trial import expected_outputs

#: Set by ``make soak``; the full matrices run.
SOAK = os.environ.get("WEIR_SOAK") == "1"


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dump."""
    return write_market(tmp_path_factory.mktemp("market") / "dump")


@pytest.fixture(scope="session")
def expected(market: Path, tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    """Its decisions, made in one process from the dump."""
    folder = tmp_path_factory.mktemp("expected")
    found = expected_outputs(market, write_configuration(folder / "weir.yaml", document()), folder / "out")
    assert sum(found.counts().values()) > 300 and len(found.orders["alpha"]) > 100, "the market must keep both busy"
    assert found.dead_letters
    return found
