"""One dump, one decision log: for any workers, processes, hash seed and batch size (design, promise 2)."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from tests.processes.live_cluster import weir
from tests.processes.market import document, write_configuration
from tests.processes.outputs import Outputs, assert_equal, outputs_of_files
from tests.processes.tally import TALLY

pytestmark = pytest.mark.process

#: (processes, workers, batch, slab, PYTHONHASHSEED)
Shape = tuple[int, int, int, int, str]
REDUCED: list[Shape] = [
    (0, 2, 7, 500, "1"),
    (0, 4, 1, 200, "random"),
    (2, 1, 10_000, 100, "2"),
    (4, 1, 33, 1_000, "4294967295"),
]
FULL: list[Shape] = [
    (processes, workers, batch, slab, seed)
    for (processes, workers), batch, (slab, seed) in itertools.product(
        [(0, 1), (0, 2), (0, 4), (1, 1), (2, 1), (4, 1), (2, 2)],
        [1, 2, 17, 256, 10_000],
        [(50, "0"), (700, "random"), (40_000, "42")],
    )
]


def check(shape: Shape, market: Path, expected: Outputs, folder: Path) -> None:
    """Replays in this shape and compares every byte."""
    processes, workers, batch, slab, seed = shape
    configuration = write_configuration(folder / "weir.yaml", document())
    ended = weir(
        "replay", "--dump", market, "--config", configuration, "--out", folder / "out", "--json",
        "--no-clickhouse", "--no-report", "--processes", str(processes), "--workers", str(workers),
        "--batch", str(batch), "--slab", str(slab),
        PYTHONHASHSEED=seed,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout.splitlines()[-1])
    assert result["decisions_sha256"] == expected.decisions_sha256
    assert_equal(outputs_of_files(folder / "out"), expected)
    TALLY.shapes.add(("dump", *shape))
    TALLY.hashes.add(result["decisions_sha256"])


@pytest.mark.parametrize("shape", REDUCED, ids=str)
def test_workers_processes_batches_and_hash_seeds_change_nothing(
    shape: Shape, market: Path, expected: Outputs, tmp_path: Path
) -> None:
    check(shape, market, expected, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("shape", FULL, ids=str)
def test_the_whole_matrix_of_shapes_changes_nothing(
    shape: Shape, market: Path, expected: Outputs, tmp_path: Path
) -> None:
    check(shape, market, expected, tmp_path)
