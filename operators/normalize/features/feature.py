"""The name of a feature: what a strategy declares."""

from __future__ import annotations

from typing import NamedTuple


class Feature(NamedTuple):
    """A feature by name and parameters, such as ``Feature("sma", (20,))``; equal features are computed once.

    A feature with several outputs names the output too: ``Feature("macd", (12, 26, 9), "signal")``.
    """

    name: str
    parameters: tuple[float, ...] = ()
    output: str = "value"

    def __str__(self) -> str:
        inner = ",".join(str(int(p)) if float(p).is_integer() else repr(float(p)) for p in self.parameters)
        return f"{self.name}({inner})" + ("" if self.output == "value" else f".{self.output}")
