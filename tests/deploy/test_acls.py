"""Who may write which topic: the shipped list is what the roles say."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.kafka.access import as_command, bindings
from schemas.access import ROLES
from schemas.configuration import load_configuration

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "deploy" / "kafka" / "acls.sh"


@pytest.fixture
def lines() -> list[str]:
    return [as_command(b) for b in bindings(load_configuration(ROOT / "deploy" / "config" / "live.yaml"))]


def test_the_shipped_list_is_generated(lines: list[str]) -> None:
    shipped = [line for line in SHIPPED.read_text().splitlines() if line.startswith("kafka-acls.sh")]
    assert shipped == lines, "run: weir topics acls --config deploy/config/live.yaml"


def test_nobody_but_the_flow_may_write_orders(lines: list[str]) -> None:
    writers = [
        line.split("User:")[1].split()[0] for line in lines if "Write" in line and line.endswith("--topic orders")
    ]
    assert writers == ["weir"]


def test_transactional_ids_belong_to_those_who_write_transactions(lines: list[str]) -> None:
    holders = {line.split("User:")[1].split()[0] for line in lines if "--transactional-id" in line}
    assert holders == {name for name, role in ROLES.items() if role.transactional}
