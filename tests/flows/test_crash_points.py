"""Crash points kill the process where a test asks for it, and are nothing otherwise."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from flows.crash_points import parse, reached


def test_a_point_without_the_variable_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEIR_CRASH_POINT", raising=False)
    reached("anywhere")


@pytest.mark.parametrize(("setting", "printed"), [("b", "1"), ("b:2", "1\n2"), ("b:9", "1\n2\n3"), ("a", "")])
def test_the_process_dies_at_the_nth_time(setting: str, printed: str) -> None:
    program = (
        "from flows.crash_points import reached\n"
        "reached('a')\n"
        "for i in (1, 2, 3):\n    print(i, flush=True); reached('b')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], env={"WEIR_CRASH_POINT": setting, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.stdout.strip() == printed
    assert ended.returncode == (0 if setting == "b:9" else -signal.SIGKILL)


@pytest.mark.parametrize("setting", ["a:0", "a:x", "a:-1"])
def test_a_count_that_is_none_is_refused(setting: str) -> None:
    with pytest.raises(ValueError, match="WEIR_CRASH_POINT"):
        parse(setting)
