"""What a market message must be (spec 2): everything else is a dead letter with a reason, whatever stands beside it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from operators.frames import FLAW_ACTION, FLAW_SCHEMA, MarketBlock
from operators.nesting import MAX_NESTING, too_deep
from operators.normalize.decode import MarketDecoder
from tests.operators.normalize.logs import MINUTE, START, bar, blocks, plan_of, quote, record, run_group, tick, trade

T1 = START + MINUTE
PLAN = plan_of("AB", topics={"market": {"partitions": 1, "max_payload_bytes": 4096}})
GOOD = msgspec.json.encode(bar("A", T1))


def decoded(*messages: dict[str, Any] | bytes) -> MarketBlock:
    """One block."""
    (block,) = blocks([record(m, START + 10 * MINUTE) for m in messages], [])
    return MarketDecoder(PLAN, 0).decode(block)


def with_text(field: str) -> bytes:
    """A good bar with one more field."""
    return GOOD[:-1] + b"," + field.encode("latin-1") + b"}"


REFUSED: dict[str, tuple[dict[str, Any] | bytes, str]] = {
    "empty": (b"", "INPUT_EMPTY"),
    "blank": (b" ", "INPUT_NOT_JSON"),
    "cut off": (GOOD[:-4], "INPUT_NOT_JSON"),
    "two objects": (GOOD + GOOD, "INPUT_NOT_JSON"),
    "an array": (b"[]", "INPUT_SCHEMA"),
    "null": (b"null", "INPUT_SCHEMA"),
    "not UTF-8": (b"\xff\xfe", "INPUT_NOT_UTF8"),
    "not UTF-8 in a symbol": (GOOD.replace(b'"A"', b'"\xff"'), "INPUT_NOT_UTF8"),
    "not UTF-8 in an ignored field": (with_text('"junk":"\xff"'), "INPUT_NOT_UTF8"),
    "half a surrogate": (GOOD.replace(b'"A"', b'"\\ud800"'), "INPUT_NOT_JSON"),
    "oversized": (with_text('"junk":"' + "x" * 5000 + '"'), "INPUT_TOO_LARGE"),
    "deep": (with_text('"junk":' + "[" * 200 + "]" * 200), "INPUT_SCHEMA"),
    "too deep for a parser": (with_text('"junk":' + "[" * 1900 + "]" * 1900), "INPUT_SCHEMA"),
    "NaN": (GOOD.replace(b'"close":100.0', b'"close":NaN'), "INPUT_NOT_JSON"),
    "too large a number": (GOOD.replace(b'"close":100.0', b'"close":1e999'), "INPUT_SCHEMA"),
    "a huge integer": (GOOD.replace(b'"close":100.0', b'"close":' + b"9" * 400), "INPUT_SCHEMA"),
    "a huge time": (GOOD.replace(str(T1).encode(), b"9" * 40), "INPUT_SCHEMA"),
    "a negative time": (GOOD.replace(str(T1).encode(), b"-1"), "INPUT_SCHEMA"),
    "no time": ({k: v for k, v in bar("A", T1).items() if k != "ts"}, "INPUT_SCHEMA"),
    "a price as text": (GOOD.replace(b'"close":100.0', b'"close":"100"'), "INPUT_SCHEMA"),
    "no close": ({k: v for k, v in bar("A", T1).items() if k != "close"}, "INPUT_SCHEMA"),
    "a null close": (bar("A", T1) | {"close": None}, "INPUT_SCHEMA"),
    "another version": (bar("A", T1, v=2), "INPUT_VERSION"),
    "another type": ({"type": "order", "symbol": "A", "ts": T1}, "INPUT_TYPE"),
    "an interval that is none": (bar("A", T1, interval="1 hour"), "INPUT_UNKNOWN_INTERVAL"),
    "an unknown symbol": (bar("C", T1), "INPUT_UNKNOWN_SYMBOL"),
    "no symbol": ({k: v for k, v in bar("A", T1).items() if k != "symbol"}, "INPUT_SCHEMA"),
    "a price of zero": (bar("A", T1, low=0.0), "INPUT_BAD_PRICE"),
    "a negative price": (bar("A", T1, close=-5.0), "INPUT_BAD_PRICE"),
    "high below low": (bar("A", T1, high=98.0), "INPUT_BAD_RANGE"),
    "close above high": (bar("A", T1, high=100.0, open=101.0), "INPUT_BAD_RANGE"),
    "a negative volume": (bar("A", T1, volume=-1.0), "INPUT_BAD_VOLUME"),
    "a bad price of a forming bar": (bar("A", T1, close=-5.0, final=False), "INPUT_BAD_PRICE"),
    "a bad price of an unused interval": (bar("A", T1, close=-5.0, interval="3m"), "INPUT_BAD_PRICE"),
    "a crossed quote": (quote("A", T1, 11, 9), "INPUT_CROSSED_QUOTE"),
    "a quote without ask": ({"type": "quote", "symbol": "A", "ts": T1, "bid": 9}, "INPUT_SCHEMA"),
    "a quote of text": ({"type": "quote", "symbol": "A", "ts": T1, "bid": "9", "ask": 11}, "INPUT_SCHEMA"),
    "a quote too large": (
        b'{"type":"quote","symbol":"A","ts":%d,"bid":1e999,"ask":1}' % T1,
        "INPUT_SCHEMA",
    ),
    "a negative quoted size": (quote("A", T1, 9, 11, bid_size=-1), "INPUT_BAD_VOLUME"),
    "a trade for nothing": (trade("A", T1, 0.0, 1.0), "INPUT_BAD_PRICE"),
    "a trade of less than nothing": (trade("A", T1, 1.0, -1.0), "INPUT_BAD_VOLUME"),
    "a tick without time": ({"type": "clock_tick"}, "INPUT_SCHEMA"),
    "a tick of another version": (tick(T1) | {"v": 2}, "INPUT_VERSION"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_its_reason_alone_and_among_others(name: str) -> None:
    message, reason = REFUSED[name]
    payload = message if isinstance(message, bytes) else msgspec.json.encode(message)
    for place, messages in enumerate(([message], [bar("B", T1), message], [GOOD, message, tick(T1)])):
        block = decoded(*messages)
        (letter,) = block.dead_letters
        assert (letter.offset, letter.reason, letter.payload) == (min(place, 1), reason, payload)
        assert letter.error and block.integers.shape[1] == len(messages) - 1


def test_the_reason_for_a_wrong_partition_names_the_right_one() -> None:
    explicit = {"partitions": 2, "partitioner": "explicit", "partition_of": {"A": 0, "B": 1}}
    plan = plan_of("AB", topics={"market": explicit})
    (letter,) = run_group(plan, [bar("B", T1)]).letters
    assert letter.reason == "INPUT_WRONG_PARTITION" and "partition 1" in letter.error


def test_unknown_fields_are_ignored_and_counted() -> None:
    block = decoded(with_text('"junk":1,"more":[{"x":"}\\n{"}]'))
    assert (block.integers.shape[1], block.unknown_fields) == (1, 2)


def test_an_ignored_field_that_cannot_be_read_does_not_stop_the_flow() -> None:
    """Counting unknown fields once raised for a number that the typed decoder had skipped."""
    block = decoded(with_text('"junk":1e999'))
    assert (block.integers.shape[1], len(block.dead_letters)) == (1, 0)


@pytest.mark.parametrize(
    "payloads",
    [
        (GOOD + b" " + GOOD, b" "),
        (GOOD + GOOD, b"\t"),
        (b'{"symbol":"A","body":', b'{"a":1}}', GOOD + GOOD),
        (b'{"symbol":"A","x":"}', b'{"}', GOOD + GOOD),
    ],
)
def test_objects_and_messages_are_never_confused(payloads: tuple[bytes, ...]) -> None:
    """Joined payloads with as many objects as messages once passed, each under another message's position."""
    block = decoded(*payloads)
    assert block.integers.shape[1] == 0
    assert [letter.offset for letter in block.dead_letters] == list(range(len(payloads)))


