"""Decisions and orders into files, exactly once over crashes (design, "Exactly once", promises 3 and 4).

A portfolio has a part of its own, ``parts/<portfolio>/decisions.jsonl`` and ``orders.jsonl``; :mod:`flows.dump.finish`
merges them. Within a batch the decisions are on disk before the first order is appended. After a crash, what lies
beyond the snapshot is read back, compared with what the flow repeats, and skipped; a difference ends the run.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from flows.crash_points import reached
from flows.dump.decision_lines import decision_line, envelope_json, split_line
from flows.dump.line_file import LineFile
from flows.errors import DivergedFromLog, InvalidInput, SnapshotIncompatible
from operators.frames import Beat, OutputBlock

#: Version of a part's snapshot.
STATE_VERSION = 1

#: ``{"version", "portfolio", "decisions_end", "orders_end", "sequence", "hash"}``: byte ends of what was handed to the
#: sink, sequence and hash of the last decision (0 and "" before the first).
SinkState: TypeAlias = dict[str, Any]


def part_folder(out: Path, portfolio: str) -> Path:
    """Folder of one portfolio's files; the name is escaped so that any id makes a valid one."""
    return out / "parts" / f"portfolio-{quote(portfolio, safe='')}"


class _Tail:
    """Lines that a crashed run wrote beyond the snapshot: (what they are compared by, byte after the line)."""

    def __init__(self, lines: deque[tuple[str, int]], end: int) -> None:
        self._lines = lines
        #: Byte up to which everything was repeated.
        self.end = end

    def take(self, digest: str, what: str) -> bool:
        """True when the next line is already there; raises DivergedFromLog when another one is."""
        if not self._lines:
            return False
        committed, end = self._lines[0]
        if committed != digest:
            raise DivergedFromLog(
                f"{what}: the file holds {committed}, the resumed flow makes {digest}; input, configuration or code"
                " changed since the crash. Resume with what ran before, or write to a new --out folder"
            )
        self._lines.popleft()
        self.end = end
        return True

    def __bool__(self) -> bool:
        return bool(self._lines)


class DecisionPart(StatefulSinkPartition["OutputBlock | Beat", SinkState]):
    """One portfolio's files; see :class:`FileDecisionSink`."""

    def __init__(self, out: Path, portfolio: str, envelope: bytes, recovery: bool, state: SinkState | None) -> None:
        self._portfolio, self._envelope, self._recovery = portfolio, envelope, recovery
        folder = part_folder(out, portfolio)
        self._decisions = LineFile(folder / "decisions.jsonl", keep=recovery)
        self._orders = LineFile(folder / "orders.jsonl", keep=recovery)
        self._sequence, self._hash = 0, ""
        decisions_end = orders_end = 0
        if state is not None:
            decisions_end, orders_end = self._resume(state)
        self._decision_tail = self._read_tail(self._decisions, decisions_end, _decision_digest)
        self._order_tail = self._read_tail(self._orders, orders_end, _order_digest)

    def _resume(self, state: SinkState) -> tuple[int, int]:
        if state.get("version") != STATE_VERSION or state.get("portfolio") != self._portfolio:
            raise SnapshotIncompatible(
                f"sink snapshot of portfolio {state.get('portfolio')!r} has version {state.get('version')!r};"
                f" this code resumes version {STATE_VERSION} of {self._portfolio!r};"
                " resume with the code that wrote it, or start on a new recovery folder"
            )
        self._decisions.check_length(state["decisions_end"])
        self._orders.check_length(state["orders_end"])
        self._sequence, self._hash = state["sequence"], state["hash"]
        return state["decisions_end"], state["orders_end"]

    @staticmethod
    def _read_tail(file: LineFile, start: int, digest: Any) -> _Tail:
        lines: deque[tuple[str, int]] = deque()
        end = start
        for line in file.lines_from(start):
            end += len(line)
            lines.append((digest(file.path, line), end))
        return _Tail(lines, start)

    def write_batch(self, values: list[OutputBlock | Beat]) -> None:
        """Writes decisions, makes them durable, then writes orders.

        Raises DivergedFromLog when a repeated record differs from the committed one, or a sequence has a gap.
        """
        decisions: list[bytes] = []
        orders: list[bytes] = []
        for block in values:
            if not isinstance(block, Beat):
                self._add_decisions(block, decisions)
                self._add_orders(block, orders)
        self._decisions.append(decisions)
        if self._recovery:
            self._decisions.sync()
        reached("files.after_decisions")
        self._orders.append(orders)
        reached("files.after_orders")

    def _add_decisions(self, block: OutputBlock, lines: list[bytes]) -> None:
        if block.portfolio != self._portfolio:
            raise InvalidInput(f"a block of portfolio {block.portfolio!r} came to the files of {self._portfolio!r}")
        if block.bodies and block.first_sequence != self._sequence + 1:
            raise DivergedFromLog(
                f"portfolio {self._portfolio}: decision {block.first_sequence} follows {self._sequence};"
                " a sequence has no gaps and no repetitions"
            )
        for body, digest in zip(block.bodies, block.hashes, strict=True):
            self._sequence += 1
            self._hash = digest
            if not self._decision_tail or not self._decision_tail.take(digest, self._name("decision", self._sequence)):
                lines.append(decision_line(body, digest, self._envelope))

    def _add_orders(self, block: OutputBlock, lines: list[bytes]) -> None:
        if not self._order_tail:
            lines += [order + b"\n" for order in block.orders]
            return
        for order, decision in zip(block.orders, block.order_decisions, strict=True):
            if self._order_tail:
                what = self._name("an order of decision", block.first_sequence + decision)
                if self._order_tail.take(hashlib.sha256(order).hexdigest(), what):
                    continue
            lines.append(order + b"\n")

    def _name(self, kind: str, sequence: int) -> str:
        return f"portfolio {self._portfolio}: {kind} {sequence}"

    def snapshot(self) -> SinkState:
        """What was handed to the sink up to here, on disk."""
        reached("files.before_snapshot")
        if self._recovery:
            self._orders.sync()
        reached("files.after_snapshot")
        return {
            "version": STATE_VERSION,
            "portfolio": self._portfolio,
            "decisions_end": self._decision_tail.end if self._decision_tail else self._decisions.end,
            "orders_end": self._order_tail.end if self._order_tail else self._orders.end,
            "sequence": self._sequence,
            "hash": self._hash,
        }

    def close(self) -> None:
        """Closes both files."""
        self._decisions.close()
        self._orders.close()


