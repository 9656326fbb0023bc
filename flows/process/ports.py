"""Free ports for a cluster's processes, below the range from which the system gives ports to clients."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Final

LOWEST: Final = 20_000
#: Linux gives out client ports from 32768 on; one of those may be taken between choice and use.
HIGHEST: Final = 32_767


#: Listening sockets in Linux's table of TCP sockets.
_TABLE: Final = Path("/proc/net/tcp")
_LISTENING: Final = "0A"
_WAIT_SECONDS: Final = 30.0


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_addresses(number: int, attempt: int = 0) -> list[str]:
    """``number`` addresses on the loopback interface; another ``attempt`` begins to look elsewhere.

    Raises OSError when there are not as many.
    """
    span = HIGHEST - LOWEST + 1
    start = (os.getpid() * 37 + attempt * 1009) % span
    found: list[str] = []
    for step in range(span):
        port = LOWEST + (start + step) % span
        if _is_free(port):
            found.append(f"127.0.0.1:{port}")
            if len(found) == number:
                return found
    raise OSError(f"fewer than {number} free ports between {LOWEST} and {HIGHEST} on 127.0.0.1")


def wait_for_listeners(addresses: list[str], seconds: float = _WAIT_SECONDS) -> None:
    """Returns when every address is listened to, or after ``seconds``; at once where the system does not tell.

    A process of a cluster that connects before its peer listens sleeps for a whole second before it tries again. Trying
    by a connection of our own would be taken for the peer's.
    """
    wanted = {int(address.rpartition(":")[2]) for address in addresses}
    deadline = time.monotonic() + seconds
    while wanted and _TABLE.exists() and time.monotonic() < deadline:
        wanted -= _listening()
        if wanted:
            time.sleep(0.01)


def _listening() -> set[int]:
    rows = (line.split() for line in _TABLE.read_text().splitlines()[1:])
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == _LISTENING}
