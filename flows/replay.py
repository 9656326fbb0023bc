"""``weir replay``: a dump through the whole flow into files, an embedded ClickHouse and a report."""

from __future__ import annotations

import os
import resource
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from flows.connections import SHADOW_FOLDER, shadow_portfolios
from flows.continuation import begin
from flows.dump.finish import OutputSummary, finish
from flows.dump.layout import Dump, open_dump
from flows.errors import InvalidInput, WeirError
from flows.process import outcome
from flows.process.code_version import code_version
from flows.process.outcome import OpenCycles, Outcome
from flows.process.recovery_folder import RecoveryFolder
from flows.process.run_failed import RunFailed
from flows.process.supervisor import Cluster, RestartPolicy, run_cluster
from flows.quarantine import quarantines_of_dump
from flows.resolve import resolve, unread_roles
from flows.run_products import load_clickhouse, write_report
from flows.settings import DumpInput, FilesOutput, FlowSettings, Recovery, Shadow, write_settings
from flows.shadow.candidate import shadow_of
from flows.shadow.generation import continued
from flows.topics import input_partitions
from schemas.configuration import Configuration, config_hash, load_configuration, parse_configuration

#: Makes the dataflow of a FlowSettings, in this process and in those of a cluster.
BUILDER: Final = "flows.trading:build_trading"
#: What a run leaves in its folder; nothing else is ever removed from it.
PRODUCTS: Final = ("parts", "clickhouse", "report", SHADOW_FOLDER, ".run")
FILES: Final = ("decisions", "orders", "dead_letters")


class ReplayResult(Struct, frozen=True, kw_only=True):
    """What a replay did. ``cpu_seconds`` covers every process of it; ``bars`` are bars that the flow decoded.

    ``drained``: it was stopped by a signal before the end of the dump and can be resumed with the same recovery folder.
    """

    decisions: int
    orders: int
    decisions_sha256: str
    orders_sha256: str
    bars: int
    cpu_seconds: float
    wall_seconds: float
    dead_letters: int
    dead_letters_by_reason: dict[str, int]
    open_cycles: list[OpenCycles]
    config_hash: str
    code_version: str
    processes: int
    workers: int
    drained: bool
    out: str
    warnings: list[str]
    counts: dict[str, int]
    peak_mib: float
    report: dict[str, str] = {}
    shadow: ShadowResult | None = None


class ShadowResult(Struct, frozen=True, kw_only=True):
    """What a shadow candidate decided beside the run; its journal is in ``out``."""

    out: str
    config_hash: str
    decisions: int
    decisions_sha256: str


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """How to replay; none of it changes a decision.

    Attributes:
        workers: threads in each process.
        processes: 0 runs in this process; more start a supervised cluster of so many.
        batch: records in one block at most; ragged: sizes to use in turn instead.
        slab_records: records in one epoch.
        zst: compress the outputs.
        recovery: folder for snapshots; a replay that was stopped or killed goes on from it.
        clickhouse: load the decisions into an embedded ClickHouse.
        report: write the report.
        stage: told in words what is being done.
        progress: told (bars decoded, records of the market topic) a few times a second.
    """

    workers: int = 1
    processes: int = 0
    batch: int = 10_000
    ragged: tuple[int, ...] = ()
    slab_records: int = 40_000
    zst: bool = False
    recovery: Path | None = None
    clickhouse: bool = True
    report: bool = True
    stage: Callable[[str], None] = lambda _text: None
    progress: Callable[[int, int], None] = lambda _done, _total: None


