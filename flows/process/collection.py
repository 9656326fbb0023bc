"""Garbage collection while a flow runs."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

#: Allocations before the youngest generation is looked through, and how many such rounds before the next ones. Frames
#: and decisions hold no cycles: they are freed by reference counts, and looking for cycles among them finds nothing.
_THRESHOLDS = (50_000, 20, 50)


@contextmanager
def spared() -> Iterator[None]:
    """What was loaded before is never looked through, and what a run makes seldom: at p99 a collection over a loaded
    process costs more than a cycle."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
