"""This process's metrics and the endpoint that serves them (spec 13).

There is one registry for a process: bytewax builds steps, sources and sinks in it, and all of them count there.
Metrics are written at the edges and read by nobody inside: no decision depends on one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import start_http_server

from flows.errors import InvalidInput
from schemas.metrics import Metrics

LOOPBACK: Final = "127.0.0.1"
_LOG = logging.getLogger(__name__)
_current = Metrics()


def process_metrics() -> Metrics:
    """The metrics of this process."""
    return _current


def begin_anew() -> Metrics:
    """Starts this process's metrics from nothing, for a process that runs one flow after another."""
    global _current
    _current = Metrics()
    return _current


def parse_address(address: str) -> tuple[str, int]:
    """(host, port) of ``host:port``, ``[v6]:port``, ``:port`` or ``port``; without a host it is the loopback.

    Raises InvalidInput for anything else.
    """
    host, _, port = address.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise InvalidInput(
            f"runtime.metrics_address: {address!r} is no address; write host:port, or :port for the loopback"
        )
    return host.removeprefix("[").removesuffix("]") or LOOPBACK, int(port)


@contextmanager
def serving(address: str | None, process: int = 0) -> Iterator[str | None]:
    """Serves the process's metrics over HTTP while the context lasts; gives the bound ``host:port``, or None.

    Args:
        address: ``runtime.metrics_address``; None serves nothing.
        process: number of the process in its cluster; process n listens n ports further on, except on port 0, which
            takes any that is free.

    A port that cannot be bound is a warning, not an error: trading never stops for its metrics. Raises InvalidInput
    for what is no address.
    """
    if address is None:
        yield None
        return
    host, port = parse_address(address)
    wanted = port + process if port else 0
    try:
        server, thread = start_http_server(wanted, host, process_metrics().registry)
    except OSError as error:
        _LOG.warning(
            "metrics are not served: %s:%d of runtime.metrics_address cannot be bound (%s); free it or name another",
            host, wanted, error.strerror,
        )  # fmt: skip
        yield None
        return
    try:
        yield f"{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def observe_lag(role: str, partition: int, records: int) -> None:
    """Notes how many records of a Kafka partition are not read yet."""
    process_metrics().gauge("weir_kafka_consumer_lag").labels(role, str(partition)).set(records)