def replay(
    dump_path: Path, configuration: Path | Configuration, out: Path, options: ReplayOptions | None = None
) -> ReplayResult:
    """Replays a dump.

    Raises:
        ConfigurationError: the configuration cannot be used with this dump; every fault at once.
        WeirError: the flow ended with an error; its exit code is that of the run.
    """
    options = options or ReplayOptions()
    started, cpu_before = time.monotonic(), _cpu_seconds()
    _check(options)
    out.mkdir(parents=True, exist_ok=True)
    options.stage("open the dump")
    dump = open_dump(dump_path, out / ".run" / "dump")
    given = configuration if isinstance(configuration, Configuration) else load_configuration(configuration)
    resolved = resolve(given, dump, "configuration" if isinstance(configuration, Configuration) else str(configuration))
    settings = _settings(dump, resolved, out, options)
    if options.recovery is None:
        clean(out)
    options.stage("replay")
    total = dump.records("market")
    run = _run(settings, resolved, out, options, lambda done: options.progress(done, total))
    if run.drained and options.recovery is None:
        raise WeirError(
            f"stopped by a signal before the end of the dump; what is in {out} is partial and cannot be continued"
            " (replay with a recovery folder to be able to)"
        )
    options.stage("merge the outputs")
    places = [(role, p) for role, count in input_partitions(resolved).items() for p in range(count)]
    summary = finish(out, [p.id for p in resolved.portfolios], places, compressed=options.zst)
    (out / "configuration.json").write_bytes(msgspec.json.format(msgspec.json.encode(settings.configuration)) + b"\n")
    result = _result(settings, resolved, out, options, run, summary, unread_roles(resolved, dump))
    result = msgspec.structs.replace(result, shadow=_finish_shadow(run.shadow, out, options))
    result = _finish_for_people(result, out, options)
    result = msgspec.structs.replace(
        result, cpu_seconds=_cpu_seconds() - cpu_before, wall_seconds=time.monotonic() - started
    )
    (out / "result.json").write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
    return result


def _check(options: ReplayOptions) -> None:
    for name, value, least in (
        ("workers", options.workers, 1),
        ("processes", options.processes, 0),
        ("batch", min((options.batch, *options.ragged)), 1),
        ("slab records", options.slab_records, 1),
    ):
        if value < least:
            raise InvalidInput(f"{name}: {value} given, at least {least} is needed")


def clean(out: Path) -> None:
    """Removes what an earlier run left in ``out``, and nothing else."""
    for name in PRODUCTS:
        if name != ".run":
            shutil.rmtree(out / name, ignore_errors=True)
    for name in FILES:
        for ending in (".jsonl", ".jsonl.zst"):
            (out / (name + ending)).unlink(missing_ok=True)
    for name in ("result.json", "configuration.json"):
        (out / name).unlink(missing_ok=True)


def _settings(dump: Dump, resolved: Configuration, out: Path, options: ReplayOptions) -> FlowSettings:
    return FlowSettings(
        configuration=resolved.model_dump(mode="json"),
        source=DumpInput(
            path=str(dump.folder.resolve()),
            batch=options.batch,
            ragged=list(options.ragged),
            slab_records=options.slab_records,
        ),
        sink=FilesOutput(out=str(out.resolve()), zst=options.zst),
        recovery=None
        if options.recovery is None
        else Recovery(directory=str(options.recovery.resolve()), epoch_seconds=0.0),
        quarantined=quarantines_of_dump(dump) if resolved.topics.control is not None else [],
        processes=max(1, options.processes),
        workers=options.workers,
        code_version=code_version(),
        hang_seconds=resolved.runtime.hang_seconds,
        shadow=shadow_of(resolved, dump),
    )


def _finish_shadow(shadow: Shadow | None, out: Path, options: ReplayOptions) -> ShadowResult | None:
    if shadow is None:
        return None
    folder = out / SHADOW_FOLDER
    summary = finish(folder, shadow_portfolios(shadow), [], compressed=options.zst)
    document = msgspec.json.encode(shadow.configuration)
    (folder / "configuration.json").write_bytes(msgspec.json.format(document) + b"\n")
    return ShadowResult(
        out=str(folder),
        config_hash=config_hash(parse_configuration(shadow.configuration, "shadow")),
        decisions=summary.decisions,
        decisions_sha256=summary.decisions_sha256,
    )


@dataclass(frozen=True, slots=True)
class _Run:
    outcome: Outcome
    drained: bool
    #: with which it ran
    shadow: Shadow | None


def _run(
    settings: FlowSettings, resolved: Configuration, out: Path, options: ReplayOptions, progress: Callable[[int], None]
) -> _Run:
    if settings.recovery is None:
        return _start(settings, out, options, None, progress)
    with RecoveryFolder(Path(settings.recovery.directory), settings.recovery.partitions) as folder:
        fresh = folder.marker() is None
        settings = begin(folder, settings, resolved, "the configuration")
        shadow, anew = continued(folder.path, settings.shadow)
        settings = msgspec.structs.replace(settings, shadow=shadow)
        if fresh:
            clean(out)
        if anew:
            shutil.rmtree(out / SHADOW_FOLDER, ignore_errors=True)
        run = _start(settings, out, options, folder, progress)
        folder.end()
        return run


