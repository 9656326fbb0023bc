"""The data set that comes with Weir: 20 US stocks, daily, 1990 to 2022; see ``deploy/data/README.md``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from flows.dump.importer import ImportReport, Progress, import_tables
from flows.dump.price_files import PriceTable
from flows.errors import InvalidInput
from operators.frames import Float64

DATA = Path(__file__).resolve().parents[2] / "deploy" / "data" / "us_stocks_daily.parquet"
SOURCE = (
    "20 US stocks, daily closes 1990-2022 (skfolio, BSD-3-Clause); open = previous close, high and low = the larger and"
    " smaller of open and close, no volume; bars close at 21:00 UTC of the trading date"
)

_DAY = 86_400 * 1_000_000_000
#: 16:00 in New York in winter; the data has dates alone, so summer is not told apart.
_CLOSE_OF_DAY = 21 * 3600 * 1_000_000_000
#: The file holds whole thousandths of a dollar, which is what the source has.
_UNITS_PER_DOLLAR = 1000


def build_demo_dump(
    out: Path, *, days: int | None = None, partitions: int = 4, progress: Progress | None = None
) -> ImportReport:
    """Makes a dump of the shipped data through the importer.

    Args:
        out: folder for the dump; must not exist, or be empty.
        days: trading days from the first on; None: all 8313.
        partitions: partitions of the market topic.
        progress: called as bars are written.

    Raises InvalidInput when the data file is not there or ``days`` is less than 1.
    """
    if not DATA.exists():
        raise InvalidInput(f"{DATA} is missing; Weir runs from a checkout of the project")
    if days is not None and days < 1:
        raise InvalidInput(f"days: {days} given, at least 1 is needed")
    table = pq.read_table(DATA)
    times = table.column("date").to_numpy().astype("datetime64[D]").astype(np.int64)[:days] * _DAY + _CLOSE_OF_DAY
    symbols = sorted(name for name in table.column_names if name != "date")
    tables = [
        PriceTable(
            path=DATA,
            first_row=1,
            symbols=[symbol] * len(times),
            times=times,
            prices=_bars_of_closes(table.column(symbol).to_numpy()[:days] / _UNITS_PER_DOLLAR),
            volume=None,
            stamp="close",
            stamp_reason="dates are stamped 21:00 UTC",
        )
        for symbol in symbols
    ]
    return import_tables(tables, out, interval="1d", partitions=partitions, source=SOURCE, progress=progress)


def _bars_of_closes(close: Float64) -> Float64:
    """[n, 4] bars of closes alone: each opens at the close before it, the first at its own."""
    opening = np.concatenate([close[:1], close[:-1]])
    return np.column_stack([opening, np.maximum(opening, close), np.minimum(opening, close), close])
