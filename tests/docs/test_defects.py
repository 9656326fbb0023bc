"""The table of known traps names a test for each, and each of them exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "defects.md").read_text(encoding="utf-8")
#: Number of traps that the specification marks, by section.
MARKED = {"3": 6, "5": 7, "6": 6}
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)


@cache
def functions_of(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("path", "test"), NAMED, ids=[test for _, test in NAMED])
def test_every_test_that_is_named_exists_and_is_named_after_its_defect(path: str, test: str) -> None:
    assert test.startswith("test_defect_")
    assert test in functions_of(path)


@pytest.mark.parametrize("section", MARKED)
def test_every_trap_that_the_specification_marks_has_its_row(section: str) -> None:
    (part,) = re.findall(rf"^## [^\n]*\(specification {section}\)\n(.*?)(?=^## )", PAGE, flags=re.MULTILINE | re.DOTALL)
    rows = [line for line in part.splitlines() if line.startswith("| ") and not line.startswith("| Defect")]
    assert len(rows) == MARKED[section]
    assert all("::test_defect_" in row for row in rows)
