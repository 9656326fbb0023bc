"""Calls a function now and then from a thread of its own: for what people watch, never for what decides."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Ticker:
    """Calls ``call`` every ``seconds`` while the context lasts, and once more at its end."""

    def __init__(self, call: Callable[[], None], seconds: float = 0.2) -> None:
        self._call = call
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)

    def __enter__(self) -> Ticker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._call()

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            self._call()
