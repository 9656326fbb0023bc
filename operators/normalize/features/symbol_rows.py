"""Moves per-symbol state between snapshots and groups, by symbol name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Rows = dict[str, Any]


def take_over(own: Rows, own_names: Sequence[str], saved: Rows, saved_names: Sequence[str]) -> None:
    """Copies into ``own`` the rows of each symbol that ``saved`` has too; the others stay as they are.

    Entries are arrays or lists with one row a symbol; an entry of another shape, or that only one side has, is left.
    """
    place = {name: i for i, name in enumerate(saved_names)}
    pairs = [(i, place[name]) for i, name in enumerate(own_names) if name in place]
    if not pairs:
        return
    mine, theirs = (list(p) for p in zip(*pairs, strict=True))
    for key in sorted(own.keys() & saved.keys()):
        target, source = own[key], saved[key]
        if isinstance(target, np.ndarray):
            if isinstance(source, np.ndarray) and source.shape[1:] == target.shape[1:]:
                target[mine] = source[theirs]
        else:
            for i, j in pairs:
                target[i] = source[j]
