"""The table of commands in the operations page is the one that commands are judged by."""

from __future__ import annotations

import pytest

from schemas.commands_page import PAGE, with_table
from schemas.control import COMMANDS


def test_it_is_up_to_date() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_table(page), "run: python -m schemas.commands_page"


def test_every_command_has_its_row() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"| `{name}` | {', '.join(rule.scopes)} | {rule.role} |" in page for name, rule in COMMANDS.items())


def test_a_page_without_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no table of commands"):
        with_table("# Operations\n")