def _start(
    settings: FlowSettings,
    out: Path,
    options: ReplayOptions,
    folder: RecoveryFolder | None,
    progress: Callable[[int], None],
) -> _Run:
    if options.processes == 0:
        return _in_process(settings, folder, progress)
    path = out / ".run" / "settings.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_settings(settings, path)
    cluster = Cluster(
        BUILDER,
        path,
        options.processes,
        options.workers,
        folder,
        epoch_seconds=0.0,
        policy=RestartPolicy(limit=0),
        progress=progress,
        trading=True,
    )
    result = run_cluster(cluster)
    if result.failure is not None:
        raise RunFailed.of(result.failure)
    return _Run(result.outcome, result.drained, settings.shadow)


def _in_process(settings: FlowSettings, folder: RecoveryFolder | None, progress: Callable[[int], None]) -> _Run:
    from flows.metrics import serving
    from flows.process import drain, failure
    from flows.process.hang import end_after_hang
    from flows.process.ticker import Ticker
    from flows.process.watchdog import Watchdog
    from flows.process.worker import PROGRESS, execute, load_builder

    outcome.take()
    drain.reset()
    snapshots = None if folder is None else folder.snapshots
    with (
        drain.on_signals(),
        serving(settings.metrics_address()),
        Watchdog(settings.hang_seconds, lambda evaluation: end_after_hang(settings, evaluation, None)),
        Ticker(lambda: progress(outcome.counted(PROGRESS))),
    ):
        try:
            execute(
                load_builder(BUILDER)(settings),
                addresses=[],
                process=0,
                workers=settings.workers,
                recovery_folder=snapshots,
                epoch_seconds=0.0,
            )
        except Exception as error:
            if failure.is_disk_full(error, snapshots):
                raise RunFailed.of(failure.describe(error, snapshots)) from error
            raise
        return _Run(outcome.take(), drain.requested(), settings.shadow)


def _result(
    settings: FlowSettings,
    resolved: Configuration,
    out: Path,
    options: ReplayOptions,
    run: _Run,
    summary: OutputSummary,
    unread: list[str],
) -> ReplayResult:
    warnings = [f"topics.{role} is not configured: the dump's {role} records were not read" for role in unread]
    if not run.drained:
        warnings += [
            f"{o.of}: {o.count} cycle(s) from {o.first} to {o.last} stayed open: {o.why}"
            for o in run.outcome.open_cycles
        ]
    return ReplayResult(
        decisions=summary.decisions,
        orders=summary.orders,
        decisions_sha256=summary.decisions_sha256,
        orders_sha256=summary.orders_sha256,
        bars=run.outcome.counts.get("bars", 0),
        cpu_seconds=0.0,
        wall_seconds=0.0,
        dead_letters=summary.dead_letters,
        dead_letters_by_reason=_reasons(out, options.zst) if summary.dead_letters else {},
        open_cycles=[] if run.drained else run.outcome.open_cycles,
        config_hash=config_hash(resolved),
        code_version=settings.code_version,
        processes=settings.processes,
        workers=settings.workers,
        drained=run.drained,
        out=str(out),
        warnings=warnings,
        counts=dict(sorted(run.outcome.counts.items())),
        peak_mib=_peak_mib(),
    )


class _Reason(Struct):
    reason: str


def _reasons(out: Path, zst: bool) -> dict[str, int]:
    from flows.dump.files import open_read

    decode = msgspec.json.Decoder(_Reason).decode
    with open_read(out / ("dead_letters.jsonl.zst" if zst else "dead_letters.jsonl")) as lines:
        counted = Counter(decode(line).reason for line in lines)
    return dict(sorted(counted.items()))


def _finish_for_people(result: ReplayResult, out: Path, options: ReplayOptions) -> ReplayResult:
    if options.clickhouse:
        options.stage("load ClickHouse")
        load_clickhouse(out)
    if options.report:
        options.stage("write the report")
        return msgspec.structs.replace(result, report=write_report(out))
    return result


def _cpu_seconds() -> float:
    """CPU of this process and of every child that has ended, in seconds."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _peak_mib() -> float:
    """Largest resident set of this process or a child, in MiB."""
    largest = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return largest / 1024 if os.uname().sysname != "Darwin" else largest / (1 << 20)
