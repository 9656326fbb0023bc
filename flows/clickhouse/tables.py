"""How a decision becomes rows: the columns of each table, gathered over a batch.

Body tables are columns already, so a batch only concatenates them: no object is kept for a row or a decision, which
also keeps the garbage collector out of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from schemas.canonical import canonical_json
from schemas.decision import DecisionBody, Envelope

_TEXT: Final = pa.string()
_NUMBER: Final = pa.float64()
_BYTES: Final = pa.binary()
_TIME: Final = pa.timestamp("ns", "UTC")

#: (column, field of the body's table, type)
Column = tuple[str, str, pa.DataType]


@dataclass(frozen=True, slots=True)
class Child:
    """A child table and the field of the body that fills it."""

    table: str
    field: str
    columns: tuple[Column, ...]


def _same(kind: pa.DataType, *names: str) -> tuple[Column, ...]:
    return tuple((name, name, kind) for name in names)


INTENTS: Final = Child(
    "intent_rows",
    "intents",
    (
        *_same(_TEXT, "pod", "schedule", "symbol", "direction", "feature_snapshot_hash"),
        *_same(_NUMBER, "value", "confidence", "weight", "target_notional", "price"),
        *_same(pa.list_(_NUMBER), "features"),
    ),
)
TARGETS: Final = Child(
    "target_rows",
    "targets",
    (
        *_same(_TEXT, "pod", "symbol"),
        *_same(_NUMBER, "gross", "net", "weight", "fraction", "units"),
        *_same(pa.bool_(), "conflict"),
    ),
)
CLIPS: Final = Child(
    "clip_rows", "clips", (*_same(_TEXT, "pod", "symbol", "reason", "unit"), *_same(_NUMBER, "before", "after"))
)
ORDERS: Final = Child(
    "order_rows",
    "orders",
    (
        *_same(_TEXT, "client_order_id", "symbol"),
        *_same(_NUMBER, "quantity", "reference_price", "approved"),
        ("order_sequence", "sequence", pa.uint64()),
        ("position_before", "position", _NUMBER),
        ("pending_before", "pending", _NUMBER),
    ),
)
FILLS: Final = Child(
    "fill_rows",
    "fills",
    (
        *_same(_TEXT, "client_order_id", "symbol"),
        *_same(_NUMBER, "quantity", "price", "fee"),
        *_same(pa.list_(_TEXT), "pods"),
        *_same(pa.list_(_NUMBER), "shares"),
    ),
)
POD_METRICS: Final = Child(
    "pod_metric_rows", "pods", (*_same(_TEXT, "pod"), *_same(_NUMBER, "equity", "fraction"))
)
CHILDREN: Final = (INTENTS, TARGETS, CLIPS, ORDERS, FILLS, POD_METRICS)

#: Columns that are texts of the document, and one that is the document.
_TRANSITION: Final = ("subject", "before", "after", "reason", "body")
_CANCEL: Final = (("client_order_id", _TEXT), ("symbol", _TEXT), ("reason", _TEXT), ("order_sequence", pa.uint64()))
_INPUT: Final = (("topic", _TEXT), ("partition", pa.int32()), ("first_offset", pa.int64()), ("last_offset", pa.int64()))
_OF_BODY: Final = (
    *_same(_TEXT, "decision_id", "previous", "config_hash", "trading_state"),
    *_same(_NUMBER, "equity", "cash", "gross_exposure", "net_exposure"),
    *_same(pa.bool_(), "heartbeat"),
)
_OF_ENVELOPE: Final = ("code_version", "key_id", "signature", "traceparent")
_DOCUMENTS: Final = ("commands", "events")


class _ChildColumns:
    """What one child table gathers: values by column, and how many rows each decision has."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.counts: list[int] = []
        self.values: list[list[Any]] = [[] for _ in child.columns]
        self._extend = [(values.extend, source) for values, (_, source, _) in zip(self.values, child.columns, strict=True)]

    def add(self, body: DecisionBody) -> None:
        part = getattr(body, self.child.field)
        if part is None:
            self.counts.append(0)
            return
        before = len(self.values[0])
        for extend, source in self._extend:
            extend(getattr(part, source))
        self.counts.append(len(self.values[0]) - before)


