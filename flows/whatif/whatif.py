"""``weir whatif``: recorded inputs replayed as they were configured and as they might have been (design, "What-if").

Both replays run the operators of the live flow and fill their own orders, so that nothing differs but what the changed
configuration makes differ.
"""

from __future__ import annotations

import csv
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from flows.dump.layout import open_dump
from flows.errors import InvalidInput
from flows.journal.diff import field_differences
from flows.resolve import resolve
from flows.run_products import run_configuration
from flows.whatif.compare import Comparison, compare
from flows.whatif.execution import internally_filled
from flows.whatif.measures import measures
from flows.whatif.orders import OrderChange
from flows.whatif.patch import Setting, patched
from flows.whatif.result import RunSummary, Timing, WhatIf, divergence
from flows.whatif.sides import Side, replay_sides
from operators.plan import compile_plan
from operators.strategy_evaluate.registry import default_registry
from schemas.configuration import Configuration, load_configuration

BASELINE: Final = "baseline"
CANDIDATE: Final = "candidate"


@dataclass(frozen=True, slots=True)
class Question:
    """What to replay.

    Attributes:
        dump: the recorded inputs.
        configuration: as it was; None takes that of the recorded run.
        settings: what the candidate changes of it; candidate: or another configuration altogether.
        recorded: folder of the run that was recorded, or its journal.
        sequential: one replay after the other.
        stage: told in words what is being done.
    """

    dump: Path
    configuration: Path | None = None
    settings: Sequence[Setting] = ()
    candidate: Path | None = None
    recorded: Path | None = None
    sequential: bool = False
    stage: Callable[[str], None] = lambda _text: None


def whatif(question: Question, out: Path) -> WhatIf:
    """Answers ``question`` into the folder ``out``.

    Raises:
        ConfigurationError: a configuration or a setting is at fault; every fault at once, before anything is replayed.
        InvalidInput: there is no configuration to begin with.
        WeirError: a replay failed; see :func:`flows.replay.replay`.
    """
    started, cpu_before = time.monotonic(), _cpu_seconds()
    out.mkdir(parents=True, exist_ok=True)
    question.stage("check the configurations")
    configured = _configurations(question)
    documents = {name: _checked(one, question, out, name) for name, one in configured.items()}
    question.stage("replay")
    sides = replay_sides(
        question.dump,
        {name: one.model_dump(mode="json", exclude_unset=True) for name, one in documents.items()},
        out,
        sequential=question.sequential,
        stage=question.stage,
    )
    question.stage("compare")
    found = compare(out / BASELINE, out / CANDIDATE)
    changes = _write_changes(found.changes, out / "order_changes.csv")
    recorded: Comparison | None = None
    if question.recorded is not None:
        recorded = compare(question.recorded, out / BASELINE)
        _write_changes(recorded.changes, out / "recorded_order_changes.csv")
    wall, cpu = time.monotonic() - started, _cpu_seconds() - cpu_before
    baseline, candidate = sides[BASELINE], sides[CANDIDATE]
    answer = WhatIf(
        dump=str(question.dump),
        changes=_changed_keys(documents[BASELINE], documents[CANDIDATE]),
        baseline=_run_summary(baseline),
        candidate=_run_summary(candidate),
        difference=divergence(found, changes),
        portfolios=measures(baseline.report.summary, candidate.report.summary),
        recorded=None if recorded is None else divergence(recorded, str(out / "recorded_order_changes.csv")),
        timing=Timing(
            wall_seconds=wall,
            cpu_seconds=cpu,
            wall_ratio=wall / baseline.result.wall_seconds,
            cpu_ratio=cpu / baseline.result.cpu_seconds,
            sequential=question.sequential,
        ),
        report={
            "json": str(out / "whatif.json"),
            "html": str(out / "whatif.html"),
            "plot": str(out / "whatif.png"),
            "order_changes": changes,
        },
    )
    question.stage("write the report")
    _write(answer, sides, documents[BASELINE].portfolios[0].base_currency, out)
    return answer


def _configurations(question: Question) -> dict[str, Configuration]:
    if question.settings and question.candidate is not None:
        raise InvalidInput("--set patches the configuration and --candidate replaces it: give one of them")
    if question.configuration is not None:
        base = load_configuration(question.configuration)
    else:
        recorded = None if question.recorded is None else run_configuration(question.recorded)
        if recorded is None:
            raise InvalidInput(
                "no configuration: name it with --config, or with --recorded a run's folder that holds its own"
            )
        base = recorded
    changed = patched(base, question.settings) if question.candidate is None else load_configuration(question.candidate)
    return {BASELINE: base, CANDIDATE: changed}


def _checked(configuration: Configuration, question: Question, out: Path, name: str) -> Configuration:
    """The configuration as it will run, compiled once here: a fault must not be found by a replay that has begun."""
    files = {BASELINE: question.configuration, CANDIDATE: question.candidate}
    source = f"{name} configuration" if files[name] is None else str(files[name])
    dump = open_dump(question.dump, out / name / ".run" / "dump")
    resolved = internally_filled(resolve(internally_filled(configuration, source), dump, source), source)
    compile_plan(resolved, default_registry(), source)
    return resolved


def _changed_keys(baseline: Configuration, candidate: Configuration) -> dict[str, list[Any]]:
    left, right = baseline.decision_document(), candidate.decision_document()
    return {found.path: [found.left, found.right] for found in field_differences(left, right)}


def _run_summary(side: Side) -> RunSummary:
    result = side.result
    return RunSummary(
        out=result.out,
        config_hash=result.config_hash,
        decisions=result.decisions,
        orders=result.orders,
        decisions_sha256=result.decisions_sha256,
        wall_seconds=result.wall_seconds,
        cpu_seconds=result.cpu_seconds,
        warnings=result.warnings,
    )


def _write_changes(changes: list[OrderChange], path: Path) -> str:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(OrderChange.__struct_fields__)
        writer.writerows(msgspec.structs.astuple(change) for change in changes)
    return str(path)


def _write(answer: WhatIf, sides: dict[str, Side], currency: str, out: Path) -> None:
    from flows.whatif.page import page
    from flows.whatif.plot import write_plot

    curves = {name: side.report.curves for name, side in sides.items()}
    plot = write_plot(curves[BASELINE], curves[CANDIDATE], Path(answer.report["plot"]), currency=currency)
    (out / "whatif.json").write_bytes(msgspec.json.format(msgspec.json.encode(answer)) + b"\n")
    (out / "whatif.html").write_text(page(answer, plot.read_bytes()), encoding="utf-8")


def _cpu_seconds() -> float:
    """CPU of this process and of every child that has ended."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
