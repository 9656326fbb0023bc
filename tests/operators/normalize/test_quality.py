"""The quality gate marks a symbol degraded over a rolling window of its messages (spec 2)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.operators.normalize.logs import MINUTE, SECOND, START, Record, bar, plan_of, record, run_group, tick

T1 = START + MINUTE


def minutes(count: int) -> list[dict[str, Any]]:
    """Bars of A."""
    return [bar("A", START + n * MINUTE) for n in range(1, count + 1)]


def verdicts(log: list[dict[str, Any] | bytes | Record], **quality: float) -> list[bool]:
    """The verdict on A in each cycle."""
    outcome = run_group(plan_of("A", quality=quality), log)
    return [flags[0] for flags in outcome.degraded().values()]


def test_a_clean_feed_is_never_degraded() -> None:
    assert not any(verdicts([*minutes(60)]))


def test_too_few_messages_are_no_verdict() -> None:
    log = [bar("A", T1, low=500), *minutes(19)]
    assert verdicts([*log]) == [False] * 18 + [True], "one in twenty is more than one in a hundred"


@pytest.mark.parametrize(
    "flawed",
    [
        {k: v for k, v in bar("A", T1).items() if k != "close"},
        bar("A", T1) | {"close": "100"},
        bar("A", T1, v=7),
        {"type": "quote", "symbol": "A", "ts": T1, "bid": "x", "ask": 1},
        bar("A", T1, interval="soon"),
        bar("A", T1, low=500),
    ],
    ids=["null", "type of a field", "version", "quote", "interval", "range"],
)
def test_a_refused_message_of_a_known_symbol_counts_against_it(flawed: dict[str, Any]) -> None:
    assert verdicts([*minutes(2), flawed, bar("A", START + 3 * MINUTE)], minimum=1) == [False, False, True]


def test_a_message_without_a_known_symbol_counts_against_nobody() -> None:
    assert not any(verdicts([bar("nobody", T1), b"{", *minutes(3)], minimum=1))


def test_stale_is_the_95th_percentile_of_the_delay() -> None:
    def log(late: int) -> list[Any]:
        return [record(m, m["ts"] + (121 if n < late else 120) * SECOND) for n, m in enumerate(minutes(40))]

    assert verdicts(log(2))[-1] is False
    assert verdicts(log(3))[-1] is True


def test_duplicates_and_disorder_count() -> None:
    twice = [m for m in minutes(10) for _ in range(2)]
    assert verdicts([*twice], minimum=20)[-1] is False, "the verdict falls before the last repetition"
    assert verdicts([*twice, bar("A", START + 11 * MINUTE)], minimum=20)[-1] is True
    disorder = [bar("A", START + 5 * MINUTE), bar("A", T1), bar("A", START + 6 * MINUTE)]
    assert verdicts([*disorder], minimum=1) == [False, True]


def test_the_window_forgets() -> None:
    log = [bar("A", T1, low=500), *minutes(60)]
    assert verdicts([*log], minimum=1, window=20) == [True] * 19 + [False] * 41


def test_a_tick_is_nobodys_message() -> None:
    assert not any(verdicts([bar("A", T1), tick(T1), tick(T1), bar("A", T1 + MINUTE)], minimum=1))
