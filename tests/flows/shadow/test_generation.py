"""State of a shadow that missed any input is never taken up again, and a candidate that hung stays out."""

from __future__ import annotations

from pathlib import Path

from flows.settings import Shadow
from flows.shadow.generation import FILE, continued, note_hang


def shadow(fast: int = 3) -> Shadow:
    schedule = {"id": "s", "strategy": "sma_cross", "parameters": {"fast": fast, "slow": 9}}
    return Shadow(configuration={"portfolios": [{"id": "main", "pods": [{"id": "p", "schedules": [schedule]}]}]})


def start(folder: Path, given: Shadow | None) -> tuple[int | None, bool]:
    found, anew = continued(folder, given)
    return None if found is None else found.generation, anew


def test_the_same_candidate_goes_on_with_its_state(tmp_path: Path) -> None:
    assert start(tmp_path, shadow()) == (1, True)
    assert start(tmp_path, shadow()) == (1, False)


def test_another_candidate_begins_anew(tmp_path: Path) -> None:
    start(tmp_path, shadow())
    assert start(tmp_path, shadow(fast=4)) == (2, True)


def test_a_candidate_that_was_off_in_between_begins_anew(tmp_path: Path) -> None:
    start(tmp_path, shadow())
    assert start(tmp_path, None) == (None, False)
    assert start(tmp_path, shadow()) == (2, True)


def test_a_candidate_that_hung_is_left_out_until_it_changes(tmp_path: Path) -> None:
    start(tmp_path, shadow())
    note_hang(tmp_path)
    assert start(tmp_path, shadow()) == (None, False)
    assert start(tmp_path, shadow(fast=4)) == (2, True)


def test_a_note_that_cannot_be_read_brings_no_old_state_back(tmp_path: Path) -> None:
    start(tmp_path, shadow())
    (tmp_path / FILE).write_text("{")
    generation, anew = start(tmp_path, shadow())
    assert anew
    assert generation is not None
    assert generation > 1
