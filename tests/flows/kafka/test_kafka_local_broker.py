"""The local Kafka: kill -9 and restart, and what the sink makes of it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.kafka import local_java
from flows.kafka.local_broker import LocalBroker, LocalBrokerFailed, external_bootstrap_servers, free_port
from flows.kafka.topics import TopicSpec, create_topics
from operators.frames import Beat
from tests.flows.kafka.test_kafka_sink import Decisions


def test_no_java_is_an_error_that_names_the_fix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setattr(local_java, "_packaged_home", lambda: None)
    with pytest.raises(local_java.JavaMissing, match="openjdk-17"):
        local_java.java()
    with pytest.raises(local_java.MavenMissing, match="apt install maven"):
        local_java.maven()


def test_a_free_port_is_below_those_of_outgoing_connections() -> None:
    assert 1024 < free_port() < 32768


def test_a_cluster_in_the_environment_is_used_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "somewhere:9092")
    assert external_bootstrap_servers() == "somewhere:9092"


def topic_maker(client: dict[str, str]) -> Callable[..., str]:
    prefix = uuid.uuid4().hex[:12]

    def make(name: str) -> str:
        create_topics(client, [TopicSpec(f"{prefix}.{name}", 1)])
        return f"{prefix}.{name}"

    return make


def test_committed_decisions_outlive_a_broker_that_is_killed_in_the_middle(
    kafka_broker_of_its_own: LocalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker dies between the records and their commit; the sink finds out what became of them, by itself."""
    broker = kafka_broker_of_its_own
    client = {"bootstrap.servers": broker.bootstrap_servers}
    with pytest.raises(LocalBrokerFailed, match="already runs"):
        broker.restart()
    decisions = Decisions(client, topic_maker(client))
    part = decisions.opened()
    part.write_batch([Beat("market"), decisions.block(1, 2)])

    restarts: list[threading.Thread] = []

    def kill_once(name: str) -> None:
        if name == "decisions.before_commit" and not restarts:
            broker.kill()
            restarts.append(threading.Thread(target=broker.restart))
            restarts[0].start()

    monkeypatch.setattr("flows.kafka.transactional.reached", kill_once)
    part.write_batch([decisions.block(3, 5, counter=1)])
    restarts[0].join()
    part.write_batch([decisions.block(6, 7, counter=2)])
    assert decisions.sequences() == [1, 2, 3, 4, 5, 6, 7]
    assert len(decisions.orders()) == sum(sequence % 3 for sequence in range(1, 8))
    decisions.close()
