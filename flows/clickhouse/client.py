"""Opens ClickHouse: a server by DSN, or the embedded engine by path, behind one client API (design, "Parts").

The embedded engine (chDB) allows one process and one path at a time. Never fork after opening it: start children by
spawn. Log nothing that holds a DSN; :func:`describe` gives the address without its secrets.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from flows.clickhouse.errors import ClickHouseUnavailable
from flows.errors import InvalidInput
from schemas.configuration.document import ClickHouse

#: An insert that takes longer than this is tried again; it is idempotent.
SEND_RECEIVE_SECONDS: Final = 60
CONNECT_SECONDS: Final = 5
_CREDENTIALS: Final = re.compile(r"(?<=://)[^/@\s]*@")


def describe(settings: ClickHouse) -> str:
    """Where ``settings`` point to, without user, password and query parameters."""
    if settings.dsn is not None:
        parts = urlsplit(settings.dsn)
        host = parts.hostname or "localhost"
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{host}{port}, database {settings.database}"
    return f"embedded at {settings.path or ':memory:'}, database {settings.database}"


def without_secrets(text: str, settings: ClickHouse) -> str:
    """``text`` with the DSN's credentials removed, whatever form they stand in."""
    text = _CREDENTIALS.sub("", text)
    if settings.dsn is not None:
        parts = urlsplit(settings.dsn)
        for secret in (parts.password, parts.query):
            if secret:
                text = text.replace(secret, "***")
    return text


def connect(settings: ClickHouse) -> Client:
    """A client whose default database exists.

    Raises:
        InvalidInput: both ``dsn`` and ``path`` are set.
        ClickHouseUnavailable: the server does not answer, refuses the login, or the embedded path is in use by another
        process.
    """
    if settings.dsn is not None and settings.path is not None:
        raise InvalidInput(
            "clickhouse: dsn and path are both set; keep dsn for a server or path for the embedded engine"
        )
    try:
        client = _open(settings)
        client.command(f"CREATE DATABASE IF NOT EXISTS `{settings.database}`")
        client.database = settings.database
    except (ClickHouseError, OSError) as error:
        raise ClickHouseUnavailable(
            f"clickhouse {describe(settings)}: {without_secrets(_cause(error), settings)}"
        ) from None
    return client


def _open(settings: ClickHouse) -> Client:
    if settings.dsn is not None:
        return clickhouse_connect.get_client(
            dsn=settings.dsn,
            database="default",
            client_name="weir",
            # A session would lock out the repetition of an insert whose answer got lost.
            autogenerate_session_id=False,
            connect_timeout=CONNECT_SECONDS,
            send_receive_timeout=SEND_RECEIVE_SECONDS,
        )
    path = settings.path or ":memory:"
    if path != ":memory:":
        Path(path).mkdir(parents=True, exist_ok=True)
    return clickhouse_connect.get_client(interface="chdb", path=path)


def _cause(error: Exception) -> str:
    text = str(error).strip()
    if "Error initializing EmbeddedServer" in text:
        return "the folder is in use by another process (close it there) or was written by a newer engine"
    if "already initialized" in text.lower() or "different path" in text.lower():
        return f"this process has another embedded path open; close that client first ({text})"
    return text
