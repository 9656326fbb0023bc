"""Writes the table of commands in ``docs/operations.md`` from :data:`schemas.control.COMMANDS`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from schemas.control import COMMANDS

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "operations.md"
HEAD: Final = "| Command | Scopes | Least role | Body | Effect |\n|---|---|---|---|---|\n"


def command_table() -> str:
    """The table, one row for each command in the order in which they are defined."""
    rows = (
        f"| `{name}` | {', '.join(rule.scopes)} | {rule.role} | {rule.form} | {rule.effect} |\n"
        for name, rule in COMMANDS.items()
    )
    return HEAD + "".join(rows)


def with_table(page: str) -> str:
    """The page with the table that stands there replaced; raises ValueError where there is none."""
    before, head, rest = page.partition(HEAD)
    if not head:
        raise ValueError("the page has no table of commands: put its head back")
    lines = rest.splitlines(keepends=True)
    rows = next((n for n, line in enumerate(lines) if not line.startswith("|")), len(lines))
    return before + command_table() + "".join(lines[rows:])


def write_command_table(path: Path = PAGE) -> None:
    """Brings the page up to date."""
    path.write_text(with_table(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write_command_table()
