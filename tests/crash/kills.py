"""When and how clusters die in these tests: a plan made from a seed, so that a failure can be repeated."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Final

from tests.processes.live_cluster import eventually
from tests.processes.trial import Trial

#: (processes, workers): each start comes in another shape than the one before.
SHAPES: Final = ((1, 1), (2, 1), (1, 2), (4, 1), (2, 2), (1, 4))
POINTS: Final = (
    "decisions.before_commit",
    "decisions.after_commit",
    "decisions.before_snapshot",
    "decisions.after_snapshot",
    "stages.before_snapshot",
    "stages.after_snapshot",
    "dead_letters.before_commit",
    "dead_letters.after_commit",
)


@dataclass(frozen=True, slots=True)
class Kill:
    """One start of a cluster and its end: at a named point, or after ``more`` further decisions and ``seconds``."""

    processes: int
    workers: int
    point: str | None = None
    more: int = 0
    seconds: float = 0.0


def plan(seed: int, kills: int) -> list[Kill]:
    """``kills`` starts in changing shapes; every other one ends at a named point."""
    chance = random.Random(seed)
    points = chance.sample(POINTS, len(POINTS))
    found: list[Kill] = []
    for number in range(kills):
        shape = SHAPES[(seed + number) % len(SHAPES)]
        if number % 2:
            # A start that has less to write than that reaches no point so often: small numbers.
            point = f"{points[number // 2 % len(points)]}:{chance.randint(1, 4)}"
            found.append(Kill(*shape, point=point))
        else:
            found.append(Kill(*shape, more=chance.randint(0, 40), seconds=chance.uniform(0.0, 0.3)))
    return found


def run_until_killed(trial: Trial, kill: Kill) -> None:
    """Starts a cluster as ``kill`` says and returns when none of it is alive."""
    before = trial.decided()
    cluster = trial.cluster().start(kill.processes, kill.workers, crash_point=kill.point)
    total = sum(trial.expected.counts().values()) if trial.expected is not None else 0
    try:
        if kill.point is None:
            trial.wait_for(min(before + kill.more, total), cluster)
            # The moment within an epoch is part of the plan; nothing is waited for here.
            time.sleep(kill.seconds)
        else:
            # Where the log is at its end before the point comes up, the moment is that.
            eventually(f"{kill.point} or the end of the log", lambda: cluster.ended or trial.decided() >= total)
            assert not cluster.ended or "ended by SIGKILL" in cluster.said, cluster.said[-2000:]
    finally:
        cluster.kill()
