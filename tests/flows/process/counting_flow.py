"""A small real dataflow for the tests of processes: two partitions count, a keyed step sums, a sink writes lines.

The settings document is ``{"folder", "total", "fail_at", "error", "mark_at"}``.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from flows.process import drain, outcome
from flows.process.watchdog import watch
from flows.settings import FilesOutput, FlowSettings

PARTITIONS = ("a", "b")


class Counter(StatefulSourcePartition[tuple[str, int], int]):
    """Counts from 1 to ``total``; at ``mark_at`` it leaves a file, so that a test knows it got there."""

    def __init__(self, part: str, settings: dict[str, Any], state: int | None) -> None:
        self.part, self.settings, self.reached = part, settings, state or 0

    def next_batch(self) -> list[tuple[str, int]]:
        if drain.requested() or self.reached == self.settings["total"]:
            raise StopIteration
        self.reached += 1
        folder = Path(self.settings["folder"])
        if self.reached == self.settings.get("mark_at"):
            (folder / f"mark-{self.part}").write_text(str(os.getpid()))
        if self.reached == self.settings.get("fail_at") and self.part == "a":
            self.fail(folder)
        outcome.count("numbers")
        time.sleep(0.0005)
        return [(self.part, self.reached)]

    def fail(self, folder: Path) -> None:
        error = self.settings["error"]
        if error == "kill":
            # Once only: the run that follows must get past it.
            once = folder / "killed"
            if not once.exists():
                once.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return
        if error == "hang":
            watch.enter("slow_schedule", 1234)
            while True:
                pass
        module, _, name = error.partition(":")
        raise getattr(importlib.import_module(module), name)(f"made to fail at {self.reached}")

    def snapshot(self) -> int:
        return self.reached


class CounterSource(FixedPartitionedSource[tuple[str, int], int]):
    """Both partitions."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings

    def list_parts(self) -> list[str]:
        return list(PARTITIONS)

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> Counter:
        return Counter(for_part, self.settings, resume_state)


class Lines(StatefulSinkPartition[Any, int]):
    """Appends ``number sum`` to the partition's file."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("a")

    def write_batch(self, values: list[Any]) -> None:
        for number, total in values:
            self.file.write(f"{number} {total}\n")
        self.file.flush()

    def snapshot(self) -> int:
        return 0

    def close(self) -> None:
        self.file.close()


class LineSink(FixedPartitionedSink[Any, int]):
    """One file a partition."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def list_parts(self) -> list[str]:
        return list(PARTITIONS)

    def part_fn(self, item_key: str) -> int:
        return PARTITIONS.index(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> Lines:
        return Lines(self.folder / f"lines-{for_part}")


def build(settings_path: Path) -> Dataflow:
    """The flow."""
    return _flow(json.loads(settings_path.read_text()))


def _flow(settings: dict[str, Any]) -> Dataflow:
    flow = Dataflow("counting")
    numbers = op.input("numbers", flow, CounterSource(settings))

    def add(total: int | None, number: int) -> tuple[int, tuple[int, int]]:
        now = (total or 0) + number
        return now, (number, now)

    sums = op.stateful_map("sum", numbers, add)
    op.output("lines", sums, LineSink(Path(settings["folder"])))
    return flow


def build_hanging(flow_settings: FlowSettings) -> Dataflow:
    """A flow whose first partition hangs at its fifth number, as a trading flow's settings describe it."""
    assert isinstance(flow_settings.sink, FilesOutput)
    return _flow({"folder": flow_settings.sink.out, "total": None, "fail_at": 5, "error": "hang"})
