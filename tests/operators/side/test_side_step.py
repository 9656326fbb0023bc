"""When a side message takes effect (design, "Side topics")."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.contiguity import ContiguityError, SnapshotError
from operators.frames import BEGINNING, DeadLetterRow, RecordBlock, SideMessage
from operators.side.side_step import SideStep
from tests.operators.normalize.logs import DAY, SECOND, START, Record, blocks, plan_of, record, tick

PLAN = plan_of("AB", topics={"market": {"partitions": 1}, "control": {"partitions": 1}})


def command(ts: int, number: int = 0, **fields: Any) -> dict[str, Any]:
    """A command that needs no rights."""
    return {
        "type": "control", "id": f"c{number}", "command": "force_rebalance", "operator": "op", "ts": ts,
        "portfolio": "main", "target": {"scope": "global"}, **fields,
    }  # fmt: skip


class Run:
    """What came of a control partition."""

    def __init__(self) -> None:
        self.step = SideStep(PLAN, "control", 0)
        self.messages: list[SideMessage] = []
        self.letters: list[DeadLetterRow] = []
        self.passed = BEGINNING

    def feed(self, block: RecordBlock) -> None:
        """One block."""
        frame, letters = self.step.step(block)
        if frame is not None:
            self.messages += frame.messages
            assert frame.passed >= self.passed
            self.passed = frame.passed
        if letters is not None:
            self.letters += letters.rows

    def effects(self) -> list[int]:
        """Effective event times."""
        return [m.effective for m in self.messages]

    def reasons(self) -> list[tuple[int, str]]:
        """(offset, reason) of the dead letters."""
        return [(x.offset, x.reason) for x in self.letters]

    def everything(self) -> tuple[Any, ...]:
        """All of it, to compare."""
        return self.messages, self.letters, self.passed


def run(log: Sequence[dict[str, Any] | bytes | Record], cuts: Iterable[int] = (), *, crashes: bool = False) -> Run:
    """A log through a control partition."""
    records = [m if isinstance(m, Record) else record(m) for m in log]
    made = Run()
    for block in blocks(records, cuts, "control"):
        made.feed(block)
        if crashes:
            saved = pickle.loads(pickle.dumps(made.step.snapshot()))
            made.step = SideStep(PLAN, "control", 0)
            made.step.restore(saved)
    return made


def test_a_message_takes_effect_at_its_own_time_but_never_before_an_earlier_one() -> None:
    assert run([command(START), command(START + 5), command(START + 3), command(START + 9)]).effects() == [
        START, START + 5, START + 5, START + 9,
    ]  # fmt: skip


def test_a_message_passes_everything_before_it_and_a_tick_its_own_time() -> None:
    assert run([command(START)]).passed == START - 1
    assert run([command(START), tick(START)]).passed == START


def test_what_a_tick_passed_is_late_and_takes_effect_right_after_it() -> None:
    made = run([tick(START), command(START), command(START + 1)])
    assert [(m.effective, m.late) for m in made.messages] == [(START + 1, True), (START + 1, False)]


def test_effective_at_only_schedules() -> None:
    later = START + DAY
    made = run([command(START, effective_at=later), command(START + 1)])
    assert made.effects() == [later, START + 1] and made.passed == START


def test_effective_at_in_the_past_changes_nothing() -> None:
    assert run([command(START, effective_at=START - DAY)]).effects() == [START]


def test_max_future_holds_for_ts_and_not_for_effective_at() -> None:
    ahead = record(command(START + 61 * SECOND), timestamp=START)
    made = run([ahead, record(command(START, effective_at=START + DAY), timestamp=START)])
    assert made.reasons() == [(0, "INPUT_FUTURE")] and made.effects() == [START + DAY]


def test_a_wrong_year_does_not_put_off_the_commands_that_follow() -> None:
    """It once moved e, so that no later command took effect before that year."""
    wrong = command(START + 4000 * DAY, 1)
    log = [command(START), wrong, *[command(START + n, n + 2) for n in range(1, 101)]]
    made = run(log)
    assert made.effects() == [START, *range(START + 1, START + 101)]
    assert made.reasons() == [(1, "INPUT_TIME_JUMP")]
    assert run(log[:-1]).letters == []


def test_a_message_after_long_silence_waits_for_a_tick_and_keeps_its_time() -> None:
    late = START + 90 * DAY
    assert run([command(START), command(late, 1)]).effects() == [START]
    assert run([command(START), command(late, 1), tick(late)]).effects() == [START, late]
    assert run([command(START), command(late, 1), command(late, 1)]).effects() == [START], "the same message again"
    assert run([command(START), command(late, 1), command(late + 5, 2)]).effects() == [START, late, late + 5]


REFUSED: dict[str, tuple[dict[str, Any] | bytes, str]] = {
    "empty": (b"", "INPUT_EMPTY"),
    "no JSON": (b"{", "INPUT_NOT_JSON"),
    "not UTF-8": (b"\xff", "INPUT_NOT_UTF8"),
    "an unknown field": (command(START, twist=1), "INPUT_SCHEMA"),
    "a market message": ({"type": "bar", "symbol": "A", "ts": START}, "INPUT_SCHEMA"),
    "another version": (command(START, v=2), "INPUT_VERSION"),
    "no operator": ({k: v for k, v in command(START).items() if k != "operator"}, "INPUT_SCHEMA"),
    "deep": (command(START, body={"x": 1}), "INPUT_SCHEMA"),
    "oversized": (command(START, note="x" * 70_000), "INPUT_TOO_LARGE"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_its_reason(name: str) -> None:
    message, reason = REFUSED[name]
    log = [record(message)]
    if name == "deep":
        log = [Record(log[0].payload.replace(b'"x":1', b'"x":' + b"[" * 99 + b"]" * 99), START)]
    made = run([command(START), *log, command(START + 1, 1)])
    assert made.reasons() == [(1, reason)] and made.effects() == [START, START + 1]


def test_a_block_that_does_not_follow_stops_the_flow() -> None:
    made = run([command(START)])
    with pytest.raises(ContiguityError, match="control-0"):
        made.feed(RecordBlock.beat("control", 0, 7))


def test_a_snapshot_of_another_version_is_refused() -> None:
    with pytest.raises(SnapshotError):
        made = SideStep(PLAN, "control", 0)
        made.restore({**made.snapshot(), "version": 99})


_TIMES = st.sampled_from([0, 1, 1, 2, 60, -30, 40 * 86_400, 4000 * 86_400])


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    steps=st.lists(st.tuples(_TIMES, st.sampled_from(["command", "command", "tick", "{"])), max_size=30), data=st.data()
)
def test_any_cutting_and_any_restart_gives_the_same(steps: list[tuple[int, str]], data: st.DataObject) -> None:
    log: list[dict[str, Any] | bytes] = []
    for number, (seconds, kind) in enumerate(steps):
        ts = START + number * SECOND + seconds * SECOND
        log.append({"command": command(ts, number), "tick": tick(ts)}.get(kind, b"{"))
    whole = run(log).everything()
    assert run(log, range(len(log)), crashes=True).everything() == whole
    assert run(log, data.draw(st.lists(st.integers(0, len(log)), max_size=4))).everything() == whole
