"""``weir run``: the flow on Kafka, supervised, until it is told to stop."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from flows.continuation import begin
from flows.process.code_version import code_version
from flows.process.recovery_folder import RecoveryFolder
from flows.process.run_failed import RunFailed
from flows.process.supervisor import Cluster, RestartPolicy, run_cluster
from flows.quarantine import quarantines_of_kafka
from flows.replay import BUILDER
from flows.settings import FlowSettings, KafkaInput, KafkaOutput, Recovery, write_settings
from flows.shadow.candidate import shadow_of
from flows.shadow.generation import continued
from schemas.configuration import Configuration, ConfigurationError, config_hash, load_configuration

#: Execution modes that belong to each environment.
ENVIRONMENTS = {
    "demo": ("internal_paper",),
    "paper": ("internal_paper", "paper_venue"),
    "live": ("live",),
}

#: Restarts in a row before a flow that keeps dying is given up.
RESTARTS = 10


class LiveResult(Struct, frozen=True, kw_only=True):
    """How a live run ended in order: drained, with its snapshot written."""

    config_hash: str
    code_version: str
    restarts: int
    drained: bool
    processes: int
    workers: int
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How to run.

    ``recovery`` overrides ``runtime.recovery_directory``; ``say`` is told what happens; ``once`` ends the run when a
    cycle has been decided; ``environment`` says what kind of execution the configuration must have.
    """

    processes: int = 1
    workers: int = 1
    recovery: Path | None = None
    restarts: int = RESTARTS
    once: bool = False
    environment: str | None = None
    say: Callable[[str], None] = lambda _text: None


def run_live(configuration_file: Path, options: LiveOptions | None = None) -> LiveResult:
    """Runs the flow on Kafka until SIGTERM or SIGINT drains it.

    Raises:
        ConfigurationError: the configuration cannot be used live; every fault at once.
        WeirError: a process ended with an error that no restart can help, or too often; carries its exit code.
    """
    options = options or LiveOptions()
    configuration = load_configuration(configuration_file)
    _check(configuration, str(configuration_file), options)
    directory = options.recovery or Path(configuration.runtime.recovery_directory or "")
    epoch = configuration.runtime.epoch_seconds
    with (
        RecoveryFolder(directory, Recovery(directory="").partitions) as folder,
        tempfile.TemporaryDirectory() as scratch,
    ):
        settings = FlowSettings(
            configuration=configuration.model_dump(mode="json"),
            source=KafkaInput(),
            sink=KafkaOutput(),
            recovery=Recovery(directory=str(directory.resolve()), epoch_seconds=epoch),
            processes=options.processes,
            workers=options.workers,
            code_version=code_version(),
            hang_seconds=configuration.runtime.hang_seconds,
            once=options.once,
            shadow=shadow_of(configuration),
        )
        path = Path(scratch) / "settings.json"
        # First of all: without Kafka nothing begins, and the folder stays as it is.
        _write_for_next_start(settings, configuration, path)
        settings = begin(folder, settings, configuration, str(configuration_file))
        _write_for_next_start(settings, configuration, path, folder)
        cluster = Cluster(
            BUILDER,
            path,
            options.processes,
            options.workers,
            folder,
            epoch_seconds=epoch,
            policy=RestartPolicy(limit=options.restarts),
            between=lambda: _write_for_next_start(settings, configuration, path, folder),
            trading=True,
        )
        options.say(f"{options.processes} process(es) x {options.workers} worker(s), recovery folder {directory}")
        result = run_cluster(cluster, lambda pids: options.say(f"started: {', '.join(map(str, pids))}"))
        if result.failure is not None:
            raise RunFailed.of(result.failure)
        folder.end()
        return LiveResult(
            config_hash=config_hash(configuration),
            code_version=settings.code_version,
            restarts=result.restarts,
            drained=result.drained,
            processes=options.processes,
            workers=options.workers,
            counts=dict(sorted(result.outcome.counts.items())),
        )


def _write_for_next_start(
    settings: FlowSettings, configuration: Configuration, path: Path, folder: RecoveryFolder | None = None
) -> None:
    """Settings with what the control topic says now, the shadow that goes on (none that hung), and a new id for this
    start of the cluster."""
    if folder is not None:
        settings = msgspec.structs.replace(settings, shadow=continued(folder.path, settings.shadow)[0])
    now = msgspec.structs.replace(settings, quarantined=quarantines_of_kafka(configuration), run=uuid.uuid4().hex)
    write_settings(now, path)


def _check(configuration: Configuration, source: str, options: LiveOptions) -> None:
    problems: list[str] = []
    if isinstance(configuration.instruments, str):
        problems.append("instruments: from_dump is for replays; list the instruments")
    if isinstance(configuration.time.cycle_seconds, str):
        problems.append("time.cycle_seconds: from_dump is for replays; give the seconds")
    if isinstance(configuration.topics.market.partitions, str):
        problems.append("topics.market.partitions: from_dump is for replays; give the topic's partition count")
    if options.recovery is None and configuration.runtime.recovery_directory is None:
        problems.append("runtime.recovery_directory: a live run needs a recovery folder; set it, or use --recovery")
    for name, value in (("--processes", options.processes), ("--workers", options.workers)):
        if value < 1:
            problems.append(f"{name}: {value} given, at least 1 is needed")
    problems += environment_problems(configuration, options.environment)
    if problems:
        raise ConfigurationError(source, problems)


def environment_problems(configuration: Configuration, environment: str | None) -> list[str]:
    """Portfolios whose execution does not belong to ``environment``: what is for paper must not start as live, nor the
    other way round. None allows every execution."""
    if environment is None:
        return []
    allowed = ENVIRONMENTS[environment]
    return [
        f"portfolios.{p.id}.execution.mode: {p.execution.mode} does not belong to --environment {environment}, which"
        f" allows {' and '.join(allowed)}"
        for p in configuration.portfolios
        if p.execution.mode not in allowed
    ]
