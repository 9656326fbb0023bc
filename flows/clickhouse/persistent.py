"""A writer that outlasts ClickHouse: it repeats without end, and says what changed, not that it still tries."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from flows.clickhouse.client import connect, describe, without_secrets
from flows.clickhouse.errors import ClickHouseUnavailable
from flows.clickhouse.migrate import migrate
from flows.clickhouse.writer import DecisionWriter
from flows.errors import WeirError
from operators.frames import RecordBlock
from schemas.configuration.document import ClickHouse

#: Pause before the first repetition; each further one waits twice as long, up to the longest.
FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 30.0
#: How often a pause looks whether it shall stop.
LOOK_SECONDS: Final = 0.1

_log = structlog.get_logger("weir.clickhouse")


class StoppedWhileAway(WeirError):
    """The flow was told to stop while ClickHouse was away; what was not inserted is read again by the next run."""


class Availability:
    """Says once when ClickHouse goes away or fails in another way, and once when it is back.

    Args:
        address: where ClickHouse is, without secrets.
        changed: told True when ClickHouse answers again and False when it is away: for the metric.
        clock: monotonic seconds.
    """

    def __init__(
        self, address: str, changed: Callable[[bool], None] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._address = address
        self._changed = changed
        self._clock = clock
        self._kind: str | None = None
        self._since = 0.0
        self._attempts = 0

    def failed(self, kind: str, error: str) -> None:
        """An attempt failed; logged only when it is the first or of another kind than the last."""
        self._attempts += 1
        if kind == self._kind:
            return
        if self._kind is None:
            self._since = self._clock()
            if self._changed is not None:
                self._changed(False)
        self._kind = kind
        _log.warning("clickhouse_away", clickhouse=self._address, error=error)

    def succeeded(self) -> None:
        """An attempt succeeded; logged only when the one before had failed."""
        if self._kind is None:
            return
        seconds = round(self._clock() - self._since, 3)
        _log.info("clickhouse_back", clickhouse=self._address, away_seconds=seconds, attempts=self._attempts)
        self._kind, self._attempts = None, 0
        if self._changed is not None:
            self._changed(True)


class PersistentWriter:
    """A :class:`DecisionWriter` that connects, migrates and repeats without end while ClickHouse is away.

    Args:
        settings: the configuration's ``clickhouse`` section.
        stop: when it says True, an attempt in vain ends with :class:`StoppedWhileAway`.
        changed: see :class:`Availability`.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        settings: ClickHouse,
        *,
        stop: Callable[[], bool] | None = None,
        changed: Callable[[bool], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._stop = stop or _never
        self._sleep = sleep
        self._availability = Availability(describe(settings), changed)
        self._jitter = random.Random(0)
        self._client: Client | None = None
        self._writer: DecisionWriter | None = None

    @property
    def decisions(self) -> int:
        """Decisions taken so far."""
        return 0 if self._writer is None else self._writer.decisions

    def take(self, block: RecordBlock) -> None:
        """Takes the records of a block, inserting full batches; raises as :class:`DecisionWriter` does."""
        for offset, payload in zip(block.offsets.tolist(), block.payloads, strict=True):
            self._until_done(partial(_take, payload, block, offset))
            if self._writer is not None and self._writer.is_full:
                self.flush()

    def flush(self) -> None:
        """Inserts what is taken; returns only when it is stored."""
        if self._writer is not None and self._writer.pending:
            self._until_done(DecisionWriter.flush)

    def close(self) -> None:
        """Gives up the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _until_done(self, act: Callable[[DecisionWriter], None]) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                act(self._connected())
            except (ClickHouseError, ClickHouseUnavailable, OSError) as error:
                self._availability.failed(type(error).__name__, without_secrets(str(error), self._settings))
                self._wait(pause * self._jitter.uniform(0.8, 1.2))
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                self._availability.succeeded()
                return

    def _wait(self, seconds: float) -> None:
        left = seconds
        while left > 0:
            if self._stop():
                raise StoppedWhileAway(
                    f"clickhouse {describe(self._settings)} is away; what it has not taken is read again at the next"
                    " start"
                )
            self._sleep(min(left, LOOK_SECONDS))
            left -= LOOK_SECONDS

    def _connected(self) -> DecisionWriter:
        if self._client is None:
            client = connect(self._settings)
            migrate(client)
            self._client = client
            if self._writer is None:
                self._writer = DecisionWriter(client, batch_rows=self._settings.batch_rows)
            else:
                self._writer.use(client)
        assert self._writer is not None
        return self._writer


def _take(line: bytes, block: RecordBlock, offset: int, writer: DecisionWriter) -> None:
    writer.take(line, block.topic, block.partition, offset)


def _never() -> bool:
    return False
