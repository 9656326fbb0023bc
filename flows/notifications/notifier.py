"""Takes journal lines in order: events to a file and a topic, notices to webhooks. At least once, never lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec
import structlog
from msgspec import Struct

from flows.journal.line import MalformedLine, parse_decision
from flows.notifications.events import events_of
from flows.notifications.notices import notices_of
from flows.notifications.throttle import Throttle
from flows.notifications.webhook import Receiver
from schemas.configuration.base import seconds_to_nanoseconds
from schemas.configuration.notifications import Notifications

_log = structlog.get_logger("weir.notifications")
SNAPSHOT_VERSION = 1


class EventTopic(Protocol):
    """Where events go besides the file."""

    def write(self, key: str, values: list[bytes]) -> None:
        """Takes events."""

    def flush(self) -> None:
        """Returns when all that was taken is stored."""


class Counts(Struct):
    """What was done: decisions, events, notices delivered, held back by throttling and undelivered, bad lines."""

    decisions: int = 0
    events: int = 0
    delivered: int = 0
    held_back: int = 0
    undelivered: int = 0
    malformed: int = 0


class Notifier:
    """One stream of decisions. ``last`` holds each portfolio's last sequence, so that a repeated one is passed over."""

    def __init__(
        self,
        settings: Notifications,
        topic: EventTopic | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._receivers = [Receiver(webhook, settings, sleep, stop) for webhook in settings.webhooks]
        self._throttle = Throttle(settings.burst, seconds_to_nanoseconds(settings.throttle_seconds))
        self._events_path = None if settings.events_path is None else Path(settings.events_path)
        self._topic = topic
        self._last: dict[str, int] = {}
        self.counts = Counts()

    def take(self, line: bytes) -> None:
        """Tells of a decision; bytes that are none are counted and passed over."""
        try:
            head, body = parse_decision(line)
        except MalformedLine as fault:
            self.counts.malformed += 1
            _log.warning("decision_unreadable", error=str(fault))
            return
        if head.sequence <= self._last.get(head.portfolio, 0):
            return
        self._last[head.portfolio] = head.sequence
        self.counts.decisions += 1
        self._tell_events(head.portfolio, [msgspec.json.encode(event) for event in events_of(body)])
        for notice in notices_of(body):
            wanted = [r for r in self._receivers if notice.kind in r.webhook.kinds]
            admitted = self._throttle.admit(notice) if wanted else None
            self.counts.held_back += bool(wanted) and admitted is None
            for receiver in wanted if admitted is not None else ():
                assert admitted is not None
                done = receiver.deliver(admitted)
                self.counts.delivered += done
                self.counts.undelivered += not done

    def _tell_events(self, portfolio: str, values: list[bytes]) -> None:
        self.counts.events += len(values)
        if self._events_path is not None and values:
            self._events_path.parent.mkdir(parents=True, exist_ok=True)
            with self._events_path.open("ab") as file:
                file.write(b"\n".join(values) + b"\n")
        if self._topic is not None:
            self._topic.write(portfolio, values)

    def flush(self) -> None:
        """Returns when all events are stored."""
        if self._topic is not None:
            self._topic.flush()

    def snapshot(self) -> dict[str, Any]:
        """Last sequences and throttling."""
        self.flush()
        return {"version": SNAPSHOT_VERSION, "last": dict(self._last), "throttle": self._throttle.snapshot()}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Goes on from a snapshot; raises ValueError for one of another version."""
        if snapshot["version"] != SNAPSHOT_VERSION:
            raise ValueError(f"notifier snapshot of version {snapshot['version']}, not {SNAPSHOT_VERSION}")
        self._last = dict(snapshot["last"])
        self._throttle.restore(snapshot["throttle"])
