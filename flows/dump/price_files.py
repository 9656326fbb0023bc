"""Price files as columns: Binance klines with and without header, CCXT, and tables with usual column names.

Every file becomes one :class:`PriceTable`. Nothing is judged here but whether the file can be read at all: bad rows
keep NaN prices or no time and are refused, or kept, by the importer.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from flows.dump.files import open_read
from flows.dump.times import NO_TIME, parse_epochs, parse_times
from flows.errors import ImportRefused
from operators.frames import Float64, Int64

Stamp = Literal["open", "close"]

_BINANCE = ["open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count",
            "taker_buy_volume", "taker_buy_quote_volume", "ignore"]  # fmt: skip
_CCXT = ["timestamp", "open", "high", "low", "close", "volume"]
_TIME_NAMES = ("open_time", "timestamp", "ts", "datetime", "date", "time", "close_time")
_SYMBOL_NAMES = ("symbol", "ticker", "pair", "instrument")
_PRICES = ("open", "high", "low", "close")


@dataclass(slots=True)
class PriceTable:
    """One price file as columns, in file order.

    Attributes:
        path: where it is from; first_row: number that people give its first row (a CSV's header is row 1).
        symbols: [n] symbol of each row; times: [n] stamped event time in ns, NO_TIME where unreadable.
        prices: [n, 4] open, high, low, close, NaN where unreadable; volume: [n], or None where the file has none.
        stamp: which end of the bar ``times`` names, None when the file does not say.
        stamp_reason: what tells so.
    """

    path: Path
    first_row: int
    symbols: list[str]
    times: Int64
    prices: Float64
    volume: Float64 | None
    stamp: Stamp | None
    stamp_reason: str


def read_price_file(path: Path) -> PriceTable:
    """Reads a .csv, .csv.gz (.zst) or .parquet file; raises ImportRefused when it is no table of prices."""
    name = path.name.lower()
    if name.endswith(".parquet"):
        table, headed = _read_parquet(path), False
    elif name.endswith((".csv", ".csv.gz", ".csv.zst")):
        table, headed = _read_csv(path)
    else:
        raise ImportRefused(f"{path}: unknown ending; a price file is .csv, .csv.gz, .csv.zst or .parquet")
    if table.num_rows == 0:
        raise ImportRefused(f"{path}: no rows")
    return _as_prices(path, table, 2 if headed else 1)


def _read_parquet(path: Path) -> Any:
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise ImportRefused(f"{path}: no readable Parquet file: {error}") from error
    return table.rename_columns([_name(column) for column in table.column_names])


def _read_csv(path: Path) -> tuple[Any, bool]:
    """All columns as text: what cannot be read as a number is then known by its row."""
    try:
        with open_read(path) as file:
            text = file.read()
        first = next(csv.reader(io.StringIO(text[:8192].decode("utf-8-sig", "replace"))), [])
    except (OSError, EOFError) as error:
        raise ImportRefused(f"{path}: {error}") from error
    headed = not _is_number(first[0]) if first else True
    names = [_name(column) for column in first] if headed else _headerless(path, len(first))
    try:
        table = pacsv.read_csv(
            pa.BufferReader(text),
            read_options=pacsv.ReadOptions(column_names=names, skip_rows=1 if headed else 0, use_threads=False),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowException as error:
        raise ImportRefused(f"{path}: no readable CSV: {error}") from error
    return table, headed


def _name(column: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", column.strip().lower()).strip("_")


def _headerless(path: Path, columns: int) -> list[str]:
    if columns == len(_BINANCE):
        return _BINANCE
    if columns == len(_CCXT):
        return _CCXT
    raise ImportRefused(
        f"{path}: no header and {columns} columns; without one, Binance klines (12) and CCXT (6) are understood"
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _as_prices(path: Path, table: Any, first_row: int) -> PriceTable:
    names = table.column_names
    missing = [name for name in _PRICES if name not in names]
    time_name = next((name for name in _TIME_NAMES if name in names), None)
    if missing or time_name is None:
        lacks = [*missing, *(["a time"] if time_name is None else [])]
        raise ImportRefused(
            f"{path}: columns {', '.join(names)}: {', '.join(lacks)} missing;"
            f" needed are open, high, low, close and one of {', '.join(_TIME_NAMES)}"
        )
    times = _times(table, names, time_name)
    stamp, reason = _stamp(names, time_name, times)
    if time_name == "close_time":
        # Binance ends a bar one unit before the next opens: 12:59:59.999 is the close at 13:00.
        nearly = (times != NO_TIME) & (times % 1_000_000_000 >= 999_000_000)
        times = np.where(nearly, (times // 1_000_000_000 + 1) * 1_000_000_000, times)
    return PriceTable(
        path,
        first_row,
        _symbols(path, table, names),
        times,
        np.column_stack([_floats(table.column(name)) for name in _PRICES]),
        _floats(table.column("volume")) if "volume" in names else None,
        stamp,
        reason,
    )


def _stamp(names: list[str], time_name: str, times: Int64) -> tuple[Stamp | None, str]:
    if time_name == "open_time":
        return "open", "open_time is a bar's opening"
    if time_name == "close_time":
        return "close", "close_time is a bar's end"
    if names == _CCXT and not (times % 1_000_000).any():
        return "open", "CCXT stamps a bar's opening"
    return None, f"column {time_name} does not say"


def _times(table: Any, names: list[str], time_name: str) -> Int64:
    column = table.column(time_name)
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        whole = column.cast(pa.timestamp("ns", getattr(kind, "tz", None)), safe=False).cast(pa.int64())
        return np.asarray(whole.fill_null(NO_TIME).to_numpy(), np.int64)
    if pa.types.is_integer(kind):
        return parse_epochs(np.asarray(column.cast(pa.int64()).fill_null(NO_TIME).to_numpy(), np.int64))
    texts = _texts(column)
    if time_name == "date" and "time" in names and table.column("time").type == pa.string():
        clock = _texts(table.column("time"))
        if all(":" in text for text in clock):
            texts = [f"{day} {hour}" for day, hour in zip(texts, clock, strict=True)]
    return parse_times(texts)


def _texts(column: Any) -> list[str]:
    return [text or "" for text in column.cast(pa.string()).to_pylist()]


def _floats(column: Any) -> Float64:
    """A column as float64; NaN where it is empty or no number. 32-bit floats keep their shortest decimal."""
    if pa.types.is_float32(column.type) or pa.types.is_decimal(column.type):
        column = column.cast(pa.string())
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        try:
            column = column.cast(pa.float64())
        except pa.ArrowException:
            return np.array([_number(text) for text in column.to_pylist()], np.float64)
    return np.asarray(column.cast(pa.float64()).fill_null(np.nan).to_numpy(), np.float64)


def _number(text: str | None) -> float:
    return float(text) if text and _is_number(text) else float("nan")


def _symbols(path: Path, table: Any, names: list[str]) -> list[str]:
    name = next((name for name in _SYMBOL_NAMES if name in names), None)
    if name is not None:
        return [text.strip() for text in _texts(table.column(name))]
    return [symbol_from_name(path)] * table.num_rows


def symbol_from_name(path: Path) -> str:
    """The symbol a file is named for: ``BTCUSDT-1h-2024-01.csv.gz`` and ``BTC_USDT-1h.csv`` are BTCUSDT, BTC_USDT."""
    stem = re.sub(r"(\.csv(\.gz|\.zst)?|\.parquet)$", "", path.name, flags=re.IGNORECASE)
    symbol = re.split(r"[-_ ](?=\d)", stem)[0]
    if not symbol:
        raise ImportRefused(f"{path}: no symbol column, and the file's name does not begin with a symbol")
    return symbol
