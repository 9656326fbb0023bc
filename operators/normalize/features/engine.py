"""Computes each declared feature once for all who declare it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from operators.bars import BarBlock
from operators.contiguity import SnapshotError
from operators.frames import Float64
from operators.normalize.features.catalogue import FEATURES, feature_problems
from operators.normalize.features.computation import Computation, StateArray
from operators.normalize.features.feature import Feature
from operators.normalize.features.symbol_rows import take_over
from schemas.configuration import ConfigurationError

SNAPSHOT_VERSION = 1


class FeatureEngine:
    """The features of one interval over the ``symbols`` columns of a key group.

    Outputs of the same name and parameters share one computation and its state. Raises ConfigurationError for features
    that do not exist, naming those that do.
    """

    def __init__(self, features: Iterable[Feature], symbols: int) -> None:
        wanted = sorted(set(features))
        problems = [p for f in wanted for p in feature_problems(f)]
        if problems:
            raise ConfigurationError("features", problems)
        self.symbols = symbols
        self._computations: dict[str, Computation] = {}
        self._outputs: list[tuple[Feature, str, int]] = []
        for feature in wanted:
            family = FEATURES[feature.name]
            key = str(Feature(feature.name, feature.parameters))
            if key not in self._computations:
                self._computations[key] = family(feature.parameters, symbols)
            self._outputs.append((feature, key, family.outputs.index(feature.output)))

    def step(self, bars: BarBlock) -> dict[Feature, Float64]:
        """Takes a block in; a read-only [C, S] for each feature, NaN without a fresh bar and while it warms up."""
        answers = {key: computation.step(bars) for key, computation in self._computations.items()}
        for arrays in answers.values():  # shared by all strategies: none may change what another sees
            for array in arrays:
                array.flags.writeable = False
        return {feature: answers[key][output] for feature, key, output in self._outputs}

    def state(self) -> dict[str, dict[str, StateArray]]:
        """The live state arrays by computation such as ``sma(20)``; the first axis of each is the symbol."""
        return {key: computation.state for key, computation in self._computations.items()}

    def snapshot(self) -> dict[str, Any]:
        """A copy of all state, picklable."""
        return {
            "version": SNAPSHOT_VERSION,
            "state": {key: {n: a.copy() for n, a in state.items()} for key, state in self.state().items()},
        }

    def restore_symbols(self, snapshot: dict[str, Any], names: Sequence[str], saved_names: Sequence[str]) -> None:
        """Like ``restore`` from an engine over other symbols: takes over those that both have, by name."""
        check_version(snapshot, SNAPSHOT_VERSION, "features")
        for key, state in self.state().items():
            if key in snapshot["state"]:
                take_over(state, names, snapshot["state"][key], saved_names)

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Takes over a snapshot of an engine with the same symbols; computations that it lacks start cold.

        Raises SnapshotError for a snapshot of another version.
        """
        check_version(snapshot, SNAPSHOT_VERSION, "features")
        for key, state in self.state().items():
            for name, array in snapshot["state"].get(key, {}).items():
                state[name][...] = array


def check_version(snapshot: dict[str, Any], version: int, what: str) -> None:
    """Raises SnapshotError unless the snapshot has this version."""
    found = snapshot.get("version")
    if found != version:
        raise SnapshotError(what, found, version)
