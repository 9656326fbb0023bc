"""Replays baseline and candidate in processes of their own, side by side or one after the other."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.errors import WeirError
from flows.process.failure import Failure
from flows.process.run_failed import RunFailed

if TYPE_CHECKING:
    from flows.replay import ReplayResult
    from flows.report.summary import Report


@dataclass(frozen=True, slots=True)
class Side:
    """What one replay gave: its result, and its report with curves."""

    result: ReplayResult
    report: Report


def replay_sides(
    dump: Path,
    documents: dict[str, dict[str, Any]],
    out: Path,
    *,
    sequential: bool = False,
    batch: int = 10_000,
    stage: Callable[[str], None] = lambda _text: None,
) -> dict[str, Side]:
    """Replays ``dump`` once for each configuration document, by name, into ``out/<name>``.

    Args:
        sequential: one after the other: half the memory, twice the time where there are two cores.

    Raises:
        WeirError: a replay failed, with its exit code; the first one to fail.
    """
    found: dict[str, Side] = {}
    pool = ProcessPoolExecutor(
        max_workers=1 if sequential else len(documents),
        # Never fork: the parent may have threads, and numerics are pinned before NumPy is loaded.
        mp_context=get_context("spawn"),
        initializer=functools.partial(_begin, os.getpid()),
        max_tasks_per_child=1,
    )
    with pool:
        waiting: dict[Future[Side | Failure], str] = {
            pool.submit(_replay, dump, document, out / name, batch): name for name, document in documents.items()
        }
        for done in as_completed(waiting):
            name = waiting[done]
            try:
                side = done.result()
            except BrokenProcessPool:
                pool.shutdown(cancel_futures=True)
                raise WeirError(
                    f"the process of the {name} replay ended without a word: it was killed, or a strategy hung;"
                    f" replay it alone to see: weir replay --dump {dump} --config {out / name / 'configuration.json'}"
                ) from None
            if isinstance(side, Failure):
                pool.shutdown(cancel_futures=True)
                raise RunFailed.of(side)
            found[name] = side
            stage(f"replay: {name} done")
    return found


def _begin(parent: int) -> None:
    from flows.process.pinning import pin_numerics
    from flows.process.worker import die_with

    pin_numerics(restart=False)
    die_with(parent)


def _replay(dump: Path, document: dict[str, Any], out: Path, batch: int) -> Side | Failure:
    """Runs in a process of the pool."""
    from flows.process.failure import describe
    from flows.replay import ReplayOptions, replay
    from flows.report.summary import report
    from flows.run_products import periods_per_year
    from schemas.configuration import parse_configuration

    try:
        configuration = parse_configuration(document, out.name)
        result = replay(dump, configuration, out, ReplayOptions(batch=batch, clickhouse=False, report=False))
        return Side(result, report(out, periods_per_year=periods_per_year(configuration)))
    except Exception as error:
        # Not every error survives the way between processes; what it says does.
        return describe(error)
