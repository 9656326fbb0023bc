"""The intents of a block as the columns of decision bodies, made once for all of the block's decisions."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from operators.frames import Float64, Intents
from operators.plan import Plan

#: By the sign of the value: 0, 1, and -1 from behind.
_DIRECTIONS = ("flat", "long", "short")


@dataclass(slots=True, frozen=True)
class IntentColumns:
    """Lists by row, as :class:`schemas.decision.IntentTable` has them; ``pod_place`` within the portfolio."""

    confidence: list[float]
    direction: list[str]
    feature_snapshot_hash: list[str]
    features: list[list[float | None]]
    pod: list[str]
    pod_place: list[int]
    price: list[float]
    schedule: list[str]
    symbol: list[str]
    value: list[float]
    weight: list[float]


class IntentNames:
    """What a plan calls schedules, pods and symbols, by number."""

    def __init__(self, plan: Plan, first_pod: int) -> None:
        self._symbols = plan.symbols
        self._schedules = [s.id for s in plan.schedules]
        self._pods = [plan.pods[s.pod].id for s in plan.schedules]
        self._places = [s.pod - first_pod for s in plan.schedules]
        self._widths = [len(s.strategy.features()) for s in plan.schedules]

    def columns(self, intents: Intents, weights: Float64) -> IntentColumns:
        """The rows of ``intents``, whose shares of their pods' capital are ``weights`` [n]."""
        schedules = intents.schedule.tolist()
        value = np.where(np.isnan(intents.strength), intents.notional, intents.strength)
        sign = (value > 0.0).astype(np.int8) - (value < 0.0)
        widths = [self._widths[n] for n in schedules]
        return IntentColumns(
            confidence=intents.confidence.tolist(),
            direction=[_DIRECTIONS[d] for d in sign.tolist()],
            feature_snapshot_hash=_hashes(intents.features, widths),
            features=_known(intents.features, widths),
            pod=[self._pods[n] for n in schedules],
            pod_place=[self._places[n] for n in schedules],
            price=intents.price.tolist(),
            schedule=[self._schedules[n] for n in schedules],
            symbol=[self._symbols[s] for s in intents.symbol.tolist()],
            value=value.tolist(),
            weight=weights.tolist(),
        )


def _hashes(features: Float64, widths: list[int]) -> list[str]:
    """Hash over each row's declared features as float64 bytes, in the order of their declaration."""
    data, stride = features.tobytes(), features.shape[1] * 8
    starts = range(0, len(widths) * stride, stride) if stride else [0] * len(widths)
    return [
        blake2b(data[at : at + 8 * width], digest_size=16).hexdigest() for at, width in zip(starts, widths, strict=True)
    ]


def _known(features: Float64, widths: list[int]) -> list[list[float | None]]:
    """Each row's declared features, None where unknown."""
    width = features.shape[1]
    rows: list[list[float | None]] = features.tolist()
    if all(w == width for w in widths) and not np.isnan(features).any():
        return rows
    return [[v if v == v else None for v in row[:w]] for row, w in zip(rows, widths, strict=True)]
