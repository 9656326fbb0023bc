"""Price files of every usual kind become the same dump."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.dump.first_bars import instrument_from, quote_asset
from flows.dump.importer import ImportReport, import_bars
from flows.dump.layout import Dump, open_dump
from flows.dump.price_files import symbol_from_name
from flows.dump.times import NS
from flows.errors import ImportRefused, InvalidInput
from schemas.partitioning import murmur2_partition
from tests.flows.dump.samples import read_all

HOUR = 3600
#: Opening of the first bar: 2024-01-01 00:00 UTC, in seconds.
OPENS = 1_704_067_200

#: Three hourly bars: (open time in s, open, high, low, close, volume).
ROWS = [
    (OPENS, 42283.58, 42554.57, 42261.02, 42475.23, 1271.68108),
    (OPENS + HOUR, 42475.23, 42775.0, 42431.65, 42613.56, 1196.37856),
    (OPENS + 2 * HOUR, 42613.57, 42638.41, 42500.0, 42581.1, 685.21980),
]


def line(*values: object) -> str:
    """One CSV line."""
    return ",".join(str(value) for value in values) + "\n"


def kline(row: tuple[float, ...], unit: int = 1000) -> tuple[object, ...]:
    """A row in the twelve columns of a Binance kline, times in 1/``unit`` s."""
    t, *ohlcv = row
    return (int(t) * unit, *ohlcv, (int(t) + HOUR) * unit - 1, 0, 10, 0, 0, 0)


BINANCE = (
    "open_time,open,high,low,close,volume,close_time,"
    "quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore\n"
)

FLAVOURS: dict[str, tuple[str, str | None]] = {
    "binance": (BINANCE + "".join(line(*kline(row)) for row in ROWS), None),
    "binance title case": (
        "Open time,Open,High,Low,Close,Volume,Close time,Quote asset volume,Number of trades,a,b,Ignore\n"
        + "".join(line(*kline(row)) for row in ROWS),
        None,
    ),
    "binance headerless": ("".join(line(*kline(row)) for row in ROWS), None),
    "binance headerless in microseconds": ("".join(line(*kline(row, 10**6)) for row in ROWS), None),
    "binance close time alone": (
        "open,high,low,close,volume,close_time\n" + "".join(line(*row[1:], kline(row)[6]) for row in ROWS),
        None,
    ),
    "ccxt": (
        "timestamp,open,high,low,close,volume\n" + "".join(line(row[0] * 1000, *row[1:]) for row in ROWS),
        None,
    ),
    "ccxt headerless": ("".join(line(row[0] * 1000, *row[1:]) for row in ROWS), None),
    "seconds, opening": ("ts,open,high,low,close,volume\n" + "".join(line(*row) for row in ROWS), "open"),
    "nanoseconds, close": (
        "time,open,high,low,close,volume\n" + "".join(line((row[0] + HOUR) * NS, *row[1:]) for row in ROWS),
        "close",
    ),
    "ISO, other order": (
        "symbol,volume,close,open,low,high,datetime\n"
        + "".join(
            line("BTCUSDT", row[5], row[4], row[1], row[3], row[2], f"2024-01-01T0{i}:00:00Z")
            for i, row in enumerate(ROWS)
        ),
        "open",
    ),
    "date and time": (
        "Date,Time,Open,High,Low,Close,Volume\n"
        + "".join(line("2024-01-01", f"0{i}:00", *row[1:]) for i, row in enumerate(ROWS)),
        "open",
    ),
    "newest first": (
        "timestamp,open,high,low,close,volume\n" + "".join(line(row[0] * 1000, *row[1:]) for row in reversed(ROWS)),
        None,
    ),
    "with a byte order mark": ("\ufeff" + BINANCE + "".join(line(*kline(row)) for row in ROWS), None),
}


def bars_of(dump: Dump) -> list[dict[str, Any]]:
    """All market messages but the closing ticks, by partition and offset."""
    messages = [
        json.loads(payload or b"")
        for partition in range(len(dump.partitions("market")))
        for records in dump.read("market", partition)
        for payload in records.payloads
    ]
    return [message for message in messages if message["type"] == "bar"]


def expected_bars() -> list[dict[str, Any]]:
    """The bars that ``ROWS`` stand for."""
    return [
        {"type": "bar", "v": 1, "symbol": "BTCUSDT", "interval": "1h", "ts": int(row[0] + HOUR) * NS, "open": row[1],
         "high": row[2], "low": row[3], "close": row[4], "volume": row[5], "seq": i}
        for i, row in enumerate(ROWS)
    ]  # fmt: skip


def imported(tmp_path: Path, content: str, name: str = "BTCUSDT-1h-2024-01.csv", **arguments: Any) -> Dump:
    """The dump of one CSV file."""
    file = tmp_path / name
    file.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
    import_bars(file, tmp_path / "dump", **arguments)
    return open_dump(tmp_path / "dump")


@pytest.mark.parametrize("flavour", sorted(FLAVOURS))
def test_every_flavour_makes_the_same_bars(tmp_path: Path, flavour: str) -> None:
    content, stamp = FLAVOURS[flavour]
    assert bars_of(imported(tmp_path, content, stamp=stamp)) == expected_bars()


def test_a_gzip_file_is_read(tmp_path: Path) -> None:
    assert bars_of(imported(tmp_path, FLAVOURS["binance"][0], "BTCUSDT.csv.gz")) == expected_bars()


@pytest.mark.parametrize(
    "kind", [pa.timestamp("ns", "UTC"), pa.timestamp("us"), pa.timestamp("s"), pa.int64(), pa.string()]
)
def test_parquet_with_every_kind_of_time(tmp_path: Path, kind: pa.DataType) -> None:
    columns = dict(
        zip(["ts", "open", "high", "low", "close", "volume"], map(list, zip(*ROWS, strict=True)), strict=True)
    )
    times = pa.array(columns.pop("ts")).cast(pa.int64())
    times = times if kind == pa.int64() else times.cast(pa.timestamp("s")).cast(kind)
    pq.write_table(pa.table({"ts": times, "symbol": ["BTCUSDT"] * 3, **columns}), tmp_path / "x.parquet")
    import_bars(tmp_path / "x.parquet", tmp_path / "dump", stamp="open")
    assert bars_of(open_dump(tmp_path / "dump")) == expected_bars()


def test_32_bit_prices_keep_their_decimals(tmp_path: Path) -> None:
    prices = pa.array([0.1, 0.2], pa.float32())
    table = pa.table({"open_time": [OPENS, OPENS + HOUR], **dict.fromkeys(["open", "high", "low", "close"], prices)})
    pq.write_table(table, tmp_path / "ABCUSD.parquet")
    import_bars(tmp_path / "ABCUSD.parquet", tmp_path / "dump")
    dump = open_dump(tmp_path / "dump")
    assert [bar["close"] for bar in bars_of(dump)] == [0.1, 0.2]
    assert dump.instruments()[0].tick == 0.1


def many(symbols: list[str], count: int = 4) -> str:
    """Hourly bars of several symbols; a price is its bar's number."""
    rows = [line(symbol, OPENS + i * HOUR, *[i + 1] * 4, 5) for i in range(count) for symbol in reversed(symbols)]
    return "symbol,open_time,open,high,low,close,volume\n" + "".join(rows)


