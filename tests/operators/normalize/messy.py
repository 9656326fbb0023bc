"""Random logs with everything that real ones have: late, repeated, corrected and broken messages, jumps and ticks."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.operators.normalize.logs import DAY, MINUTE, SECOND, START, Record, bar, quote, record, tick, trade

SYMBOLS = ("A", "B", "C")
INTERVALS = ("30s", "1m", "2m")
#: One wrong instrument, price, range, version, type, or no JSON at all.
GARBAGE: tuple[dict[str, Any] | bytes, ...] = (
    b"",
    b"\xff\xfe",
    b"{",
    b'{"type":"bar"} {"type":"bar"}',
    b" ",
    b"null",
    b'{"type":"bar","symbol":"A","ts":1e400}',
    bar("nobody", START),
    bar("A", START, close=-5.0),
    bar("B", START, low=1e6),
    bar("C", START, v=9),
    bar("A", START, interval="soon"),
    quote("A", START, 11, 9),
    {"type": "corporate_action", "symbol": "A", "ts": START, "action": "split", "ratio": 2.0},
)

_AROUND = st.sampled_from([-200, -70, -30, -8, -5, -1, 0, 0, 0, 0, 1, 4, 30])
_PRICE = st.integers(50, 200).map(float)
_SYMBOL = st.sampled_from(SYMBOLS)
_SEQ = st.sampled_from([0, 0, 0, 0, 1, 2])


@st.composite
def _message(draw: st.DrawFn, now: int) -> tuple[dict[str, Any] | bytes, int]:
    """A message read at the event time ``now``, and its event time."""
    kind = draw(
        st.sampled_from(["bar"] * 8 + ["quote", "trade", "tick", "forming", "unused", "garbage", "jump", "far"])
    )
    border = -(-now // MINUTE) * MINUTE + draw(st.sampled_from([0, 0, 0, 0, -MINUTE, -2 * MINUTE, MINUTE]))
    loose = now + draw(_AROUND) * SECOND
    symbol, price, seq = draw(_SYMBOL), draw(_PRICE), draw(_SEQ)
    if kind == "garbage":
        return draw(st.sampled_from(GARBAGE)), now
    if kind == "tick":
        return tick(loose), loose
    if kind == "quote":
        return quote(symbol, loose, price, price + 1, bid_size=1.0, seq=seq), loose
    if kind == "trade":
        return trade(symbol, loose, price, float(draw(st.integers(0, 3))), seq=seq), loose
    ts = {"jump": now + 40 * DAY, "far": now + 4000 * DAY}.get(kind, border)
    interval = "3m" if kind == "unused" else draw(st.sampled_from(INTERVALS))
    if interval == "30s" and draw(st.booleans()):
        ts -= 30 * SECOND
    return bar(symbol, ts, price, interval=interval, seq=seq, final=kind != "forming", volume=price), ts


@st.composite
def messy_logs(draw: st.DrawFn, max_size: int = 60) -> list[Record]:
    """A log of one partition whose event time moves on, with repetitions of what came before."""
    log: list[Record] = []
    now = START + MINUTE
    for _ in range(draw(st.integers(1, max_size))):
        if log and draw(st.integers(0, 9)) == 0:
            log.append(log[draw(st.integers(max(0, len(log) - 8), len(log) - 1))])
            continue
        now += draw(st.sampled_from([0, 0, 0, 10, 30, 60])) * SECOND
        message, ts = draw(_message(now))
        log.append(record(message, ts + draw(st.sampled_from([0, 0, 0, 200])) * SECOND))
    if draw(st.booleans()):
        log.append(record(tick(now + draw(st.sampled_from([0, 60, 86_400])) * SECOND)))
    return log
