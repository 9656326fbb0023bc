"""Where ClickHouse is: by DSN or path, and never with its secrets in a message."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flows.clickhouse.client import connect, describe, without_secrets
from flows.clickhouse.errors import ClickHouseUnavailable
from flows.errors import InvalidInput
from schemas.configuration.document import ClickHouse

SERVER = ClickHouse(dsn="https://weir:s3cret@clickhouse.example:8443/?token=abc", database="trading")


def test_an_address_is_told_without_its_secrets() -> None:
    assert describe(SERVER) == "https://clickhouse.example:8443, database trading"
    assert describe(ClickHouse(path="out/clickhouse")) == "embedded at out/clickhouse, database weir"


def test_secrets_are_taken_out_of_any_text() -> None:
    text = without_secrets(f"cannot reach {SERVER.dsn}: password s3cret refused, token=abc", SERVER)
    assert "s3cret" not in text and "abc" not in text and "clickhouse.example:8443" in text


def test_a_dsn_and_a_path_together_are_refused() -> None:
    with pytest.raises(InvalidInput, match="dsn and path are both set"):
        connect(ClickHouse(dsn="http://127.0.0.1:1", path="x"))


def test_a_server_that_does_not_answer_is_named_without_its_secrets() -> None:
    with pytest.raises(ClickHouseUnavailable, match=r"http://127\.0\.0\.1:1, database weir") as refused:
        connect(ClickHouse(dsn="http://user:s3cret@127.0.0.1:1"))
    assert "s3cret" not in str(refused.value)


def test_a_folder_that_another_process_has_open_says_so(folder: Path) -> None:
    code = (
        "from flows.clickhouse.client import connect; from schemas.configuration.document import ClickHouse\n"
        f"connect(ClickHouse(path={str(folder)!r}))"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[3], check=False
    )
    assert other.returncode != 0
    assert "in use by another process" in other.stderr
