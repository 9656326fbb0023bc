"""Free ports for a cluster's processes, below the range from which the system gives ports to clients."""

from __future__ import annotations

import os
import socket
from typing import Final

LOWEST: Final = 20_000
#: Linux gives out client ports from 32768 on; one of those may be taken between choice and use.
HIGHEST: Final = 32_767


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
