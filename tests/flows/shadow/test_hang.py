"""A candidate that hangs is left out at the next start; the live flow's schedule of that name is not quarantined."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

from flows.process import hang
from flows.process.watchdog import Evaluation, watch
from flows.settings import FilesOutput, FlowSettings, KafkaInput, Recovery
from flows.shadow.flow import ShadowWatch
from flows.shadow.generation import continued
from tests.flows.shadow.test_generation import shadow


class Ended(Exception):
    """Stands for the end of the process."""


def test_a_hang_in_the_shadow_is_noted_and_quarantines_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def end(_code: int) -> NoReturn:
        raise Ended

    def append(*_: object) -> NoReturn:
        raise AssertionError("a quarantine record was written for a shadow")

    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(hang, "append_quarantine", append)
    assert continued(tmp_path, shadow()) != (None, False)
    settings = FlowSettings(
        configuration={}, source=KafkaInput(), sink=FilesOutput(out=""), recovery=Recovery(directory=str(tmp_path))
    )
    with pytest.raises(Ended):
        hang.end_after_hang(settings, evaluation_of_the_shadow(), None)
    assert "schedule s" in capsys.readouterr().err
    assert continued(tmp_path, shadow()) == (None, False)


def evaluation_of_the_shadow() -> Evaluation:
    ShadowWatch.enter("s", 60, "main")
    try:
        found = watch.longest()
        assert found is not None
        return found
    finally:
        watch.leave()