SYMBOLS = ["AAVEUSDT", "BTCUSDT", "ETHUSDT", "LINKUSDT", "SOLUSDT", "XRPUSDT"]


def test_symbols_are_placed_by_murmur2_and_sorted_by_time_and_symbol(tmp_path: Path) -> None:
    dump = imported(tmp_path, many(SYMBOLS), partitions=3)
    for partition in range(3):
        (records,) = dump.read("market", partition)
        bars = [json.loads(payload or b"") for payload in records.payloads[:-1]]
        mine = [symbol for symbol in SYMBOLS if murmur2_partition(symbol.encode(), 3) == partition]
        assert [bar["symbol"] for bar in bars] == mine * 4
        assert [bar["ts"] for bar in bars] == sorted(bar["ts"] for bar in bars)
        assert [bar["seq"] for bar in bars] == [i for i in range(4) for _ in mine]
        assert records.timestamps.tolist()[:-1] == [bar["ts"] for bar in bars]
        assert records.offsets.tolist() == list(range(len(records)))


def test_every_partition_ends_with_a_tick_at_the_last_border(tmp_path: Path) -> None:
    dump = imported(tmp_path, many(["BTCUSDT"]), partitions=3)
    end = (OPENS + 4 * HOUR) * NS
    for partition in range(3):
        *_, last = dump.read("market", partition)
        assert last.payloads[-1] == b'{"type":"clock_tick","v":1,"ts":%d}' % end
    assert dump.manifest.sealed
    assert (dump.manifest.cycle_seconds, dump.manifest.interval) == (HOUR, "1h")


