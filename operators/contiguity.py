"""Guards that stay on: what must follow its predecessor says so, and a gap stops the flow (design, "Contiguity")."""

from __future__ import annotations


class ContiguityError(Exception):
    """Something that must follow its predecessor does not: state and input have come apart."""

    def __init__(self, what: str, expected: int, found: int) -> None:
        self.what, self.expected, self.found = what, expected, found
        super().__init__(
            f"{what}: expected {expected}, found {found}; recovery state and input do not fit together."
            " Nothing was written for it. Restart from the recovery folder; if it happens again, the folder is damaged:"
            " start without it and let the sinks compare what is already there."
        )


class SnapshotError(Exception):
    """A recovery snapshot that this code cannot continue."""

    def __init__(self, what: str, found: object, known: int, detail: str = "") -> None:
        self.what = what
        super().__init__(
            detail
            or f"{what}: snapshot version {found!r} cannot be read by this code, which writes version {known}."
            " Start the code version that wrote it, or stop it cleanly there and start without the recovery folder."
        )

    @classmethod
    def layout(cls, what: str, changed: str) -> SnapshotError:
        """The snapshot's version is known, but ``changed`` differs from the configuration."""
        return cls(
            what, None, 0, f"{what}: the snapshot's {changed} differ from the configuration."
            " Topics, key groups and cycle length change only over a clean stop and `weir state repartition`.",
        )  # fmt: skip


def next_counter(what: str, last: int, found: int) -> int:
    """``found`` when it follows ``last``; raises ContiguityError otherwise."""
    if found != last + 1:
        raise ContiguityError(what, last + 1, found)
    return found
