"""Bytes of good messages changed at random: never a crash; each is used, ignored or refused with a reason."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.reasons import Reason
from tests.operators.normalize.logs import MINUTE, START, bar, plan_of, quote, record, run_group, tick, trade
from tests.operators.side.test_side_step import command, run

T1 = START + MINUTE
PLAN = plan_of("AB", quality={"minimum": 10_000})
MARKET = [msgspec.json.encode(m) for m in (bar("A", T1), quote("A", T1, 9, 11), trade("B", T1, 9, 1), tick(T1))]
CONTROL = [msgspec.json.encode(command(T1, 1, note="why", effective_at=T1, body={"mode": "freeze", "x": [1, 2.5]}))]
SCRAPS = [b"", b"\x00", b"\xff", b'"', b"{", b"}", b"[" * 300, b"\n", b",", b"-", b"9" * 30, b"e999", b"null", b"NaN"]


@st.composite
def mutated(draw: st.DrawFn, good: list[bytes]) -> bytes:
    """A good payload with up to four pieces replaced."""
    payload = draw(st.sampled_from(good))
    for _ in range(draw(st.integers(1, 4))):
        at, width = draw(st.integers(0, len(payload))), draw(st.integers(0, 6))
        piece = draw(st.one_of(st.binary(max_size=3), st.sampled_from(SCRAPS)))
        payload = payload[:at] + piece + payload[at + width :]
    return payload


def _known(reasons: list[tuple[int, str]]) -> bool:
    return all(Reason[name] for _, name in reasons)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(payloads=st.lists(mutated(MARKET), min_size=1, max_size=5))
def test_market_bytes(payloads: list[bytes]) -> None:
    log: list[Any] = [bar("A", START), *[record(p, T1) for p in payloads], bar("B", T1)]
    whole = run_group(PLAN, log)
    assert _known(whole.reasons())
    assert run_group(PLAN, log, range(len(log))) == whole
    for row in whole.cycles:
        assert all(p is None or 0 < p < float("inf") for p in (*row[3], *row[4]))


@settings(max_examples=150, derandomize=True, deadline=None)
@given(payloads=st.lists(mutated(CONTROL), min_size=1, max_size=5))
def test_control_bytes(payloads: list[bytes]) -> None:
    made = run([command(START), *[record(p, T1) for p in payloads], command(T1 + MINUTE, 9), tick(T1 + MINUTE)])
    assert _known(made.reasons())
    assert len(made.messages) + len(made.letters) >= len(payloads) + 1
