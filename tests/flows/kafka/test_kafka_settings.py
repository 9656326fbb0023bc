"""What a user may say about the cluster, and what is fixed."""

from __future__ import annotations

import pytest

from flows.kafka.settings import ClientSettingsError, consumer_config, producer_config, transactional_config

CLIENT = {
    "bootstrap.servers": "a:1,b:2",
    "security.protocol": "SASL_SSL",
    "sasl.mechanism": "SCRAM-SHA-512",
    "sasl.username": "weir",
    "ssl.ca.location": "/etc/ca.pem",
}


def test_address_and_login_reach_every_client() -> None:
    for config in (consumer_config(CLIENT), producer_config(CLIENT), transactional_config(CLIENT, "id")):
        assert CLIENT.items() <= config.items()


def test_what_exactly_once_rests_on_is_fixed() -> None:
    consumer = consumer_config(CLIENT)
    assert (consumer["enable.auto.commit"], consumer["auto.offset.reset"]) == (False, "error")
    assert (consumer["isolation.level"], consumer["queued.max.messages.kbytes"]) == ("read_committed", 4096)
    assert consumer_config(CLIENT, partition_eof=True)["enable.partition.eof"] is True
    producer = transactional_config(CLIENT, "cluster-alpha")
    assert (producer["transactional.id"], producer["enable.idempotence"]) == ("cluster-alpha", True)


@pytest.mark.parametrize("key", ["enable.auto.commit", "isolation.level", "transactional.id", "sasl", "typo"])
def test_a_setting_that_is_fixed_or_unknown_is_refused_by_name(key: str) -> None:
    with pytest.raises(ClientSettingsError, match=rf"kafka client: {key} cannot be set"):
        consumer_config({**CLIENT, key: "x"})


def test_an_address_is_needed() -> None:
    with pytest.raises(ClientSettingsError, match=r"bootstrap\.servers is missing"):
        consumer_config({"client.id": "weir"})
