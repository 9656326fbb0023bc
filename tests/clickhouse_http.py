"""A test-only HTTP front for the embedded ClickHouse engine, so that the unmodified HTTP client meets the real engine.

``python -m tests.clickhouse_http FOLDER PORT`` serves on 127.0.0.1 until it is stopped. :class:`ClickHouseServer` runs
it in a process of its own, and can stop, kill and start it again on the same folder and port. It speaks as much of
ClickHouse's HTTP interface as the client uses: queries, bound parameters, settings, inserts in any format.
"""

from __future__ import annotations

import gzip
import re
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import lz4.frame
import zstandard

HOST: Final = "127.0.0.1"
_START_SECONDS: Final = 60
#: Parameters of the HTTP interface itself; all others are settings of the engine.
_OF_THE_INTERFACE: Final = frozenset(
    {
        "buffer_size",
        "client_protocol_version",
        "compress",
        "database",
        "decompress",
        "default_format",
        "enable_http_compression",
        "http_headers_progress_interval_ms",
        "password",
        "query",
        "query_id",
        "quota_key",
        "role",
        "send_progress_in_http_headers",
        "session_id",
        "session_timeout",
        "user",
        "wait_end_of_query",
    }
)
_INSERT: Final = re.compile(rb"^\s*INSERT\s+INTO\s.*\sFORMAT\s+(\w+)\s*", re.IGNORECASE | re.DOTALL)
_FORMAT: Final = re.compile(r"\bFORMAT\s+\w+\s*;?\s*$", re.IGNORECASE)
_DECODERS: Final = {
    "": bytes,
    "gzip": gzip.decompress,
    "lz4": lz4.frame.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}


class _Engine:
    """The embedded engine; one request at a time."""

    def __init__(self, folder: str) -> None:
        import chdb

        self._connection: Any = chdb.connect(folder)
        self._lock = threading.Lock()

    def run(self, parameters: dict[str, str], body: bytes) -> bytes:
        bound = {k[6:]: v for k, v in parameters.items() if k.startswith("param_")}
        settings = {k: v for k, v in parameters.items() if k not in _OF_THE_INTERFACE and not k.startswith("param_")}
        query = parameters.get("query", "")
        data = b""
        if query:
            data = body
        else:
            query, data = _split_insert(body)
        with self._lock:
            self._query(f"USE `{parameters.get('database') or 'default'}`", {})
            for name, value in settings.items():
                self._query(f"SET {name} = '{value}'", {})
            if data:
                return self._insert(query, data)
            if not _FORMAT.search(query) and parameters.get("default_format"):
                return self._query(query, bound, parameters["default_format"])
            return self._query(query, bound)

    def _query(self, query: str, bound: dict[str, str], output: str = "TabSeparated") -> bytes:
        stated = _FORMAT.search(query)
        if stated is not None:
            output = stated[0].split()[1].rstrip(";")
        result = self._connection.query(query, output, params=bound) if bound else self._connection.query(query, output)
        return bytes(result.bytes() or b"")

    def _insert(self, query: str, data: bytes) -> bytes:
        head, _, kind = query.rpartition("FORMAT")
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            return self._query(f"{head} FROM INFILE '{file.name}' FORMAT {kind.strip()}", {}, "TabSeparated")


def _split_insert(body: bytes) -> tuple[str, bytes]:
    match = _INSERT.match(body)
    if match is None or match.end() == len(body):
        return body.decode(), b""
    return body[: match.end()].decode().strip(), body[match.end() :]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: _Engine

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/ping":
            self._answer(200, b"Ok.\n")
        else:
            self._serve(b"")

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            raw = self._chunks()
        else:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._serve(_DECODERS[self.headers.get("Content-Encoding", "")](raw))

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: tests look at answers, not at access logs."""

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline().strip() or b"0", 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _serve(self, body: bytes) -> None:
        try:
            answer = self.engine.run(dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True)), body)
        except (RuntimeError, ValueError) as error:
            self._answer(500, str(error).encode())
        else:
            self._answer(200, answer)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-ClickHouse-Summary", "{}")
        self.send_header("X-ClickHouse-Timezone", "UTC")
        self.end_headers()
        self.wfile.write(body)


class ClickHouseServer:
    """The front in a process of its own, on one folder and one port for its whole life."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self.port = int(probe.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        """Where clients find it."""
        return f"http://user:secret@{HOST}:{self.port}"

    def start(self) -> None:
        """Starts it and waits until it answers."""
        command = [sys.executable, "-m", "tests.clickhouse_http", str(self._folder), str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1])
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"the ClickHouse front did not start on port {self.port}")
        with urllib.request.urlopen(f"http://{HOST}:{self.port}/ping", timeout=_START_SECONDS) as answer:
            assert answer.status == 200

    def stop(self) -> None:
        """Ends it and waits; nothing when it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None


def main(folder: str, port: int) -> None:
    """Serves until the process is ended."""
    _Handler.engine = _Engine(folder)
    server = ThreadingHTTPServer((HOST, port), _Handler)
    server.daemon_threads = True
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
