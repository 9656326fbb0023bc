"""Logs go to standard error, whatever they come from: standard output belongs to results."""

from __future__ import annotations

import logging
import sys
from typing import Final

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def log_to_stderr(level: str = "info") -> None:
    """Sets up logging and structlog; JSON lines where standard error is no terminal.

    Raises ValueError for an unknown level.
    """
    import structlog

    if level not in LEVELS:
        raise ValueError(f"log level {level!r} is unknown; use {', '.join(LEVELS)}")
    logging.basicConfig(stream=sys.stderr, format="weir: %(message)s", level=max(LEVELS[level], logging.WARNING))
    to_terminal = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if to_terminal else structlog.processors.JSONRenderer(sort_keys=True)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
