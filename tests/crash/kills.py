"""When and how clusters die in these tests: a plan made from a seed, so that a failure can be repeated.

The log is published part by part, one part for each start of a cluster, and the last part only for the one that runs to
the end. So every start finds work, and no kill can fall behind the end of the log.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.processes.live_cluster import eventually
from tests.processes.market import write_parts
from tests.processes.outputs import Outputs, assert_begins
from tests.processes.tally import TALLY
from tests.processes.trial import Trial

#: (processes, workers): each start comes in another shape than the one before.
SHAPES: Final = ((1, 1), (2, 1), (1, 2), (4, 1), (2, 2), (1, 4))
#: Named points with the highest number of the pass at which to die. Commits come once or twice in a part of the log,
#: snapshots with every epoch.
POINTS: Final = {
    "decisions.before_commit": 2,
    "decisions.after_commit": 2,
    "decisions.before_snapshot": 5,
    "decisions.after_snapshot": 5,
    "stages.before_snapshot": 40,
    "stages.after_snapshot": 40,
    "dead_letters.before_commit": 1,
    "dead_letters.after_commit": 1,
}


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
    points = chance.sample(sorted(POINTS), len(POINTS))
    found: list[Kill] = []
    for number in range(kills):
        shape = SHAPES[(seed + number) % len(SHAPES)]
        if number % 2:
            point = points[(seed * kills // 2 + number // 2) % len(points)]
            found.append(Kill(*shape, point=f"{point}:{chance.randint(1, POINTS[point])}"))
        else:
            found.append(Kill(*shape, more=chance.randint(1, 15), seconds=chance.uniform(0.0, 0.2)))
    return found


def run_until_killed(trial: Trial, kill: Kill) -> None:
    """Starts a cluster as ``kill`` says and returns when none of it is alive; fails when the point never came."""
    before = trial.decided()
    cluster = trial.cluster().start(kill.processes, kill.workers, crash_point=kill.point)
    try:
        if kill.point is None:
            trial.wait_for(before + kill.more, cluster)
            # The moment within an epoch is part of the plan; nothing is waited for here.
            time.sleep(kill.seconds)
            assert not cluster.ended, cluster.said[-2000:]
        else:
            eventually(kill.point, lambda: cluster.ended)
            assert "ended by SIGKILL" in cluster.said, cluster.said[-2000:]
            TALLY.points.add(kill.point.partition(":")[0])
    finally:
        cluster.kill()


def survive(trial: Trial, expected: Outputs, folder: Path, kills: list[Kill]) -> None:
    """Runs the market through ``kills`` and one good end; compares what is committed after each of them."""
    *parts, last = write_parts(folder, len(kills) + 1)
    for number, (kill, part) in enumerate(zip(kills, parts, strict=True), start=1):
        print(f"kill {number}: {kill}")
        trial.publish(part)
        run_until_killed(trial, kill)
        assert_begins(trial.outputs(wait=False), expected)
        TALLY.kills += 1
        TALLY.shapes.add(("kafka", kill.processes, kill.workers))
    trial.publish(last).expecting(expected).finish(processes=2)
    TALLY.hashes.add(trial.outputs().decisions_sha256)
