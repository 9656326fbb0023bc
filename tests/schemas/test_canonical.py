"""Canonical bytes and the ids made from them (spec 1, Identity)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.canonical import canonical_json, canonical_value, document_hash, sha256_hex, short_id

documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def test_keys_are_sorted_all_the_way_down_without_white_space() -> None:
    assert canonical_json({"b": [{"z": 1, "a": 2}], "a": "é"}) == '{"a":"é","b":[{"a":2,"z":1}]}'.encode()


def test_floats_are_shortest_round_trip() -> None:
    assert canonical_json([0.1, 1e22, 3.0, 0.1 + 0.2]) == b"[0.1,1e22,3.0,0.30000000000000004]"


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError):
        canonical_json({"a": object()})


@given(documents)
def test_bytes_do_not_depend_on_the_order_of_insertion(document: Any) -> None:
    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: turned(value[k]) for k in reversed(list(value))}
        return [turned(v) for v in value] if isinstance(value, list) else value

    assert canonical_json(turned(document)) == canonical_json(document)
    assert document_hash(turned(document)) == document_hash(document)
    assert canonical_json(canonical_value(document)) == canonical_json(document)


@given(st.lists(st.binary(max_size=6), max_size=4), st.lists(st.binary(max_size=6), max_size=4))
def test_ids_of_different_parts_differ(one: list[bytes], other: list[bytes]) -> None:
    assert (short_id(*one) == short_id(*other)) == (one == other)


def test_parts_do_not_run_together() -> None:
    assert short_id(b"ab", b"c") != short_id(b"a", b"bc")
    assert len(short_id(b"ab")) == 32


def test_hashes_are_frozen() -> None:
    """A change here breaks every journal and every id that is out."""
    assert sha256_hex(b"weir") == sha256_hex(b"weir")
    assert document_hash({"b": 1, "a": [0.5, None]}) == sha256_hex(b'{"a":[0.5,null],"b":1}')
