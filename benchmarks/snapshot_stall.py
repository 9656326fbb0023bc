"""How long a snapshot holds the flow up: every key's state of 100 symbols, as the runtime stores it.

``python -m benchmarks.snapshot_stall DUMP CONFIGURATION`` prints one JSON object of milliseconds, p50 and p99 for each
key and for all keys of the process together, which is what an epoch's end waits for.
"""

from __future__ import annotations

import json
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flows.process.pinning import pin_numerics

pin_numerics()

import numpy as np  # noqa: E402  after the pinning

from flows.dump.layout import open_dump  # noqa: E402
from flows.dump.slabs import slab_borders  # noqa: E402
from flows.dump.source import DumpSource  # noqa: E402
from flows.resolve import resolve  # noqa: E402
from operators.pipeline import Pipeline  # noqa: E402
from operators.plan import compile_plan  # noqa: E402
from operators.strategy_evaluate.registry import default_registry  # noqa: E402
from schemas.configuration import load_configuration  # noqa: E402

_TIMES = 300
#: Records fed first: every history is full.
_RECORDS = 20_000


def stalls(dump_path: Path, configuration: Path) -> dict[str, tuple[float, float]]:
    """(p50, p99) in ms of each key's snapshot, and of all."""
    dump = open_dump(dump_path, dump_path / ".run")
    plan = compile_plan(resolve(load_configuration(configuration), dump, str(configuration)), default_registry())
    pipeline = Pipeline(plan)
    source = DumpSource(dump, "market", slab_borders(dump.manifest, _RECORDS)).build_part("market", "market-0", None)
    for block in source.next_batch():
        pipeline.feed(block)
    keys: dict[str, Callable[[], Any]] = {f"group {n}": step.snapshot for n, step in enumerate(pipeline.groups)}
    keys |= {plan.pods[n].id: step.snapshot for n, step in enumerate(pipeline.pods)}
    keys |= {plan.portfolios[n].id: step.snapshot for n, step in enumerate(pipeline.portfolios)}
    taken = np.array([[_milliseconds(snapshot) for snapshot in keys.values()] for _ in range(_TIMES)])
    columns = dict(zip(keys, taken.T, strict=True)) | {"all": taken.sum(axis=1)}
    return {name: tuple(np.percentile(column, (50, 99)).round(3).tolist()) for name, column in columns.items()}


def _milliseconds(snapshot: Callable[[], Any]) -> float:
    started = time.perf_counter()
    pickle.dumps(snapshot())
    return (time.perf_counter() - started) * 1e3


if __name__ == "__main__":
    print(json.dumps(stalls(Path(sys.argv[1]), Path(sys.argv[2]))))
