"""An embedded ClickHouse for each module, a database of its own for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from flows.clickhouse.client import connect
from flows.clickhouse.migrate import migrate
from schemas.configuration.document import ClickHouse

_numbers = itertools.count()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The engine's folder; kept open over the module, since opening costs a second."""
    path = tmp_path_factory.mktemp("clickhouse")
    keeper = connect(ClickHouse(path=str(path), database="keeper"))
    yield path
    keeper.close()


@pytest.fixture
def empty(folder: Path) -> Iterator[Client]:
    """A client of a new database without any table."""
    client = connect(ClickHouse(path=str(folder), database=f"test-{next(_numbers)}"))
    yield client
    client.close()


@pytest.fixture
def client(empty: Client) -> Client:
    """A client of a new, migrated database."""
    migrate(empty)
    return empty
