"""``python -m benchmarks.bench_allocate``: what the allocate stage costs while it has nothing to allocate.

Twenty pods over 200 symbols, hourly bars through the whole pipeline in one process. The allocate stage is asked in
every block whether a rebalance is due and told what pods reported; only the CPU of blocks without a rebalance counts.
Budget: under 10 % of the pipeline's CPU there. The last line is one JSON object.
"""

from __future__ import annotations

from flows.process.pinning import pin_numerics

pin_numerics()

import functools  # noqa: E402  # numerics are pinned before anything loads numpy
import json  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from dataclasses import dataclass, field  # noqa: E402
from typing import Any  # noqa: E402

import msgspec  # noqa: E402
import numpy as np  # noqa: E402

from flows.dump.records import Records  # noqa: E402
from operators.allocate.capital import Capital  # noqa: E402
from operators.allocate.signals import StandingSignals  # noqa: E402
from operators.frames import RecordBlock  # noqa: E402
from operators.pipeline import Pipeline  # noqa: E402
from operators.plan import compile_plan  # noqa: E402
from operators.strategy_evaluate.registry import default_registry  # noqa: E402
from schemas.configuration import parse_configuration  # noqa: E402
from schemas.messages import Bar  # noqa: E402

PODS, SYMBOLS, CYCLES = 20, 200, 1_000
HOUR, START = 3_600_000_000_000, 1_704_067_200_000_000_000
#: Cycles that are fed first: compiled code, full histories, the first allocation.
WARM = 50
BUDGET = 0.10


def document() -> dict[str, Any]:
    """Twenty pods of one schedule each over all symbols, with a blended policy and the lifecycle on."""
    strategies = ({"fast": 5, "slow": 20}, {"fast": 8, "slow": 30}, {"fast": 10, "slow": 50}, {"fast": 20, "slow": 90})
    pods = [
        {
            "id": f"pod{n:02d}",
            "lifecycle": "on",
            "schedules": [{"id": f"s{n:02d}", "strategy": "sma_cross", "parameters": strategies[n % 4]}],
        }
        for n in range(PODS)
    ]
    blended = {"name": "blended", "components": [{"policy": {"name": n}} for n in ("risk_parity", "signal_strength")]}
    return {
        "time": {"cycle_seconds": 3600, "side_lag_seconds": 0},
        "topics": {"market": {"partitions": 1}},
        "instruments": [{"symbol": f"S{n:03d}", "lot": 0.01, "interval": "1h"} for n in range(SYMBOLS)],
        "portfolios": [{"id": "main", "capital": blended, "pods": pods}],
    }


def bars() -> list[list[bytes]]:
    """The payloads of each cycle."""
    random = np.random.default_rng(5)
    paths = 100 * np.exp(np.cumsum(random.normal(0, 0.006, (CYCLES + 1, SYMBOLS)), axis=0))
    opens, closes = paths.round(2).tolist(), paths[1:].round(2).tolist()
    return [
        [_bar(cycle, n, *prices) for n, prices in enumerate(zip(before, after, strict=True))]
        for cycle, (before, after) in enumerate(zip(opens[:-1], closes, strict=True), 1)
    ]


def _bar(cycle: int, symbol: int, before: float, after: float) -> bytes:
    high, low = max(before, after), min(before, after)
    prices = {"open": before, "high": high, "low": low, "close": after}
    return msgspec.json.encode(Bar(symbol=f"S{symbol:03d}", ts=START + cycle * HOUR, volume=10.0, seq=cycle, **prices))


@dataclass
class Stage:
    """CPU seconds inside the allocate stage, and whether it has rebalanced."""

    seconds: float = 0.0
    rebalances: int = 0
    _inside: bool = field(default=False, repr=False)

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its outermost calls counted."""

        @functools.wraps(function)
        def run(*arguments: Any, **named: Any) -> Any:
            if self._inside:
                return function(*arguments, **named)
            self._inside, begin = True, time.thread_time()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds += time.thread_time() - begin
                self._inside = False

        return run

    def watch(self) -> None:
        """From now on every call into the stage counts, the clock's own cost included."""
        for name in ("next_due", "drifted", "note_days", "note_states", "rebalance"):
            setattr(Capital, name, self.timed(getattr(Capital, name)))
        StandingSignals.note = self.timed(StandingSignals.note)  # type: ignore[method-assign]
        rebalance = Capital.rebalance

        def counted(*arguments: Any, **named: Any) -> Any:
            self.rebalances += 1
            return rebalance(*arguments, **named)

        Capital.rebalance = counted  # type: ignore[method-assign]


def measure() -> dict[str, float]:
    """Feeds every cycle as a block of its own, as a live flow would; shares are of quiet blocks alone."""
    stage = Stage()
    stage.watch()
    pipeline = Pipeline(compile_plan(parse_configuration(document()), default_registry()))
    whole = within = 0.0
    quiet = decisions = 0
    for cycle, payloads in enumerate(bars()):
        first, n = cycle * SYMBOLS, len(payloads)
        records = Records.of(list(range(first, first + n)), [START + (cycle + 1) * HOUR] * n, payloads)
        block = RecordBlock("market", 0, first, first + n, records.offsets, records.timestamps, records.payloads)
        before, count, begin = stage.seconds, stage.rebalances, time.thread_time()
        outputs, _ = pipeline.feed(block)
        took = time.thread_time() - begin
        decisions += sum(len(o.bodies) for o in outputs)
        if cycle >= WARM and stage.rebalances == count:
            whole, within, quiet = whole + took, within + stage.seconds - before, quiet + 1
    return {
        "quiet_cycles": quiet,
        "rebalances": stage.rebalances,
        "decisions": decisions,
        "pipeline_ms_per_cycle": round(1e3 * whole / quiet, 3),
        "allocate_ms_per_cycle": round(1e3 * within / quiet, 4),
        "allocate_share": round(within / whole, 5),
    }


def main() -> None:
    """Measures and prints."""
    found = measure()
    print(
        f"{PODS} pods x {SYMBOLS} symbols, {found['quiet_cycles']} cycles without a rebalance:"
        f" {found['pipeline_ms_per_cycle']} ms a cycle, of which allocate {found['allocate_share']:.2%}"
        f" (budget {BUDGET:.0%})"
    )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
