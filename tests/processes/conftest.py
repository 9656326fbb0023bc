"""The small market and the decisions that a plain replay makes of it, shared by a session's tests."""

from __future__ import annotations

from tests.processes.shared import expected, halves, market

__all__ = ["expected", "halves", "market"]
