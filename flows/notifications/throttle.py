"""At most so many notices about one thing in a window of event time; what is left out is counted and told later."""

from __future__ import annotations

from typing import Any

import msgspec

from flows.notifications.notices import Notice


class Throttle:
    """State by topic: when its window began, how many passed, how many were left out. Bounded: old windows go."""

    def __init__(self, burst: int, window_ns: int) -> None:
        self._burst, self._window = burst, window_ns
        self._topics: dict[str, tuple[int, int, int]] = {}

    def admit(self, notice: Notice) -> Notice | None:
        """The notice where it may go out, with how many before it did not; None where it is held back."""
        began, passed, left_out = self._topics.get(notice.topic, (notice.cycle, 0, 0))
        if notice.cycle - began >= self._window:
            began, passed = notice.cycle, 0
        if passed >= self._burst:
            self._topics[notice.topic] = (began, passed, left_out + 1)
            return None
        self._forget(notice.cycle)
        self._topics[notice.topic] = (began, passed + 1, 0)
        if left_out == 0:
            return notice
        return msgspec.structs.replace(notice, text=f"{notice.text} (and {left_out} like it that were held back)")

    def _forget(self, now: int) -> None:
        """Topics whose window is over and that owe nobody a number."""
        self._topics = {k: t for k, t in self._topics.items() if now - t[0] < self._window or t[2] > 0}

    def snapshot(self) -> dict[str, Any]:
        """State by topic."""
        return dict(self._topics)

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Goes on from a snapshot."""
        self._topics = {k: (int(v[0]), int(v[1]), int(v[2])) for k, v in snapshot.items()}
