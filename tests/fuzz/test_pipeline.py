"""The whole pipeline under bad input on every topic: never a crash, never an order from bad data, nothing lost.

Bad records stand between good ones, whose offsets stay what they are. Then *nothing* in a decision may differ from the
run without them: not its hash, not its input positions. (Where a bad record takes up an offset that a good one would
have had, the input positions differ, and with them the chain; nothing else.)
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.frames import DeadLetterRow
from schemas.configuration import ConfigurationError, parse_configuration
from schemas.partitioning import murmur2_partition
from schemas.reasons import Reason
from tests.fuzz.logs import (
    GAP,
    HOUR,
    HOURS,
    PARTITIONS,
    PLACES,
    START,
    SYMBOLS,
    Outcome,
    Place,
    Rows,
    bar,
    command,
    document,
    good,
    make_plan,
    played,
)
from tests.fuzz.test_bytes import mutated

PLAN = make_plan()
LOG = good()
CLEAN = played(PLAN, LOG)
MARKET_PLACES = [p for p in PLACES if p[0] == "market"]
#: (payload, reasons with which it may be refused)
Bad = tuple[bytes, frozenset[str]]


def test_the_clean_log_is_worth_fuzzing() -> None:
    assert CLEAN.letters == []
    assert CLEAN.ordered() > 20 and len(CLEAN.orders) == CLEAN.ordered()


# ---------------------------------------------------------------- bad on purpose
def _bad(reasons: str | tuple[str, ...], payload: dict[str, Any] | bytes) -> Bad:
    names = (reasons,) if isinstance(reasons, str) else reasons
    encoded = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
    return encoded, frozenset(f"INPUT_{n}" for n in names)


scalars = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=8)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
no_objects = json_values.filter(lambda v: not isinstance(v, dict))
no_json = st.text(max_size=12).map(lambda t: b"{" + t.replace("}", "").encode("utf-8", "replace"))
no_utf8 = st.text("abc{}:,", max_size=8).map(lambda text: b'{"type":"bar","x":"\xff' + text.encode() + b'"}')
not_positive = st.floats(max_value=0.0, allow_nan=False, allow_infinity=False) | st.just(0)

anything_bad: st.SearchStrategy[Bad] = st.one_of(
    st.just(_bad("EMPTY", b"")),
    no_json.map(lambda p: _bad(("NOT_JSON", "SCHEMA"), p)),
    no_utf8.map(lambda p: _bad("NOT_UTF8", p)),
    no_objects.map(lambda v: _bad(("SCHEMA", "NOT_JSON"), msgspec.json.encode(v))),
    st.dictionaries(st.sampled_from(["ts", "symbol", "x", "v", "id"]), json_values, max_size=4).map(
        lambda d: _bad(("SCHEMA", "TYPE"), {**d, "type": "nonsense"})
    ),
    st.integers(200, 4000).map(lambda n: _bad(("SCHEMA", "NOT_JSON"), b'{"type":"bar","x":' + b"[" * n)),
    st.integers(65_537, 70_000).map(lambda n: _bad("TOO_LARGE", b'{"type":"bar","x":"' + b"y" * n + b'"}')),
)
hours = st.integers(1, HOURS)


_PRICES = ("BAD_PRICE", "BAD_RANGE")


def bad_bar(partition: int) -> st.SearchStrategy[Bad]:
    """A bar of the partition with one fault."""
    here = [s for s in SYMBOLS if murmur2_partition(s.encode(), PARTITIONS) == partition]
    elsewhere = [s for s in SYMBOLS if s not in here]
    price = st.sampled_from(["open", "high", "low", "close"])
    own, hour = st.sampled_from(here), hours
    return st.one_of(
        st.builds(lambda s, h, f, v: _bad(_PRICES, bar(s, h, **{f: v})), own, hour, price, not_positive),
        st.builds(lambda s, h: _bad("BAD_RANGE", bar(s, h, high=50.0, low=60.0)), own, hour),
        st.builds(lambda s, h, v: _bad("BAD_VOLUME", bar(s, h, volume=v)), own, hour, st.floats(-1e9, -0.001)),
        st.builds(lambda s, h, f, v: _bad("SCHEMA", bar(s, h, **{f: v})), own, hour, price, st.text(max_size=3)),
        st.builds(lambda s, h: _bad("SCHEMA", bar(s, h, ts="today")), own, hour),
        st.builds(lambda s, h: _bad("SCHEMA", {k: v for k, v in bar(s, h).items() if k != "ts"}), own, hour),
        st.builds(lambda s, h, v: _bad("VERSION", bar(s, h, v=v)), own, hour, st.integers(2, 99)),
        st.builds(lambda s, h: _bad("UNKNOWN_INTERVAL", bar(s, h, interval="7 moons")), own, hour),
        st.builds(lambda s, h: _bad("UNKNOWN_SYMBOL", bar(s, h)), st.sampled_from(["ZZZ", "aaa", "AAA "]), hour),
        st.builds(lambda s, h: _bad("WRONG_PARTITION", bar(s, h)), st.sampled_from(elsewhere), hour),
        st.builds(lambda s, h: _bad("FUTURE", bar(s, h, ts=START + 99 * HOUR * h)), own, st.integers(40, 90)),
    )  # fmt: skip


bad_command: st.SearchStrategy[Bad] = st.one_of(
    st.builds(lambda h: _bad("SCHEMA", command(h, command="kill", typo=1)), hours),
    st.builds(
        lambda h: _bad("SCHEMA", {k: v for k, v in command(h, command="kill").items() if k != "operator"}), hours
    ),
    st.builds(lambda h: _bad("SCHEMA", command(h, command="kill", target={"scope": "moon"})), hours),
    st.builds(lambda h: _bad("SCHEMA", command(h, command="kill", body=[1])), hours),
    st.builds(lambda h: _bad("VERSION", command(h, command="kill", v=2)), hours),
    st.builds(lambda h: _bad("FUTURE", command(h, command="kill", ts=START + 999 * HOUR)), hours),
)


def bad_of(place: Place) -> st.SearchStrategy[Bad]:
    own = {"market": bad_bar(place[1]), "control": bad_command}.get(place[0])
    return anything_bad if own is None else anything_bad | own


Inserted = list[tuple[Place, int, Bad]]
inserted: st.SearchStrategy[Inserted] = st.lists(
    st.one_of([st.tuples(st.just(p), st.integers(0, len(LOG[p]) - 1), bad_of(p)) for p in PLACES]),
    min_size=1,
    max_size=12,
)


def with_bad(found: Inserted) -> tuple[dict[Place, Rows], dict[Place, dict[int, Bad]]]:
    """The log with bad records before the given good ones, and which they are by offset."""
    log = {place: list(rows) for place, rows in LOG.items()}
    bad: dict[Place, dict[int, Bad]] = {place: {} for place in PLACES}
    for number, (place, before, one) in enumerate(found):
        good_offset, timestamp, _ = LOG[place][before]
        offset = good_offset - GAP + 1 + number
        log[place].append((offset, timestamp, one[0]))
        bad[place][offset] = one
    return {place: sorted(rows, key=lambda r: r[0]) for place, rows in log.items()}, bad


@settings(max_examples=25)
@given(found=inserted, size=st.integers(1, 80))
def test_bad_records_among_good_ones_change_nothing_and_all_become_dead_letters(found: Inserted, size: int) -> None:
    log, bad = with_bad(found)
    dirty = played(PLAN, log, size)
    assert dirty.bodies == CLEAN.bodies
    assert dirty.orders == CLEAN.orders
    for place in PLACES:
        letters = dirty.letters_of(place)
        assert [row.offset for row in letters] == sorted(bad[place])
        times = {offset: timestamp for offset, timestamp, _ in log[place]}
        for row in letters:
            payload, reasons = bad[place][row.offset]
            assert row.payload == payload, "raw, as it came"
            assert row.timestamp == times[row.offset]
            # What also lies ahead of its record timestamp may be refused for that.
            assert row.reason in reasons | {"INPUT_FUTURE"}, (row.reason, row.error, payload[:200])
            assert row.error


# ---------------------------------------------------------------- bad by accident
def _payloads(place: Place) -> list[bytes]:
    return [payload for _, _, payload in LOG[place]]


changed_bytes = st.lists(
    st.one_of([st.tuples(st.just(p), st.integers(0, len(LOG[p]) - 1), mutated(_payloads(p))) for p in PLACES]),
    min_size=1,
    max_size=10,
)


def _without(log: dict[Place, Rows], letters: list[DeadLetterRow]) -> dict[Place, Rows]:
    refused = {(row.topic, row.partition, row.offset) for row in letters}
    return {place: [r for r in rows if (*place, r[0]) not in refused] for place, rows in log.items()}


@settings(max_examples=25)
@given(found=changed_bytes, replace=st.booleans())
def test_what_becomes_a_dead_letter_has_no_effect_at_all(found: list[tuple[Place, int, bytes]], replace: bool) -> None:
    """Some changed bytes still make a good message, which may be traded. What is refused might as well not be there."""
    log = {place: {offset: (offset, ts, payload) for offset, ts, payload in rows} for place, rows in LOG.items()}
    for number, (place, at, payload) in enumerate(found):
        offset, timestamp, _ = LOG[place][at]
        put = offset if replace else offset - GAP + 1 + number
        log[place][put] = (put, timestamp, payload)
    whole = {place: [rows[o] for o in sorted(rows)] for place, rows in log.items()}
    dirty = played(PLAN, whole)
    assert all(Reason[row.reason] and row.error for row in dirty.letters)
    for row in dirty.letters:
        assert (row.offset, row.timestamp, row.payload) == log[row.topic, row.partition][row.offset]
    alone = played(PLAN, _without(whole, dirty.letters))
    assert (alone.bodies, alone.orders) == (dirty.bodies, dirty.orders)


# ---------------------------------------------------------------- bounds
def test_a_fills_topic_is_refused_where_the_portfolio_fills_its_own_orders() -> None:
    made = document()
    made["topics"]["fills"] = {}
    with pytest.raises(ConfigurationError, match=r"topics\.fills must not be set"):
        parse_configuration(made)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("unit", [b"[", b'{"a":', b'"', b"9", b"\\", b"\xff", b"\n", b'{"type":"bar"}', b" "])
def test_huge_payloads_cost_bounded_time(unit: bytes) -> None:
    log = {place: list(rows) for place, rows in LOG.items()}
    for place in PLACES:
        log[place] = sorted([*log[place], *((GAP + n, START, unit * 70_000) for n in range(1, 4))])
    dirty = played(PLAN, log)
    assert (dirty.bodies, dirty.orders) == (CLEAN.bodies, CLEAN.orders)
    assert {row.reason for row in dirty.letters} == {"INPUT_TOO_LARGE"}
    assert len(dirty.letters) == 3 * len(PLACES)


def test_the_comparison_can_fail() -> None:
    """One changed price among good bars is seen."""
    place = MARKET_PLACES[0]
    other = {**LOG, place: [*LOG[place]]}
    offset, timestamp, payload = other[place][30]
    other[place][30] = (
        offset,
        timestamp,
        payload.replace(b'"close":1', b'"close":2').replace(b'"high":1', b'"high":2'),
    )
    changed: Outcome = played(PLAN, other)
    assert changed.bodies != CLEAN.bodies
