"""The compiled scanner reads a record as msgspec does, or leaves it to msgspec: nobody can tell which one did."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from operators.frames import CLOSE, INTERVAL, SEQ, SYMBOL, TS, VOLUME, RecordBlock
from operators.normalize.decode import MarketDecoder
from operators.normalize.market_rows import count_unknown_fields
from operators.normalize.plain_bars import DECODED, FORMING, LEFT, BarRules, scan_bars
from operators.normalize.typed_decode import TypedDecoder
from operators.payloads import Payloads
from tests.operators.normalize.logs import MINUTE, SECOND, START, bar, plan_of

NAMES = ("A", "BTC/USDT:USDT", "AA", "ABCDEFGH", "ABCDEFGHI", "Ä", 'Q"', "E")
ELSEWHERE = "FOREIGN"
T1 = START + MINUTE
MAX_BYTES = 600
PLAN = plan_of(
    [*NAMES, ELSEWHERE],
    intervals=("1m", "5m"),
    topics={
        "market": {
            "partitions": 2,
            "max_payload_bytes": MAX_BYTES,
            "partitioner": "explicit",
            "partition_of": {**dict.fromkeys(NAMES, 0), ELSEWHERE: 1},
        }
    },
)
BOTH, TYPED = MarketDecoder(PLAN, 0), TypedDecoder(PLAN, 0)
OWN = [PLAN.symbols[s] for s in PLAN.groups[0].symbols]
RULES = BarRules.of(OWN, PLAN.intervals, PLAN.intervals.index(PLAN.default_interval), MAX_BYTES, 60 * SECOND)
GOOD = msgspec.json.encode(bar("A", T1))


def block_of(payloads: list[bytes], timestamp: int = T1) -> RecordBlock:
    n = len(payloads)
    return RecordBlock("market", 0, 7, 7 + n, np.arange(7, 7 + n), np.full(n, timestamp), payloads)


def assert_same(payloads: list[bytes], timestamp: int = T1) -> None:
    """Both decoders make the same of these records, to the last bit."""
    block = block_of(payloads, timestamp)
    ours, theirs = BOTH.decode(block), TYPED.decode(block)
    assert ours.integers.tolist() == theirs.integers.tolist()
    assert np.array_equal(np.isnan(ours.floats), np.isnan(theirs.floats))
    assert np.nan_to_num(ours.floats, nan=7.0).tobytes() == np.nan_to_num(theirs.floats, nan=7.0).tobytes()
    assert ours.dead_letters == theirs.dead_letters
    assert ours.flaws.tolist() == theirs.flaws.tolist()
    first = count_unknown_fields(payloads[int(theirs.kept[0])]) if len(theirs.kept) else 0
    assert ours.unknown_fields == first


def scanned(*payloads: bytes) -> tuple[list[int], Any, Any]:
    """Verdicts and columns of the scanner alone."""
    integers, floats = np.zeros((9, len(payloads)), np.int64), np.zeros((5, len(payloads)))
    integers[1] = T1
    return scan_bars(Payloads.of(payloads), RULES, integers, floats).tolist(), integers, floats


# ---------------------------------------------------------------- what records may look like
def numbers() -> st.SearchStrategy[str]:
    digits = st.text("0123456789", max_size=20)
    written = st.builds(
        lambda minus, whole, point, fraction, e: minus + whole + point + fraction + e,
        st.sampled_from(["", "", "", "-"]),
        digits,
        st.sampled_from(["", "."]),
        digits,
        st.sampled_from(["", "", "", "e5", "E-7", "e+22", "e-23", "e400", "e", "e-"]),
    )
    return st.one_of(
        st.sampled_from(
            ["1", "100.0", "99.5", "101", "0", "0.0", "-0.0", "9007199254740993", "1e2", "1E+2", "01", "1."]
        ),
        st.decimals(min_value=0, max_value=10**6, places=4).map(str),
        st.floats(min_value=0, allow_infinity=False).map(repr),
        st.floats(min_value=90, max_value=110).map(repr),
        st.integers(0, 2**65).map(str),
        written,
    )


def texts(plain: list[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.sampled_from(plain).map(lambda text: msgspec.json.encode(text).decode()),
        st.text(max_size=12).map(lambda text: msgspec.json.encode(text).decode()),
        st.sampled_from(['"\\u0041"', '"A', "A", '"\x7f"', '"\t"', "null", "1", "[]", "{}", '"\\"', "tru", "nulls"]),
    )


PRICES = st.one_of(st.sampled_from(["100.0", "100", "100.25", "1e2"]), numbers(), st.sampled_from(["null", '"1"']))
VALUES: dict[str, st.SearchStrategy[str]] = {
    "symbol": texts([*NAMES, "C", ELSEWHERE, ""]),
    "ts": st.one_of(st.just(str(T1)), st.integers(T1 - SECOND, T1 + 61 * SECOND).map(str), numbers()),
    "open": PRICES,
    "high": PRICES,
    "low": PRICES,
    "close": PRICES,
    "volume": st.one_of(numbers(), st.sampled_from(["null", '"1"', "true"])),
    "interval": texts(["1m", "5m", "3m", "", "1 hour", "ABCDEFGHI"]),
    "seq": st.one_of(st.integers(0, 2**63).map(str), numbers()),
    "final": st.sampled_from(["true", "false", "true", "null", "1", "tru", "trues"]),
    "type": texts(["bar", "bar", "quote", "clock_tick", "bars"]),
    "v": st.sampled_from(["1", "1", "1", "2", "01", "1.0", "null"]),
}
UNKNOWN = st.one_of(
    numbers(), texts(["XNAS", "USD"]), st.sampled_from(["true", "false", "null", "[1]", '{"a":1}', "-"])
)


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """Mostly whole bars in which a few fields are unusual, in any order, sometimes with a byte changed."""
    plain = {"symbol": '"A"', "ts": str(T1), "open": "100", "high": "101.5", "low": "99.25", "close": "100.125"}
    further = draw(st.lists(st.sampled_from([n for n in VALUES if n not in plain]), unique=True, max_size=5))
    unusual = draw(st.lists(st.sampled_from(sorted(VALUES)), unique=True, max_size=2))
    fields = [(n, plain[n]) for n in plain if n not in unusual]
    fields += [(n, draw(VALUES[n])) for n in dict.fromkeys([*further, *unusual])]
    fields += draw(
        st.lists(st.tuples(st.sampled_from(["vwap", "x", "intervals", "trades", "openly"]), UNKNOWN), max_size=2)
    )
    if draw(st.integers(0, 9)) == 0:
        fields.append(draw(st.sampled_from(fields)))
    order = draw(st.permutations(fields))
    comma, colon = draw(st.sampled_from([(",", ":"), (", ", ": "), ("  ,", " : "), (",\n", ":")]))
    text = (
        "{" + comma.join(f'"{name}"{colon}{value}' for name, value in order) + draw(st.sampled_from(["}", "}", " }"]))
    )
    payload = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        place = draw(st.integers(0, max(0, len(payload) - 1)))
        payload[place : place + draw(st.integers(0, 1))] = draw(st.binary(max_size=1))
    return bytes(payload)


@settings(max_examples=400)
@given(st.lists(records(), min_size=1, max_size=6))
def test_any_record_means_what_msgspec_reads_in_it(payloads: list[bytes]) -> None:
    assert_same(payloads)


@settings(max_examples=500)
@given(numbers())
@example("9007199254740992")
@example("9007199254740993.0")
@example("123456789012345678")
@example("0.000000000000000000000001")
@example("179769313486231570" + "0" * 20)
def test_any_number_is_the_double_nearest_to_it(text: str) -> None:
    payload = GOOD.replace(b'"volume":10.0', b'"volume":' + text.encode())
    assert_same([payload])
    (verdict,), _, floats = scanned(payload)
    if verdict == DECODED:
        assert floats[VOLUME, 0] == float(text)


@settings(max_examples=300)
@given(st.data())
def test_a_byte_changed_anywhere_in_a_plain_bar(data: st.DataObject) -> None:
    payload = bytearray(msgspec.json.encode(bar("BTC/USDT:USDT", T1, 43_000.5, interval="5m", seq=12, vwap=1.5, v=1)))
    payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    assert_same([bytes(payload), GOOD])


# ---------------------------------------------------------------- what the scanner takes, and what it leaves
@pytest.mark.parametrize(
    "payload",
    [
        GOOD,
        GOOD.replace(b",", b", ").replace(b":", b": "),
        GOOD.replace(b'"volume":10.0', b'"volume":null'),
        GOOD.replace(
            b'"volume":10.0', b'"volume":1E-5,"venue":"XNAS","n":-1.5,"ok":true,"long_field_name":"long enough"'
        ),
        GOOD.replace(b'"type":"bar",', b""),
        GOOD[:-1] + b',"interval":"","final":true,"v":1,"seq":4611686018427387904}',
    ],
)
def test_plain_bars_are_decoded_by_the_scanner(payload: bytes) -> None:
    verdicts, integers, floats = scanned(payload)
    assert verdicts == [DECODED]
    assert (integers[TS, 0], OWN[integers[SYMBOL, 0]], floats[CLOSE, 0]) == (T1, "A", 100.0)
    assert_same([payload])


def test_every_symbol_and_interval_finds_its_place() -> None:
    """Names of the same beginning and of any length; what is not plain ASCII is msgspec's."""
    for name in OWN:
        for interval in PLAN.intervals:
            payload = msgspec.json.encode(bar(name, T1, interval=interval, seq=3))
            verdicts, integers, _ = scanned(payload)
            if name in ("Ä", 'Q"'):
                assert verdicts == [LEFT]
            else:
                assert verdicts == [DECODED] and OWN[integers[SYMBOL, 0]] == name
                assert PLAN.intervals[integers[INTERVAL, 0]] == interval and integers[SEQ, 0] == 3
            assert_same([payload])


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"{",
        b"}",
        GOOD + b" ",
        b" " + GOOD,
        GOOD + GOOD,
        GOOD[:-1] + b",}",
        GOOD[:-1] + b',"close":100.0}',
        GOOD[:-1] + b',"x":1e5}',
        GOOD[:-1] + b',"x":"\\n"}',
        GOOD[:-1] + b',"x":"\n"}',
        GOOD[:-1] + b',"x":"\x80"}',
        GOOD[:-1] + b',"x":[]}',
        GOOD[:-1] + b',"x":"}',
        GOOD[:-1] + b',"x":01}',
        GOOD[:-1] + b',"final":null}',
        GOOD[:-1] + b',"v":2}',
        GOOD[:-1] + b',"seq":4611686018427387905}',
        GOOD[:-1] + b',"x":"' + b"x" * MAX_BYTES + b'"}',
        GOOD.replace(b'"close":100.0', b'"close":102.0'),
        GOOD.replace(b'"close":100.0', b'"close":0.0'),
        GOOD.replace(b'"close":100.0', b'"close":null'),
        GOOD.replace(b'"volume":10.0', b'"volume":-1.0'),
        GOOD.replace(str(T1).encode(), str(T1 + 61 * SECOND).encode()),
        GOOD.replace(str(T1).encode(), b"0"),
        msgspec.json.encode(bar("E", T1, interval="3m")),
        msgspec.json.encode(bar(ELSEWHERE, T1)),
    ],
)
def test_anything_else_is_left_to_msgspec(payload: bytes) -> None:
    assert scanned(payload, GOOD)[0] == [LEFT, DECODED]
    assert_same([GOOD, payload, GOOD])


def test_a_forming_bar_leaves_no_row() -> None:
    """Its close is not there yet: it may not even move the clock."""
    forming = msgspec.json.encode(bar("A", T1 + 3600 * SECOND, final=False))
    assert scanned(forming)[0] == [FORMING]
    assert BOTH.decode(block_of([forming])).integers.shape[1] == 0
    assert_same([forming, GOOD, forming])


def test_the_last_bytes_of_a_foreign_buffer_are_never_read_beyond() -> None:
    """Without padding behind it, a record at the very end is msgspec's."""
    tight = Payloads(GOOD + GOOD, np.array([0, len(GOOD), 2 * len(GOOD)], np.int64))
    integers, floats = np.full((9, 2), T1), np.zeros((5, 2))
    assert scan_bars(tight, RULES, integers, floats).tolist() == [DECODED, LEFT]
    block = block_of([GOOD, GOOD])
    whole = BOTH.decode(RecordBlock("market", 0, 7, 9, block.offsets, block.timestamps, tight))
    assert whole.integers.tolist() == BOTH.decode(block).integers.tolist()
