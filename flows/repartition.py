"""``weir state repartition``: the snapshots of a stopped cluster, for another market partition count or map.

Everything goes on as if nothing had happened; only the market topic is read from the beginning of its new partitions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from flows.dump.dead_letter_sink import dead_letter_key
from flows.dump.layout import open_dump
from flows.errors import InvalidInput, SnapshotIncompatible
from flows.process.kept_configuration import KeptConfiguration, read_kept, write_kept
from flows.process.recovery_folder import Marker
from flows.process.rewrite import rewrite
from flows.process.seeding import States
from flows.resolve import resolve
from flows.stages import STAGE_SNAPSHOT
from flows.topics import SIDE_ROLES
from operators.frames import BEGINNING
from operators.plan import Plan, compile_plan
from operators.repartition import RepartitionRefused, StepSnapshots, common_border, regroup
from operators.strategy_evaluate.registry import default_registry
from schemas.configuration import load_configuration

#: Step ids of the trading flow that key groups matter to.
MARKET: Final = "weir.market"
GROUP: Final = "weir.group"
POD: Final = "weir.pod"
PORTFOLIO: Final = "weir.portfolio"
DEAD_LETTERS: Final = "weir.dead_letters"


class RepartitionResult(Struct, frozen=True, kw_only=True):
    """What was regrouped: at which cycle (UTC ns), and from how many market partitions to how many."""

    border: int
    partitions_before: int
    partitions_after: int
    symbols: int
    config_hash: str
    folder: str


def repartition(old: Path, new: Path, configuration_file: Path, dump: Path | None = None) -> RepartitionResult:
    """Writes the snapshots of ``old`` into the new recovery folder ``new``, regrouped for another market topic.

    Args:
        old: recovery folder of a cleanly stopped cluster; left as it is.
        new: recovery folder to make.
        configuration_file: the configuration to go on with; only ``topics.market`` may differ.
        dump: the dump that the flow goes on with, where the configuration leaves something to it (``from_dump``). It
            holds the new market partitions from the border on, and the side topics from their beginning.

    Raises:
        ConfigurationError: the configuration cannot be used; every fault at once.
        InvalidInput: ``old`` is no recovery folder of the trading flow, or ``new`` holds something.
        ClusterLocked: a cluster runs on either.
        SnapshotIncompatible: not stopped cleanly, not at one cycle border, or another layout; every reason at once.
    """
    configuration = load_configuration(configuration_file)
    if dump is not None:
        configuration = resolve(configuration, open_dump(dump), str(configuration_file))
    kept = read_kept(old)
    retired = () if kept is None else tuple(kept.retired)
    plan = compile_plan(configuration, default_registry(), str(configuration_file), retired)
    told: list[RepartitionResult] = []

    def transform(states: dict[str, dict[str, Any]]) -> States:
        steps = _steps(states, old)
        try:
            regrouped = regroup(plan, steps)
        except RepartitionRefused as refused:
            raise SnapshotIncompatible(f"{old} cannot be regrouped: {refused}") from None
        told.append(
            RepartitionResult(
                border=common_border(steps),
                partitions_before=len(steps.groups),
                partitions_after=len(plan.groups),
                symbols=len(plan.symbols),
                config_hash=plan.config_hash,
                folder=str(new),
            )
        )
        return _states(states, regrouped, plan)

    def marker(last: Marker) -> Marker:
        return msgspec.structs.replace(last, config_hash=plan.config_hash, market_partitions=len(plan.groups))

    rewrite(old, new, transform, marker)
    document = configuration.decision_document()
    write_kept(new, KeptConfiguration(config_hash=plan.config_hash, document=document, retired=list(retired)))
    return told[0]


def _steps(states: dict[str, dict[str, Any]], folder: Path) -> StepSnapshots:
    missing = [step for step in (GROUP, POD, PORTFOLIO) if step not in states]
    if missing:
        raise InvalidInput(f"{folder} has no states of {', '.join(missing)}; name the folder of a trading flow")
    wrapped = [s for step in (GROUP, POD, PORTFOLIO) for s in states[step].values()]
    versions = {s.get("version") for s in wrapped} - {STAGE_SNAPSHOT}
    if versions:
        raise SnapshotIncompatible(
            f"{folder}: stage snapshots of version {', '.join(map(repr, versions))}, this code reads {STAGE_SNAPSHOT};"
            " repartition with the code that wrote them"
        )
    groups, pods, portfolios = (
        {s["number"]: s["step"] for s in states[step].values()} for step in (GROUP, POD, PORTFOLIO)
    )
    return StepSnapshots(groups, pods, portfolios)


def _states(states: dict[str, dict[str, Any]], regrouped: StepSnapshots, plan: Plan) -> States:
    """The rows of the new folder: the market's sources are gone, all else is kept or regrouped."""
    changed: dict[str, dict[str, Any]] = {step: dict(of_step) for step, of_step in states.items() if step != MARKET}
    changed[GROUP] = {f"group-{n:05d}": _wrapped(n, step) for n, step in regrouped.groups.items()}
    for stage, steps in ((POD, regrouped.pods), (PORTFOLIO, regrouped.portfolios)):
        changed[stage] = {key: _wrapped(s["number"], steps[s["number"]]) for key, s in states[stage].items()}
    for role in SIDE_ROLES:
        source = changed.get(f"weir.{role}", {})
        changed |= {f"weir.{role}": {part: _side_source(state) for part, state in source.items()}} if source else {}
    if DEAD_LETTERS in states:
        changed[DEAD_LETTERS] = dead_letter_states(states[DEAD_LETTERS], len(plan.groups))
    return changed


def _wrapped(number: int, step: dict[str, Any]) -> dict[str, Any]:
    return {"version": STAGE_SNAPSHOT, "number": number, "step": step}


def _side_source(state: dict[str, Any]) -> dict[str, Any]:
    """A side source goes on at its record. The slabs of the new dump lie elsewhere: it passes them from the first."""
    return {**state, "border": BEGINNING} if "border" in state else state


def dead_letter_states(states: dict[str, Any], partitions: int) -> dict[str, Any]:
    """Sink states by source partition: those of partitions that are gone go, since bytewax knows no such part.

    In Kafka a partition that comes anew must not take what an earlier one of its number wrote for its own unfinished
    work. After a clean stop nothing is unfinished, so every part may begin at the furthest end that any part knows.
    """
    keys = [dead_letter_key("market", n) for n in range(partitions)]
    kept = {key: state for key, state in states.items() if key in keys or not key.startswith("market-")}
    ends = [s["end"] for s in states.values() if s.get("end") is not None]
    if len({(s.get("topic"), s.get("partition")) for s in states.values()}) != 1 or not ends:
        return kept
    one = next(iter(states.values()))
    if one.get("topic") is None:
        return kept
    anew = {key: {**one, "counter": None} for key in keys if key not in kept}
    return {key: {**state, "end": max(ends)} for key, state in {**kept, **anew}.items()}
