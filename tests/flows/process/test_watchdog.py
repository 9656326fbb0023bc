"""The hang watchdog and what follows."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec

from flows.exit_codes import ExitCode
from flows.process.hang import describe_hang
from flows.process.watchdog import Evaluation, Watchdog, watch
from flows.quarantine import earliest, quarantine_record, quarantines_in
from flows.settings import Quarantine
from schemas.messages import ControlCommand


def test_an_evaluation_that_does_not_return_is_reported_once_with_schedule_and_cycle() -> None:
    seen: list[Evaluation] = []
    reported = threading.Event()

    def on_hang(evaluation: Evaluation) -> None:
        seen.append(evaluation)
        reported.set()

    watch.enter("slow", 42, "main")
    try:
        with Watchdog(0.01, on_hang):
            assert reported.wait(30)
    finally:
        watch.leave()
    assert [(e.schedule, e.cycle, e.portfolio) for e in seen] == [("slow", 42, "main")]


def test_an_evaluation_that_returned_is_no_hang() -> None:
    watch.enter("quick", 42)
    watch.leave()
    assert watch.longest() is None


def test_each_worker_thread_has_a_slot_of_its_own_and_the_longest_is_reported() -> None:
    first_entered, may_leave = threading.Event(), threading.Event()

    def worker() -> None:
        watch.enter("first", 1)
        first_entered.set()
        may_leave.wait(30)
        watch.leave()

    thread = threading.Thread(target=worker)
    thread.start()
    assert first_entered.wait(30)
    watch.enter("second", 2)
    longest = watch.longest()
    watch.leave()
    may_leave.set()
    thread.join()
    assert longest is not None and longest.schedule == "first"


def test_the_error_names_schedule_and_cycle() -> None:
    error = describe_hang(Evaluation("slow", 42, 0.0), 30.0, "fix it")
    assert error.exit_code is ExitCode.HANG
    assert "schedule slow did not return within 30 s" in str(error)
    assert "cycle 42" in str(error)


def test_a_quarantine_record_is_a_control_command_that_moves_no_time_beyond_its_cycle(tmp_path: Path) -> None:
    record = quarantine_record(Quarantine(schedule="slow", first_cycle=42, portfolio="main"))
    command = msgspec.json.decode(record, type=ControlCommand)
    assert (command.command, command.ts, command.target.name) == ("quarantine", 42, "slow")


def test_quarantines_are_found_among_other_control_records() -> None:
    wanted = [Quarantine(schedule="a", first_cycle=7, portfolio="main"), Quarantine(schedule="b", first_cycle=9)]
    records: list[bytes | None] = [
        quarantine_record(wanted[1]),
        b'{"type":"clock_tick","ts":5}',
        b'not json "quarantine"',
        None,
        quarantine_record(wanted[0]),
        quarantine_record(wanted[0]),
    ]
    assert quarantines_in(records) == [wanted[1], wanted[0]]


def test_of_several_quarantines_of_a_schedule_the_earliest_holds() -> None:
    hung = [Quarantine(schedule="s", first_cycle=c, portfolio=p) for c, p in ((7, "main"), (9, "main"), (8, ""))]
    assert earliest(hung) == {"main/s": 7, "s": 8}
