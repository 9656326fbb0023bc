"""Posts notices to a webhook in Discord's or Slack's form, with retries; what cannot be delivered is kept."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import structlog

from flows.errors import InvalidInput
from flows.notifications.notices import Notice
from schemas.configuration.notifications import Notifications, Webhook

_log = structlog.get_logger("weir.notifications")
#: Discord refuses more characters in one message.
MOST_CHARACTERS: Final = 1900
LONGEST_PAUSE: Final = 30.0


class Undelivered(Exception):
    """A post that failed; ``final`` where trying again is of no use, ``pause`` what the receiver asked for (s)."""

    def __init__(self, why: str, final: bool = False, pause: float | None = None) -> None:
        super().__init__(why)
        self.final, self.pause = final, pause


def payload(form: str, text: str) -> bytes:
    """The body of a post. Discord must not turn names in it into mentions."""
    short = text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"
    if form == "discord":
        return msgspec.json.encode({"content": short, "allowed_mentions": {"parse": []}})
    return msgspec.json.encode({"text": short.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")})


class Receiver:
    """One webhook. ``sleep`` waits between attempts; ``stop`` ends waiting early."""

    def __init__(
        self,
        webhook: Webhook,
        settings: Notifications,
        sleep: Callable[[float], None] = time.sleep,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.webhook, self._settings = webhook, settings
        self._sleep, self._stop = sleep, stop
        url = os.environ.get(webhook.url_variable, "")
        if not url.startswith(("http://", "https://")):
            raise InvalidInput(
                f"{webhook.url_variable}: holds no http(s) address; notifications.webhooks.{webhook.name} needs it"
            )
        self._url = url

    def deliver(self, notice: Notice) -> bool:
        """Posts a notice; False where it went to the dead letters instead."""
        why = ""
        for attempt in range(self._settings.attempts):
            try:
                self._post(payload(self.webhook.form, notice.text))
                return True
            except Undelivered as failed:
                why = str(failed)
                if failed.final or self._stop() or attempt + 1 == self._settings.attempts:
                    break
                pause = 2.0**attempt if failed.pause is None else failed.pause
                self._sleep(min(pause, LONGEST_PAUSE))
        self._keep(notice, why)
        return False

    def _post(self, body: bytes) -> None:
        headers = {"Content-Type": "application/json", "User-Agent": "weir"}
        request = urllib.request.Request(self._url, body, headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=self._settings.timeout_seconds):
                return
        except urllib.error.HTTPError as error:
            # A request that is wrong stays wrong; 408 and 429 ask for patience.
            final = 400 <= error.code < 500 and error.code not in (408, 429)
            raise Undelivered(f"HTTP {error.code}", final, _pause(error.headers.get("Retry-After"))) from None
        except (OSError, ValueError) as error:
            # The address is a secret: it must not come along in the text.
            raise Undelivered(type(error).__name__) from None

    def _keep(self, notice: Notice, why: str) -> None:
        path = Path(self._settings.dead_letter_path)
        path.parent.mkdir(parents=True, exist_ok=True)
        line = {"webhook": self.webhook.name, "error": why, **msgspec.structs.asdict(notice)}
        with path.open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")
        _log.warning("notification_undelivered", webhook=self.webhook.name, error=why, topic=notice.topic)


def _pause(text: str | None) -> float | None:
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:
        return None
