"""Merging the parts of a run into ``decisions.jsonl``, ``orders.jsonl`` and ``dead_letters.jsonl``.

The order is (portfolio, sequence), and for dead letters (topic, partition, offset), whatever worker wrote which part.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.dump.dead_letter_sink import dead_letter_key, dead_letter_path
from flows.dump.decision_lines import split_line
from flows.dump.file_sink import part_folder
from flows.dump.files import open_read, open_write

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class OutputSummary:
    """What a run wrote.

    Attributes:
        decisions, orders, dead_letters: number of lines.
        decisions_sha256: over the bodies, each followed by a newline; envelopes do not count.
        orders_sha256: over the lines of the uncompressed file.
    """

    decisions: int
    orders: int
    dead_letters: int
    decisions_sha256: str
    orders_sha256: str


def finish(
    out: Path, portfolios: Sequence[str], partitions: Sequence[tuple[str, int]], *, compressed: bool = False
) -> OutputSummary:
    """Merges the parts below ``out``; may be repeated, also after the run went on.

    Args:
        out: the run's folder.
        portfolios: ids of all portfolios; partitions: (role, partition) of every source partition.
        compressed: write ``.jsonl.zst``.
    """
    folders = [part_folder(out, portfolio) for portfolio in sorted(portfolios)]
    letters = [dead_letter_path(out, key) for key in sorted(dead_letter_key(*place) for place in partitions)]
    ending = ".jsonl.zst" if compressed else ".jsonl"
    for name in ("decisions", "orders", "dead_letters"):
        for old in (".jsonl", ".jsonl.zst"):
            (out / (name + old)).unlink(missing_ok=True)
    decisions, orders = out / f"decisions{ending}", out / f"orders{ending}"
    dead = out / f"dead_letters{ending}"
    _merge([folder / "decisions.jsonl" for folder in folders], decisions)
    _merge([folder / "orders.jsonl" for folder in folders], orders)
    _merge(letters, dead)
    decision_count, decisions_sha256 = _bodies(decisions)
    order_count, orders_sha256 = _lines(orders)
    return OutputSummary(decision_count, order_count, _lines(dead)[0], decisions_sha256, orders_sha256)


def _merge(parts: list[Path], target: Path) -> None:
    """Joins files; parts that were never written count as empty, and a single plain one is linked."""
    parts = [part for part in parts if part.exists()]
    if len(parts) == 1 and target.suffix == ".jsonl":
        try:
            os.link(parts[0], target)
            return
        except OSError:  # a file system without links
            pass
    with open_write(target) as file:
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, file, _BLOCK)


def _bodies(path: Path) -> tuple[int, str]:
    digest, count = hashlib.sha256(), 0
    with open_read(path) as file:
        for line in file:
            digest.update(split_line(line)[0])
            digest.update(b"\n")
            count += 1
    return count, digest.hexdigest()


def _lines(path: Path) -> tuple[int, str]:
    digest, count = hashlib.sha256(), 0
    with open_read(path) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            count += block.count(b"\n")
    return count, digest.hexdigest()
