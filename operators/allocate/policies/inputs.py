"""What a capital policy sees, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from operators.frames import Float64


@dataclass(slots=True, frozen=True)
class PolicyInputs:
    """Pods in configured order: ids, and each pod's completed daily simple returns, oldest first."""

    pods: tuple[str, ...]
    returns: tuple[Float64, ...]


@dataclass(slots=True, frozen=True)
class PolicyAnswer:
    """Raw weights [P], not negative, sum at most 1, and why they are so: for the allocator trace."""

    weights: Float64
    why: dict[str, object] = field(default_factory=dict)
