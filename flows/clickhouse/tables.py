"""How a decision becomes rows: the columns of each table, gathered over a batch.

Body tables are columns already, so a batch only concatenates them: no object is kept for a row or a decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
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
        *_same(_TEXT, "client_order_id", "execution_id", "symbol"),
        *_same(_NUMBER, "quantity", "price", "fee"),
        *_same(pa.list_(_TEXT), "pods"),
        *_same(pa.list_(_NUMBER), "shares"),
    ),
)
POD_METRICS: Final = Child(
    "pod_metric_rows",
    "pods",
    (*_same(_TEXT, "pod"), *_same(_NUMBER, "equity", "fraction", "realised", "unrealised", "fees")),
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
_BODY_FIELDS: Final = attrgetter(*(name for name, _, _ in _OF_BODY))
_ENVELOPE_FIELDS: Final = attrgetter(*_OF_ENVELOPE)


class _Nested:
    """A column of lists, gathered flat: a Python list for each row would cost more than all else."""

    def __init__(self) -> None:
        self.lengths: list[int] = []
        self.values: list[Any] = []

    def extend(self, rows: list[list[Any]]) -> None:
        """Adds rows."""
        self.lengths += map(len, rows)
        self.values += chain.from_iterable(rows)

    def array(self, kind: pa.DataType) -> pa.Array:
        """The column as an Arrow list array of ``kind``."""
        return _lists(self.lengths, pa.array(self.values, kind.value_type))


def _lists(lengths: list[int], values: pa.Array) -> pa.Array:
    borders = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=borders[1:])
    return pa.ListArray.from_arrays(pa.array(borders), values)


class _ChildColumns:
    """What one child table gathers: values by column, and how many rows each decision has."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.counts: list[int] = []
        self._values: list[list[Any] | _Nested] = [
            _Nested() if pa.types.is_list(kind) else [] for _, _, kind in child.columns
        ]
        self._part = attrgetter(child.field)
        self._sources = attrgetter(*(source for _, source, _ in child.columns))
        self._extend = [values.extend for values in self._values]

    def add(self, body: DecisionBody) -> None:
        part = self._part(body)
        if part is None:
            self.counts.append(0)
            return
        columns = self._sources(part)
        for extend, values in zip(self._extend, columns, strict=True):
            extend(values)
        self.counts.append(len(columns[0]))

    def arrays(self) -> dict[str, pa.Array]:
        """The columns by name."""
        return {
            name: values.array(kind) if isinstance(values, _Nested) else pa.array(values, kind)
            for (name, _, kind), values in zip(self.child.columns, self._values, strict=True)
        }


def _columns(flat: list[Any], width: int) -> list[list[Any]]:
    """The columns of rows that were put one after the other into a flat list."""
    return [flat[column::width] for column in range(width)]


class Batch:
    """Gathers decisions and gives their Arrow tables. ``size`` is the bytes of the bodies held.

    Rows lie flat in lists of plain values, so that a large batch gives the garbage collector nothing to walk through.
    """

    def __init__(self) -> None:
        self.size = 0
        self._keys: list[Any] = []
        self._hash: list[str] = []
        self._raw: list[bytes] = []
        self._capital: list[bytes] = []
        self._body: list[Any] = []
        self._envelope: list[str | None] = []
        self._documents = [_Nested() for _ in _DOCUMENTS]
        self._input_counts: list[int] = []
        self._inputs: list[Any] = []
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
        self._keys += (body.portfolio, body.sequence, body.cycle)
        self._hash.append(body_hash)
        self._raw.append(raw)
        self._capital.append(b"" if body.capital is None else canonical_json(body.capital))
        self._body += _BODY_FIELDS(body)
        self._envelope += _ENVELOPE_FIELDS(envelope)
        for column, name in zip(self._documents, _DOCUMENTS, strict=True):
            documents = getattr(body, name)
            if documents is None:
                column.lengths.append(0)
            else:
                column.extend([[canonical_json(document) for document in documents]])
        self._input_counts.append(len(body.inputs))
        for row in body.inputs:
            self._inputs += row
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
        keys = _Keys(self._keys)
        tables: list[tuple[str, pa.Table]] = []
        for part in self._children:
            tables.append((part.child.table, pa.table({**keys.repeated(part.counts), **part.arrays()})))
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
        for (name, _, kind), values in zip(_OF_BODY, _columns(self._body, len(_OF_BODY)), strict=True):
            columns[name] = pa.array(values, kind)
        for name, texts in zip(_OF_ENVELOPE, _columns(self._envelope, len(_OF_ENVELOPE)), strict=True):
            columns[name] = pa.array(texts, _TEXT).fill_null("")
        for name, documents in zip(_DOCUMENTS, self._documents, strict=True):
            columns[name] = documents.array(pa.list_(_BYTES))
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
        fields = _columns(self._inputs, len(_INPUT))
        arrays = [pa.array(values, kind) for values, (_, kind) in zip(fields, _INPUT, strict=True)]
        return _lists(self._input_counts, pa.StructArray.from_arrays(arrays, names=[name for name, _ in _INPUT]))


class _Keys:
    """The key columns of a batch, to be repeated for child rows."""

    def __init__(self, keys: list[Any]) -> None:
        portfolio, sequence, cycle = _columns(keys, 3)
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