def test_several_files_are_one_dump_whatever_their_names(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, rows in (("BTCUSDT-2.csv", ROWS[:2]), ("BTCUSDT-1.csv", ROWS[2:])):
        (tmp_path / "in" / name).write_text(BINANCE + "".join(line(*kline(row)) for row in rows))
    import_bars(tmp_path / "in", tmp_path / "dump")
    assert bars_of(open_dump(tmp_path / "dump")) == expected_bars()


def report_of(tmp_path: Path, content: str, **arguments: Any) -> ImportReport:
    """The report of importing one CSV file."""
    (tmp_path / "BTCUSDT.csv").write_text(content)
    return import_bars(tmp_path / "BTCUSDT.csv", tmp_path / "dump", **arguments)


def test_a_file_that_does_not_say_which_end_it_stamps_is_taken_as_open_and_says_so(tmp_path: Path) -> None:
    report = report_of(tmp_path, FLAVOURS["seconds, opening"][0])
    assert "--stamp close" in report.notices[0]
    assert bars_of(open_dump(tmp_path / "dump")) == expected_bars()


def test_absent_volume_switches_participation_off_visibly(tmp_path: Path) -> None:
    report = report_of(tmp_path, "open_time,open,high,low,close\n" + "".join(line(*row[:5]) for row in ROWS))
    dump = open_dump(tmp_path / "dump")
    assert any("no volume for BTCUSDT" in notice for notice in report.notices)
    assert not dump.instruments()[0].participation
    assert all("volume" not in bar for bar in bars_of(dump))


def test_instruments_come_from_the_first_bars_alone(tmp_path: Path) -> None:
    early = [line(OPENS + i * HOUR, 1.5, 1.5, 1.5, 1.5, 2) for i in range(100)]
    late = [line(OPENS + i * HOUR, *[1.123456] * 4, 0.001) for i in range(100, 110)]
    dump = imported(tmp_path, "open_time,open,high,low,close,volume\n" + "".join(early + late))
    (instrument,) = dump.instruments()
    assert (instrument.tick, instrument.lot, instrument.interval) == (0.1, 1.0, "1h")
    assert (instrument.listed_from, instrument.currency) == ((OPENS + HOUR) * NS, "USDT")


def test_a_price_of_seven_millionths_survives(tmp_path: Path) -> None:
    rows = [line(OPENS + i * HOUR, 1.31e-06, 0.00000132, 1.3e-06, 1.31e-06, 815532000411) for i in range(3)]
    dump = imported(tmp_path, "open_time,open,high,low,close,volume\n" + "".join(rows), "PEPEUSDT.csv")
    assert {bar["close"] for bar in bars_of(dump)} == {1.31e-06}
    assert (dump.instruments()[0].tick, dump.instruments()[0].lot) == (1e-08, 1.0)


def test_noise_of_adjusted_prices_makes_no_finer_tick_than_a_price_can_mean() -> None:
    noisy = np.full((3, 4), 101.2345678901234)
    assert instrument_from("X", "1d", 0, noisy, None).tick == 1e-06


def test_intervals_may_differ_between_symbols(tmp_path: Path) -> None:
    days = "".join(line("DAILY", OPENS + i * 24 * HOUR, *[1.0] * 5) for i in range(3))
    dump = imported(tmp_path, many(["BTCUSDT"]) + days)
    assert {i.symbol: i.interval for i in dump.instruments()} == {"BTCUSDT": "1h", "DAILY": "1d"}
    assert (dump.manifest.interval, dump.manifest.cycle_seconds) == (None, HOUR)


def test_gaps_do_not_mislead_the_interval(tmp_path: Path) -> None:
    days = [0, 1, 2, 5, 6, 7, 8, 12]
    content = "date,open,high,low,close\n" + "".join(line(OPENS + d * 24 * HOUR, *[1.0] * 4) for d in days)
    assert imported(tmp_path, content, stamp="close").manifest.interval == "1d"


def test_a_single_bar_needs_a_stated_interval(tmp_path: Path) -> None:
    content = FLAVOURS["binance"][0].splitlines(keepends=True)
    with pytest.raises(ImportRefused, match="state it"):
        imported(tmp_path, "".join(content[:2]))
    assert len(bars_of(imported(tmp_path, "".join(content[:2]), interval="1h"))) == 1


def test_an_interval_that_the_bars_contradict_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="bars come every 1h, so their interval is not 1d"):
        imported(tmp_path, FLAVOURS["binance"][0], interval="1d")


