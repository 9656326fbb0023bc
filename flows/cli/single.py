"""Options of commands that run a single strategy without a configuration file (seed 001)."""

from __future__ import annotations

from typing import Annotated

import typer

DEFAULT_STRATEGY = "sma_cross"

Strategy = Annotated[str, typer.Option("--strategy", help="`type@version`, or an alias.")]
Symbols = Annotated[
    list[str] | None, typer.Option("--symbol", help="A symbol to trade; may be given again. Default: all.")
]
Parameters = Annotated[list[str] | None, typer.Option("--param", help="A parameter as name=value; may be given again.")]
