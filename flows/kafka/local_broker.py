"""The real Apache Kafka on this machine, without Docker, for tests and try-outs (design, "Parts").

``python -m flows.kafka.local_broker fetch|up|down`` is what ``make kafka-up`` and ``make kafka-down`` call. It listens
on loopback only. Where ``KAFKA_BOOTSTRAP_SERVERS`` is set that cluster is used, and nothing is started.
"""

from __future__ import annotations

import argparse
import base64
import fcntl
import hashlib
import os
import random
import shutil
import signal
import socket
import string
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from flows.exit_codes import FlowStopped, Unavailable
from flows.kafka.local_java import java, maven

ROOT: Final = Path(__file__).resolve().parents[2]
POM: Final = ROOT / "deploy" / "kafka" / "pom.xml"
TEMPLATE: Final = ROOT / "deploy" / "kafka" / "server.properties"
CACHE: Final = ROOT / ".cache" / "kafka"
#: Where ``up`` keeps its data and its process id.
HOME: Final = ROOT / ".cache" / "kafka-local"
VARIABLE: Final = "KAFKA_BOOTSTRAP_SERVERS"
JVM_FLAGS: Final = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx512m", "-Xlog:disable")
DEFAULT_PORT: Final = 19092
READY_SECONDS: Final = 60.0


class LocalBrokerFailed(Unavailable):
    """Kafka ended, or did not answer in time; the text holds the end of its log."""


def external_bootstrap_servers() -> str | None:
    """The cluster that the environment names in place of a local one."""
    return os.environ.get(VARIABLE) or None


def fetch() -> Path:
    """Fetch Kafka's jars into ``.cache/kafka`` unless they are there; returns that folder.

    Raises:
        MavenMissing: the jars are not there and Maven is not installed.
        LocalBrokerFailed: Maven failed.
    """
    wanted = hashlib.sha256(POM.read_bytes()).hexdigest()
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    with open(CACHE.parent / "kafka.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        marker = CACHE / "pom.sha256"
        if marker.exists() and marker.read_text() == wanted:
            return CACHE
        fresh = CACHE.with_name("kafka.fetching")
        shutil.rmtree(fresh, ignore_errors=True)
        command = [maven(), "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={fresh}"]
        ended = subprocess.run(command, check=False, capture_output=True, text=True)
        if ended.returncode != 0:
            raise LocalBrokerFailed(f"{POM}: Maven could not fetch Kafka: {(ended.stdout + ended.stderr)[-2000:]}")
        (fresh / "pom.sha256").write_text(wanted)
        shutil.rmtree(CACHE, ignore_errors=True)
        fresh.rename(CACHE)
    return CACHE


def free_port() -> int:
    """A loopback port nobody listens on, below 32768, where outgoing connections never take it away again."""
    for port in random.sample(range(20_000, 32_000), 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise LocalBrokerFailed("no free port between 20000 and 32000 on 127.0.0.1; stop what listens there")


class LocalBroker:
    """One Kafka node. ``start``, ``kill`` and ``restart`` may follow one another; the data outlives them."""

    def __init__(self) -> None:
        self.bootstrap_servers = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = Path()

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self, port: int, data_dir: Path) -> None:
        """Format ``data_dir`` where that was not done, start Kafka on 127.0.0.1:``port`` and wait until it answers.

        Raises:
            JavaMissing, MavenMissing: what it needs is not installed.
            LocalBrokerFailed: it ended or did not answer.
        """
        self._folder = data_dir.resolve()
        self._folder.mkdir(parents=True, exist_ok=True)
        self.bootstrap_servers = f"127.0.0.1:{port}"
        if not self._properties.exists():
            text = string.Template(TEMPLATE.read_text()).substitute(
                port=port, controller_port=free_port(), data_dir=self._folder / "log"
            )
            self._properties.write_text(text)
            self._format()
        self.restart()

    def restart(self) -> None:
        """Start again after :meth:`stop` or :meth:`kill`, on the same port and data."""
        if self.pid is not None:
            raise LocalBrokerFailed(f"Kafka already runs at {self.bootstrap_servers}; stop it first")
        host, port = self.bootstrap_servers.split(":")
        if _answers(host, int(port)):
            raise LocalBrokerFailed(f"{self.bootstrap_servers} is taken by another program; stop it first")
        with open(self._log, "ab") as log:
            command = [*self._java(), "kafka.Kafka", str(self._properties)]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._wait_until_ready()

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._end(signal.SIGKILL)

    @property
    def _properties(self) -> Path:
        return self._folder / "server.properties"

    @property
    def _log(self) -> Path:
        return self._folder / "kafka.log"

    def _java(self) -> list[str]:
        return [java(), *JVM_FLAGS, "-cp", f"{fetch()}/*"]

    def _format(self) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = [
            *self._java(),
            "kafka.tools.StorageTool",
            "format",
            f"--cluster-id={cluster}",
            "-c",
            str(self._properties),
        ]
        ended = subprocess.run(command, check=False, capture_output=True, text=True)
        if ended.returncode != 0:
            self._properties.unlink()
            raise LocalBrokerFailed(f"{self._folder}: cannot format: {(ended.stdout + ended.stderr)[-2000:]}")

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(how)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        host, port = self.bootstrap_servers.split(":")
        # An open port first: an AdminClient that is refused backs off for longer than Kafka needs.
        while not _answers(host, int(port)):
            self._fail_if_ended(deadline)
            time.sleep(0.02)
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers})
        while True:
            try:
                if admin.list_topics(timeout=2).brokers:
                    return
            except KafkaException:
                pass
            self._fail_if_ended(deadline)

    def _fail_if_ended(self, deadline: float) -> None:
        assert self._process is not None
        if self._process.poll() is None and time.monotonic() < deadline:
            return
        why = "did not answer in time" if self.pid else "ended"
        self.kill()
        tail = self._log.read_text(errors="replace")[-2000:]
        raise LocalBrokerFailed(f"Kafka at {self.bootstrap_servers} {why}; end of {self._log}:\n{tail}")


def _answers(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def _running() -> int | None:
    """Process id of the Kafka that ``up`` started, if it still is that one."""
    try:
        pid = int((HOME / "pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ValueError):
        return None
    return pid if str(HOME).encode() in command else None


def up() -> str:
    """Start Kafka and leave it running; returns its bootstrap servers. Does nothing where it already runs."""
    outside = external_bootstrap_servers()
    if outside:
        return outside
    if _running() is None:
        broker = LocalBroker()
        broker.start(DEFAULT_PORT, HOME)
        (HOME / "pid").write_text(str(broker.pid))
    return f"127.0.0.1:{DEFAULT_PORT}"


def down() -> bool:
    """Stop what :func:`up` started; its data stays. Returns whether anything ran."""
    pid = _running()
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 30
    while _running() is not None:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    (HOME / "pid").unlink()
    return True


def main(arguments: list[str] | None = None) -> int:
    """Command line: ``fetch``, ``up`` or ``down``."""
    parser = argparse.ArgumentParser(prog="python -m flows.kafka.local_broker", description=__doc__)
    parser.add_argument("what", choices=("fetch", "up", "down"))
    what = parser.parse_args(arguments).what
    try:
        if what == "fetch":
            print(fetch())
        elif what == "up":
            print(up())
        else:
            print("stopped" if down() else "nothing was running")
    except FlowStopped as stopped:
        print(stopped, file=sys.stderr)
        return int(stopped.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