class Batch:
    """Gathers decisions and gives their Arrow tables. ``size`` is the bytes of the bodies held."""

    def __init__(self) -> None:
        self.size = 0
        self._portfolio: list[str] = []
        self._sequence: list[int] = []
        self._cycle: list[int] = []
        self._hash: list[str] = []
        self._raw: list[bytes] = []
        self._capital: list[bytes] = []
        self._body: list[list[Any]] = [[] for _ in _OF_BODY]
        self._envelope: list[list[str]] = [[] for _ in _OF_ENVELOPE]
        self._documents: list[list[list[bytes]]] = [[] for _ in _DOCUMENTS]
        self._input_counts: list[int] = []
        self._inputs: list[list[Any]] = [[] for _ in _INPUT]
        self._children = [_ChildColumns(child) for child in CHILDREN]
        self._transition_counts: list[int] = []
        self._transitions: list[list[Any]] = [[] for _ in _TRANSITION]
        self._cancel_counts: list[int] = []
        self._cancels: list[list[Any]] = [[] for _ in _CANCEL]

    def __len__(self) -> int:
        return len(self._raw)

    def add(self, raw: bytes, body: DecisionBody, body_hash: str, envelope: Envelope) -> None:
        """One decision: its verbatim bytes, the struct made of them, their hash and the envelope."""
        self.size += len(raw)
        self._portfolio.append(body.portfolio)
        self._sequence.append(body.sequence)
        self._cycle.append(body.cycle)
        self._hash.append(body_hash)
        self._raw.append(raw)
        self._capital.append(b"" if body.capital is None else canonical_json(body.capital))
        for values, (_, name, _) in zip(self._body, _OF_BODY, strict=True):
            values.append(getattr(body, name))
        for values, name in zip(self._envelope, _OF_ENVELOPE, strict=True):
            values.append(getattr(envelope, name) or "")
        for documents, name in zip(self._documents, _DOCUMENTS, strict=True):
            documents.append([canonical_json(document) for document in getattr(body, name) or ()])
        self._input_counts.append(len(body.inputs))
        for row in body.inputs:
            for values, value in zip(self._inputs, row, strict=True):
                values.append(value)
        for child in self._children:
            child.add(body)
        self._add_transitions(body.transitions or [])
        self._cancel_counts.append(len(body.cancels or ()))
        for cancel in body.cancels or ():
            for values, (name, _) in zip(self._cancels, _CANCEL, strict=True):
                values.append(cancel["sequence" if name == "order_sequence" else name])

    def _add_transitions(self, transitions: list[dict[str, Any]]) -> None:
        self._transition_counts.append(len(transitions))
        for document in transitions:
            *fields, whole = self._transitions
            for values, name in zip(fields, _TRANSITION[:-1], strict=True):
                values.append(_text(document.get(name)))
            whole.append(canonical_json(document))

    def tables(self) -> list[tuple[str, pa.Table]]:
        """The rows as (table, columns), empty tables left out; ``decision_rows`` comes last.

        Children go first, so that a decision that can be seen has its children.
        """
        keys = _Keys(self._portfolio, self._sequence, self._cycle)
        tables: list[tuple[str, pa.Table]] = []
        for part in self._children:
            columns = keys.repeated(part.counts)
            for (name, _, kind), values in zip(part.child.columns, part.values, strict=True):
                columns[name] = pa.array(values, kind)
            tables.append((part.child.table, pa.table(columns)))
        columns = keys.repeated(self._transition_counts)
        for name, values in zip(_TRANSITION, self._transitions, strict=True):
            columns[name] = pa.array(values, _BYTES if name == "body" else _TEXT)
        tables.append(("transition_rows", pa.table(columns)))
        columns = keys.repeated(self._cancel_counts)
        for (name, kind), values in zip(_CANCEL, self._cancels, strict=True):
            columns[name] = pa.array(values, kind)
        tables.append(("cancel_rows", pa.table(columns)))
        tables.append(("decision_rows", self._decisions(keys)))
        return [(name, table) for name, table in tables if table.num_rows]

    def _decisions(self, keys: _Keys) -> pa.Table:
        columns = keys.repeated([1] * len(self))
        del columns["position"]
        columns["hash"] = pa.array(self._hash, _TEXT)
        for (name, _, kind), values in zip(_OF_BODY, self._body, strict=True):
            columns[name] = pa.array(values, kind)
        for name, texts in zip(_OF_ENVELOPE, self._envelope, strict=True):
            columns[name] = pa.array(texts, _TEXT)
        for name, documents in zip(_DOCUMENTS, self._documents, strict=True):
            columns[name] = pa.array(documents, pa.list_(_BYTES))
        columns["inputs"] = self._input_column()
        columns["capital"] = pa.array(self._capital, _BYTES)
        for part in self._children:
            if part.child is not POD_METRICS:
                columns[part.child.field] = pa.array(part.counts, pa.uint32())
        columns["cancels"] = pa.array(self._cancel_counts, pa.uint32())
        columns["transitions"] = pa.array(self._transition_counts, pa.uint32())
        columns["body"] = pa.array(self._raw, _BYTES)
        return pa.table(columns)

    def _input_column(self) -> pa.Array:
        arrays = [pa.array(values, kind) for values, (_, kind) in zip(self._inputs, _INPUT, strict=True)]
        rows = pa.StructArray.from_arrays(arrays, names=[name for name, _ in _INPUT])
        borders = np.concatenate([[0], np.cumsum(self._input_counts)]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(borders), rows)


class _Keys:
    """The key columns of a batch, to be repeated for child rows."""

    def __init__(self, portfolio: list[str], sequence: list[int], cycle: list[int]) -> None:
        names = sorted(set(portfolio))
        index = {name: number for number, name in enumerate(names)}
        self._names = pa.array(names, _TEXT)
        self._portfolio = np.array([index[name] for name in portfolio], np.int32)
        self._sequence = np.array(sequence, np.uint64)
        self._cycle = np.array(cycle, np.int64)

    def repeated(self, counts: list[int]) -> dict[str, pa.Array]:
        """Key columns for ``counts[i]`` rows of decision ``i``, with each row's position among these."""
        repeats = np.array(counts, np.int64)
        starts = np.cumsum(repeats) - repeats
        position = np.arange(int(repeats.sum()), dtype=np.int64) - np.repeat(starts, repeats)
        portfolio = pa.DictionaryArray.from_arrays(np.repeat(self._portfolio, repeats), self._names)
        return {
            "portfolio": portfolio.cast(_TEXT),
            "sequence": pa.array(np.repeat(self._sequence, repeats)),
            "position": pa.array(position.astype(np.uint32)),
            "cycle": pa.array(np.repeat(self._cycle, repeats)).cast(_TIME),
        }


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else canonical_json(value).decode()
