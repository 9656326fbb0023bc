"""Names and shapes of a deployment's Kafka topics, by role.

A role's topic is named like the role unless ``kafka.topics`` says otherwise. ``KAFKA_BOOTSTRAP_SERVERS`` overrides
``kafka.bootstrap_servers``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from schemas.configuration import Configuration, ConfigurationError

if TYPE_CHECKING:
    from flows.kafka.topics import TopicSpec

SIDE_ROLES: Final = ("signals", "fills", "overlay", "control")
INPUT_ROLES: Final = ("market", *SIDE_ROLES)
OUTPUT_ROLES: Final = ("orders", "decisions", "dead_letters", "progress", "halts", "telemetry")
#: What only a configuration with a shadow needs.
SHADOW_ROLES: Final = ("shadow_decisions",)
ROLES: Final = INPUT_ROLES + OUTPUT_ROLES + SHADOW_ROLES
BOOTSTRAP_VARIABLE: Final = "KAFKA_BOOTSTRAP_SERVERS"


def topic_name(configuration: Configuration, role: str) -> str:
    """Broker name of the topic of ``role``; raises ValueError for an unknown role."""
    if role not in ROLES:
        raise ValueError(f"topic role {role!r} is unknown; roles are {', '.join(ROLES)}")
    return configuration.kafka.topics.get(role, role)


def client_settings(configuration: Configuration) -> dict[str, str | int | float | bool]:
    """Client settings as :mod:`flows.kafka.settings` takes them."""
    servers = os.environ.get(BOOTSTRAP_VARIABLE) or configuration.kafka.bootstrap_servers
    return {**configuration.kafka.client, "bootstrap.servers": servers}


def input_partitions(configuration: Configuration) -> dict[str, int]:
    """Partition count of every configured input role, market first.

    Raises ConfigurationError when the market's is to come from a dump that nobody named.
    """
    market = configuration.topics.market.partitions
    if isinstance(market, str):
        raise ConfigurationError(
            "configuration", ["topics.market.partitions: from_dump needs a dump; give the topic's partition count"]
        )
    counts = {"market": market}
    for role in SIDE_ROLES:
        side = getattr(configuration.topics, role)
        if side is not None:
            counts[role] = side.partitions
    return counts


def topic_specs(configuration: Configuration) -> list[TopicSpec]:
    """Every topic of a deployment: the configured inputs, and the outputs with one partition a portfolio."""
    from flows.kafka.topics import COMPACTED, UNLIMITED_RETENTION, TopicSpec

    specs = [
        # Kafka's retention goes by record time: with a limit it would delete published history at once.
        TopicSpec(topic_name(configuration, role), count, UNLIMITED_RETENTION)
        for role, count in input_partitions(configuration).items()
    ]
    portfolios = len(configuration.portfolios)
    specs += [
        TopicSpec(topic_name(configuration, role), portfolios, UNLIMITED_RETENTION) for role in ("orders", "decisions")
    ]
    if configuration.shadow.configuration is not None:
        specs.append(TopicSpec(topic_name(configuration, "shadow_decisions"), 1, UNLIMITED_RETENTION))
    specs.append(TopicSpec(topic_name(configuration, "dead_letters"), 1))
    specs.append(TopicSpec(topic_name(configuration, "halts"), 1, UNLIMITED_RETENTION))
    if configuration.notifications.events_topic:
        specs.append(TopicSpec(topic_name(configuration, "telemetry"), 1))
    specs.append(TopicSpec(topic_name(configuration, "progress"), 1, COMPACTED))
    return specs