def test_a_message_over_several_lines_is_a_message() -> None:
    assert decoded(GOOD.replace(b",", b",\n"), GOOD).integers.shape[1] == 2


def test_nesting_is_counted_outside_of_strings() -> None:
    assert not too_deep(b'{"a":"' + b"[" * 500 + b'\\"[["}')
    assert not too_deep(b"[1]," * 500)
    assert not too_deep(b"[" * MAX_NESTING + b"]" * MAX_NESTING)
    assert too_deep(b"[" * (MAX_NESTING + 1))


def test_a_corporate_action_is_a_dead_letter_until_it_is_obeyed() -> None:
    """A split that is ignored would be a crash of the price: it is loud, and counts against the symbol's quality."""
    action = {"type": "corporate_action", "symbol": "A", "ts": T1, "action": "split", "ratio": 2.0}
    block = decoded(action)
    assert [letter.reason for letter in block.dead_letters] == ["INPUT_CORPORATE_ACTION"]
    assert block.flaws.tolist() == [[0], [0], [FLAW_SCHEMA | FLAW_ACTION]]


def test_a_partition_without_symbols_follows_its_ticks() -> None:
    empty = plan_of(
        "AB", topics={"market": {"partitions": 2, "partitioner": "explicit", "partition_of": {"A": 1, "B": 1}}}
    )
    outcome = run_group(empty, [tick(T1), bar("A", T1)])
    assert outcome.closed_to == T1 and outcome.reasons() == [(1, "INPUT_WRONG_PARTITION")]
