"""A start on a recovery folder: as it was, or with another configuration after a clean stop, whose state is carried
over first (design, "Configuration is part of the log")."""

from __future__ import annotations

import shutil
from typing import Any, Final

import msgspec

from flows.dump.dead_letter_sink import dead_letter_key
from flows.errors import InvalidInput, SnapshotIncompatible
from flows.process.kept_configuration import KeptConfiguration, read_kept, write_kept
from flows.process.recovery_folder import Marker, RecoveryFolder
from flows.process.rewrite import read_states
from flows.process.seeding import write_states
from flows.process.snapshot_rows import partition_files
from flows.settings import FlowSettings
from flows.stages import STAGE_SNAPSHOT
from flows.topics import SIDE_ROLES
from operators.continuation.carry_over import carry_over, plan_after
from operators.continuation.stopped import ContinuationRefused, StepSnapshots, Stopped
from operators.plan import Plan
from operators.strategy_evaluate.registry import default_registry
from schemas.configuration import Configuration, ConfigurationError, config_hash, parse_configuration

GROUP: Final = "weir.group"
POD: Final = "weir.pod"
PORTFOLIO: Final = "weir.portfolio"
DECISIONS: Final = "weir.decisions"
DEAD_LETTERS: Final = "weir.dead_letters"

States = dict[str, dict[str, Any]]


def begin(folder: RecoveryFolder, settings: FlowSettings, configuration: Configuration, source: str) -> FlowSettings:
    """Says that a run with ``configuration`` goes on from ``folder``; answers with the settings to run with.

    When the last run ended cleanly with another configuration, the snapshots are rewritten for this one: either all of
    them or, after a crash in between, at the next start.

    Raises:
        ConfigurationError: the configuration itself is at fault.
        SnapshotIncompatible: it changes what the state cannot follow (every reason with its fix), or the last run did
            not end cleanly and was of another configuration or code.
    """
    now = config_hash(configuration)
    partitions = configuration.topics.market.partitions
    last, kept = folder.marker(), read_kept(folder.path)
    if last is not None and last.clean and last.config_hash != now:
        _change(folder, settings, configuration, source, last, kept)
        kept = read_kept(folder.path)
    folder.begin(now, settings.code_version, None if isinstance(partitions, str) else partitions)
    if kept is None or kept.config_hash != now:
        kept = KeptConfiguration(config_hash=now, document=configuration.decision_document())
        write_kept(folder.path, kept)
    return msgspec.structs.replace(settings, retired=list(kept.retired))


def _change(
    folder: RecoveryFolder,
    settings: FlowSettings,
    configuration: Configuration,
    source: str,
    last: Marker,
    kept: KeptConfiguration | None,
) -> None:
    states = read_states(folder.path)
    if not any(step in states for step in (GROUP, POD, PORTFOLIO)):
        return  # nothing was read yet: there is nothing to carry over
    if kept is None or kept.config_hash != last.config_hash:
        raise SnapshotIncompatible(
            f"recovery folder {folder.path}: it does not say which configuration its state belongs to; start once with"
            f" the configuration of the last run ({last.config_hash}), stop it with SIGTERM, then change it"
        )
    try:
        stopped = Stopped.of(parse_configuration(kept.document, str(folder.path)), kept.config_hash, _steps(states))
        plan = plan_after(stopped, configuration, default_registry(), source)
    except ContinuationRefused as refused:
        raise SnapshotIncompatible(
            f"recovery folder {folder.path}: {source} cannot take over its state: {refused}"
        ) from None
    except ConfigurationError as error:
        if error.source != str(folder.path):
            raise
        raise SnapshotIncompatible(f"{error}; change the configuration with the code that wrote it") from error
    changed = _states(states, carry_over(stopped, plan), plan)
    shutil.rmtree(folder.next, ignore_errors=True)
    with RecoveryFolder(folder.next, len(partition_files(folder.path))) as target:
        write_states(target, changed)
        target.begin(plan.config_hash, settings.code_version, len(plan.groups))
        target.end()
        document = configuration.decision_document()
        kept = KeptConfiguration(config_hash=plan.config_hash, document=document, retired=list(plan.retired))
        write_kept(target.path, kept)
    folder.adopt_next()


def _steps(states: States) -> StepSnapshots:
    missing = [step for step in (GROUP, POD, PORTFOLIO) if step not in states]
    if missing:
        raise InvalidInput(f"the recovery folder has no states of {', '.join(missing)}; name that of a trading flow")
    groups, pods, portfolios = (
        {s["number"]: s["step"] for s in states[step].values()} for step in (GROUP, POD, PORTFOLIO)
    )
    sides = {(t, s["number"]): s["step"] for t in SIDE_ROLES for s in states.get(f"weir.{t}_side", {}).values()}
    return StepSnapshots(groups, pods, portfolios, sides)


def _states(states: States, steps: StepSnapshots, plan: Plan) -> States:
    """The rows of the new folder: sources go on where they were; what is no longer configured is left out."""
    topics = plan.configuration.topics
    gone = [topic for topic in SIDE_ROLES if getattr(topics, topic) is None]
    left_out = {GROUP, POD, PORTFOLIO, *(f"weir.{t}" for t in gone), *(f"weir.{t}_side" for t in gone)}
    changed = {step: dict(rows) for step, rows in states.items() if step not in left_out}
    changed[GROUP] = {f"group-{n:05d}": _wrapped(n, s) for n, s in steps.groups.items()}
    changed[POD] = {f"pod-{n:05d}": _wrapped(n, s) for n, s in steps.pods.items()}
    changed[PORTFOLIO] = {f"portfolio-{plan.portfolios[n].id}": _wrapped(n, s) for n, s in steps.portfolios.items()}
    names = {p.id for p in plan.portfolios}
    letters = {dead_letter_key("market", g.partition) for g in plan.groups}
    for topic in SIDE_ROLES:
        settings = getattr(topics, topic)
        letters |= {dead_letter_key(topic, n) for n in range(settings.partitions)} if settings else set()
    for step, keys in ((DECISIONS, names), (DEAD_LETTERS, letters)):
        if step in changed:
            changed[step] = {key: state for key, state in changed[step].items() if key in keys}
    return changed


def _wrapped(number: int, step: dict[str, Any]) -> dict[str, Any]:
    return {"version": STAGE_SNAPSHOT, "number": number, "step": step}
