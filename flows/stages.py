"""Thin adapters: the pure steps as bytewax logics (design, "Promises" 7, "Stale snapshots").

bytewax does not tell a logic its key, so every value carries the number of its key. A value is (number, item), where an
item that is a :class:`~operators.frames.Beat` only wakes the key and is passed on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeAlias

from bytewax.operators import StatefulBatchLogic

from flows.crash_points import reached
from flows.errors import SnapshotIncompatible

#: (key number, frame or Beat)
Numbered: TypeAlias = tuple[int, Any]
#: (key of the next step, key number there, item)
Routed: TypeAlias = tuple[str, Numbered]

#: Version of the wrapper around a step's own snapshot.
STAGE_SNAPSHOT = 1


class Step(Protocol):
    """What a stage needs of a step: its state."""

    def snapshot(self) -> dict[str, Any]:
        """Versioned state."""
        ...

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        ...


class StageLogic(StatefulBatchLogic[Numbered, Any, dict[str, Any]]):
    """Runs one key's step.

    Args:
        make: builds the step of a key number.
        run: passes one item through the step and returns what leaves; for a Beat it returns beats.
        state: the snapshot to go on from, None at the start.
        ended: told the step and its key number when the upstream has ended; it may look, nothing more.
    """

    def __init__(
        self,
        make: Callable[[int], Any],
        run: Callable[[Any, int, Any], Iterable[Any]],
        state: dict[str, Any] | None,
        ended: Callable[[Any, int], None] | None = None,
    ) -> None:
        self._make, self._run, self._ended = make, run, ended
        self._number = -1
        self._step: Any = None
        if state is not None:
            if state.get("version") != STAGE_SNAPSHOT:
                raise SnapshotIncompatible(
                    f"a stage snapshot has version {state.get('version')!r}, this code continues {STAGE_SNAPSHOT};"
                    " resume with the code that wrote it, or start on a new recovery folder"
                )
            self._number = state["number"]
            self._step = make(self._number)
            self._step.restore(state["step"])

    def on_batch(self, values: list[Numbered]) -> tuple[list[Any], bool]:
        """Everything that leaves for these values; the key lives as long as the flow."""
        out: list[Any] = []
        for number, item in values:
            if self._step is None:
                self._number = number
                self._step = self._make(number)
            out.extend(self._run(self._step, number, item))
        return out, False

    def on_eof(self) -> tuple[list[Any], bool]:
        """Nothing leaves and nothing is flushed: a drain ends the upstream too, and end of file closes nothing."""
        if self._ended is not None and self._step is not None:
            self._ended(self._step, self._number)
            self._ended = None
        return [], False

    def snapshot(self) -> dict[str, Any]:
        """The step's state and whose it is."""
        reached("stages.before_snapshot")
        state = {"version": STAGE_SNAPSHOT, "number": self._number, "step": self._step.snapshot()}
        reached("stages.after_snapshot")
        return state