BAD_ROWS = {
    "price missing": (line(OPENS + 3 * HOUR, "", 1, 1, 1, 1), "price missing"),
    "price no number": (line(OPENS + 3 * HOUR, "n/a", 1, 1, 1, 1), "price missing"),
    "infinite price": (line(OPENS + 3 * HOUR, "inf", 1, 1, 1, 1), "price missing or not finite"),
    "negative price": (line(OPENS + 3 * HOUR, 1, 1, -1, 1, 1), "price not positive"),
    "high below low": (line(OPENS + 3 * HOUR, 2, 1, 2, 2, 1), "high below low"),
    "negative volume": (line(OPENS + 3 * HOUR, 1, 1, 1, 1, -1), "volume negative"),
    "duplicate": (line(OPENS + 2 * HOUR, 1, 1, 1, 1, 1), "duplicate"),
    "backwards": (line(OPENS - HOUR, 1, 1, 1, 1, 1), "time runs backwards"),
    "wrong year": (line(OPENS + 75 * 365 * 24 * HOUR, 1, 1, 1, 1, 1), "more than five years after"),
}


@pytest.mark.parametrize("name", sorted(BAD_ROWS))
def test_a_bad_row_is_refused_by_file_and_row_or_kept_in_its_place(tmp_path: Path, name: str) -> None:
    row, reason = BAD_ROWS[name]
    content = FLAVOURS["seconds, opening"][0] + row
    with pytest.raises(ImportRefused, match=rf"BTCUSDT-1h-2024-01\.csv row 5: BTCUSDT: {reason}"):
        imported(tmp_path, content)
    assert not (tmp_path / "dump").exists(), "nothing half-made is left behind"
    kept = bars_of(imported(tmp_path, content, keep_bad=True))
    assert len(kept) == 4
    assert kept[:3] == expected_bars()
    assert kept[3]["seq"] == (2 if name == "duplicate" else 3)
    *_, tick = read_all(open_dump(tmp_path / "dump"), "market", 0)
    assert tick[1] <= (OPENS + 4 * HOUR) * NS, "a kept row does not close the years up to it"


def test_a_row_without_a_time_is_refused_in_any_case(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="row 5: BTCUSDT: no readable time"):
        imported(tmp_path, FLAVOURS["seconds, opening"][0] + line("soon", 1, 1, 1, 1, 1), keep_bad=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no readable CSV|no rows"),
        ("open_time,open,high,low,close\n", "no rows"),
        ("open_time,open,high,low\n1,1,1,1\n", "close missing"),
        ("open,high,low,close\n1,1,1,1\n", "a time missing"),
        ("1,2,3\n", "no header and 3 columns"),
        ("open_time,open,high,low,close\n1,1,1\n", "no readable CSV"),
    ],
)
def test_a_file_that_is_no_price_table_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ImportRefused, match=message):
        imported(tmp_path, content)


def test_arguments_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="does not exist"):
        import_bars(tmp_path / "nothing.csv", tmp_path / "dump")
    with pytest.raises(InvalidInput, match="at least 1"):
        imported(tmp_path, FLAVOURS["binance"][0], partitions=0)
    with pytest.raises(InvalidInput, match="BTCUSDT is not in it"):
        imported(tmp_path, FLAVOURS["binance"][0], partitioner="explicit", partition_map={})
    imported(tmp_path, FLAVOURS["binance"][0])
    with pytest.raises(InvalidInput, match="is not empty"):
        imported(tmp_path, FLAVOURS["binance"][0])


def test_importing_twice_makes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "BTCUSDT.csv").write_text(many(SYMBOLS))
        import_bars(tmp_path / "BTCUSDT.csv", tmp_path / name, form="jsonl.gz")
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file())
    assert len(files) == 6
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)


@pytest.mark.parametrize(
    ("name", "symbol"),
    [("BTCUSDT-1h-2024-01.csv", "BTCUSDT"), ("BTC-USD.csv.gz", "BTC-USD"), ("BRK.B.parquet", "BRK.B"),
     ("ETH_USDT-5m.csv", "ETH_USDT")],
)  # fmt: skip
def test_symbols_from_file_names(name: str, symbol: str) -> None:
    assert symbol_from_name(Path(name)) == symbol


@pytest.mark.parametrize(
    ("symbol", "currency"),
    [
        ("BTCUSDT", "USDT"),
        ("BTC/USDT:USDT", "USDT"),
        ("ETH-EUR", "EUR"),
        ("ETHBTC", "BTC"),
        ("AAPL", "USD"),
        ("BTC", "USD"),
    ],
)
def test_quote_assets(symbol: str, currency: str) -> None:
    assert quote_asset(symbol) == currency
