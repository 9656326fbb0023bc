"""Fixtures of every test that runs whole processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes.market import document, write_configuration, write_market, write_parts
from tests.processes.outputs import Outputs
from tests.processes.trial import expected_outputs


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dump."""
    return write_market(tmp_path_factory.mktemp("market") / "dump")


@pytest.fixture(scope="session")
def halves(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same in two parts: while only the first is published, whatever happens happens in the middle of the log."""
    first, second = write_parts(tmp_path_factory.mktemp("halves"), 2)
    return first, second


@pytest.fixture(scope="session")
def expected(market: Path, tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    """Its decisions, made in one process from the dump."""
    folder = tmp_path_factory.mktemp("expected")
    found = expected_outputs(market, write_configuration(folder / "weir.yaml", document()), folder / "out")
    assert found.total > 300 and len(found.orders["alpha"]) > 100, "the market must keep both busy"
    assert found.dead_letters
    return found
