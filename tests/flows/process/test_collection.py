"""Garbage collection passes over what was loaded before a run, and is as before after it."""

from __future__ import annotations

import gc

import pytest

from flows.process.collection import spared


def test_a_run_is_spared_and_what_follows_is_not() -> None:
    before = gc.get_threshold()
    with spared():
        assert gc.get_threshold() > before
        assert gc.get_freeze_count() > 0
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_also_when_the_run_fails() -> None:
    before = gc.get_threshold()
    with pytest.raises(RuntimeError), spared():
        raise RuntimeError
    assert gc.get_threshold() == before


def test_cycles_are_still_found() -> None:
    class Node:
        def __init__(self) -> None:
            self.itself = self

    with spared():
        Node()
        assert gc.collect() > 0
