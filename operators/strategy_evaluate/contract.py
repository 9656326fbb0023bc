"""What every strategy must keep, checked before anything starts."""

from __future__ import annotations

import pickle

import numpy as np

from operators.normalize.features.catalogue import feature_problems
from operators.strategy_evaluate.strategy import Strategy

_SYMBOLS = 3


def contract_problems(strategy: Strategy) -> list[str]:
    """One line for each way in which a built strategy breaks the author's interface; empty when it keeps it.

    Features must exist, optional ones be declared, and every entry of the state have one row a symbol and be
    picklable, since snapshots and repartitioning move state symbol by symbol.
    """
    declared = strategy.features()
    problems = [f"features: {p}" for f in declared for p in feature_problems(f)]
    stray = [f for f in strategy.optional_features() if f not in declared]
    problems += [f"optional_features: {f} is not among features()" for f in stray]
    exported = strategy.export_state(strategy.initial_state(_SYMBOLS))
    for name, rows in exported.items():
        if not isinstance(rows, np.ndarray | list):
            problems.append(f"state.{name}: make it an array or a list, not {type(rows).__name__}")
        elif np.ndim(rows) == 0 or len(rows) != _SYMBOLS:
            shape = np.shape(rows)
            problems.append(f"state.{name}: it needs one row a symbol; for {_SYMBOLS} symbols its shape is {shape}")
    pickle.dumps(exported)
    return problems
