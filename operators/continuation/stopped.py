"""A cleanly stopped flow: its steps' snapshots, and the configuration that they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from operators.normalize.group_step import GROUP_SNAPSHOT
from operators.pods.pod_step import POD_SNAPSHOT
from operators.portfolio.portfolio_step import PORTFOLIO_SNAPSHOT
from operators.side.side_step import SIDE_SNAPSHOT
from schemas.configuration import Configuration
from schemas.configuration.instruments import Instrument
from schemas.configuration.portfolio import Schedule

Snapshot = dict[str, Any]


class ContinuationRefused(Exception):
    """The configuration cannot take over this state; ``problems`` holds one line for each reason, with its fix."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__(f"{len(problems)} problem(s)\n" + "\n".join(f"  {p}" for p in problems))


@dataclass(frozen=True, slots=True)
class StepSnapshots:
    """The steps' own snapshots: groups by market partition, pods and portfolios by their number in the plan, side steps
    by (topic, partition)."""

    groups: dict[int, Snapshot]
    pods: dict[int, Snapshot]
    portfolios: dict[int, Snapshot]
    sides: dict[tuple[str, int], Snapshot]


class PodName(NamedTuple):
    """A pod's id within its portfolio."""

    portfolio: str
    pod: str


class ScheduleKey(NamedTuple):
    """What a schedule's state is kept under: state goes on under an equal key only."""

    pod: PodName
    schedule: str
    strategy: str
    version: str
    parameter_hash: str
    interval: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """A cleanly stopped flow, with what its numbers meant.

    Attributes:
        configuration, config_hash: what it ran with, nothing left to a dump.
        steps: its snapshots.
        symbols: names by number. instruments: by symbol.
        pods: names by number, those included that were being wound up.
        schedules: keys by number.
    """

    configuration: Configuration
    config_hash: str
    steps: StepSnapshots
    symbols: tuple[str, ...]
    instruments: dict[str, Instrument]
    pods: tuple[PodName, ...]
    schedules: tuple[ScheduleKey, ...]

    @classmethod
    def of(cls, configuration: Configuration, config_hash: str, steps: StepSnapshots) -> Stopped:
        """Names for the numbers of ``steps``; raises ContinuationRefused for snapshots of another code."""
        problems = _version_problems(steps)
        if problems:
            raise ContinuationRefused(problems)
        listed = configuration.instruments if not isinstance(configuration.instruments, str) else []
        instruments = {i.symbol: i for i in sorted(listed, key=lambda i: i.symbol)}
        pods = tuple(
            PodName(configuration.portfolios[number].id, pod)
            for number, portfolio in sorted(steps.portfolios.items())
            for pod in portfolio["pods"]
        )
        known: dict[str, Snapshot] = {}
        for _, group in sorted(steps.groups.items()):
            known |= group["strategies"]["schedules"]
        schedules = tuple(
            _key(PodName(*name), schedule, version, parameters, known)
            for number, name in enumerate(pods)
            for schedule, version, parameters in steps.pods[number]["schedules"]
        )
        return cls(configuration, config_hash, steps, tuple(instruments), instruments, pods, schedules)

    def schedule(self, key: ScheduleKey) -> Schedule | None:
        """The configuration of a schedule."""
        for portfolio in self.configuration.portfolios:
            if portfolio.id == key.pod.portfolio:
                for pod in portfolio.pods:
                    for schedule in pod.schedules:
                        if (pod.id, schedule.id) == (key.pod.pod, key.schedule):
                            return schedule
        return None

    def traded(self, name: PodName) -> dict[str, tuple[float, tuple[str, ...]]]:
        """Of every enabled schedule of a pod: its share of the pod's capital, and its symbols."""
        found: dict[str, tuple[float, tuple[str, ...]]] = {}
        for portfolio in self.configuration.portfolios:
            for pod in portfolio.pods:
                if (portfolio.id, pod.id) != name:
                    continue
                enabled = [s for s in pod.schedules if s.enabled]
                for schedule in enabled:
                    share = schedule.share if schedule.share is not None else 1.0 / len(enabled)
                    symbols = self.symbols if schedule.symbols == "*" else tuple(sorted(set(schedule.symbols)))
                    found[schedule.id] = (share, symbols)
        return found


def _key(name: PodName, schedule: str, version: str, parameters: str, known: dict[str, Snapshot]) -> ScheduleKey:
    saved = known.get(f"{name.portfolio}/{schedule}", {})
    return ScheduleKey(name, schedule, saved.get("strategy", ""), version, parameters, saved.get("interval", ""))


def _version_problems(steps: StepSnapshots) -> list[str]:
    kinds = (
        ("market partition", steps.groups, GROUP_SNAPSHOT),
        ("pod", steps.pods, POD_SNAPSHOT),
        ("portfolio", steps.portfolios, PORTFOLIO_SNAPSHOT),
        ("side partition", steps.sides, SIDE_SNAPSHOT),
    )
    return [
        f"{kind} {number}: snapshot version {snapshot.get('version')!r}, this code continues {version}; change the"
        " configuration with the code that wrote it"
        for kind, snapshots, version in kinds
        for number, snapshot in sorted(snapshots.items())
        if snapshot.get("version") != version
    ]
