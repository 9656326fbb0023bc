"""The small market and the decisions that a plain replay makes of it, shared by a session's tests."""

from __future__ import annotations

import pytest

from tests.processes.shared import expected, halves, market
from tests.processes.tally import TALLY

__all__ = ["expected", "halves", "market"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for all kills; under xdist the workers' numbers stay with them."""
    if TALLY.shapes:
        terminalreporter.write_line(f"crash and invariance: {TALLY.line()}")