def _decision_digest(path: Path, line: bytes) -> str:
    try:
        body, digest = split_line(line.rstrip(b"\n"))
    except ValueError as error:
        raise DivergedFromLog(f"{path}: a line beyond the snapshot is no decision: {line[:80]!r}") from error
    if hashlib.sha256(body).hexdigest() != digest:
        raise DivergedFromLog(f"{path}: the body of decision {digest} was changed: its hash does not fit")
    return digest


def _order_digest(path: Path, line: bytes) -> str:
    return hashlib.sha256(line.rstrip(b"\n")).hexdigest()


class FileDecisionSink(FixedPartitionedSink["OutputBlock | Beat", SinkState]):
    """Decisions and orders of all portfolios, keyed by portfolio id.

    Args:
        out: the run's folder; parts are written below ``parts``.
        portfolios: ids of all portfolios of the configuration.
        envelope: what stands beside each body: key id, trace ids, code version.
        recovery: the flow keeps snapshots: files are continued, and decisions are on disk before orders are appended.
            Without it files are written anew and never forced to disk.
    """

    def __init__(self, out: Path, portfolios: Sequence[str], envelope: Mapping[str, Any], *, recovery: bool) -> None:
        if len(set(portfolios)) != len(portfolios) or not portfolios:
            raise InvalidInput(f"portfolios {list(portfolios)}: at least one is needed, and each once")
        self._out, self._portfolios, self._recovery = out, sorted(portfolios), recovery
        self._envelope = envelope_json(envelope)

    def list_parts(self) -> list[str]:
        """One part for each portfolio."""
        return list(self._portfolios)

    def part_fn(self, item_key: str) -> int:
        """A portfolio's own part; raises InvalidInput for one that the sink was not told of."""
        try:
            return self._portfolios.index(item_key)
        except ValueError as error:
            raise InvalidInput(f"portfolio {item_key!r} is not among {', '.join(self._portfolios)}") from error

    def build_part(self, step_id: str, for_part: str, resume_state: SinkState | None) -> DecisionPart:
        """Opens a portfolio's files, cuts a torn last line, and reads what lies beyond the snapshot."""
        return DecisionPart(self._out, for_part, self._envelope, self._recovery, resume_state)
