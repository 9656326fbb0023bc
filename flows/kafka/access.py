"""Kafka ACLs of a deployment, from the roles in :mod:`schemas.access`."""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

from flows.exit_codes import Unavailable
from flows.kafka.settings import ClientSettings, admin_config
from flows.topics import topic_name
from schemas.access import ROLES, Role
from schemas.configuration import Configuration

#: Serving one request, in seconds.
TIMEOUT_SECONDS = 30.0


def bindings(configuration: Configuration, prefix: str = "") -> list[AclBinding]:
    """What has to be allowed; principals are ``User:<prefix><role>``. Everything else stays denied by default."""
    found: list[AclBinding] = []
    for name, role in ROLES.items():
        found += _of_role(configuration, f"User:{prefix}{name}", role)
    return found


def _of_role(configuration: Configuration, principal: str, role: Role) -> list[AclBinding]:
    def topic(name: str, operation: AclOperation) -> AclBinding:
        return _allow(ResourceType.TOPIC, topic_name(configuration, name), False, principal, operation)

    found: list[AclBinding] = []
    for name in sorted({*role.reads, *role.writes}):
        found.append(topic(name, AclOperation.DESCRIBE))
    found += [topic(name, AclOperation.READ) for name in role.reads]
    found += [topic(name, AclOperation.WRITE) for name in role.writes]
    if role.reads:
        # Weir never joins a group, but librdkafka wants a name; an execution service has one of its own.
        found.append(_allow(ResourceType.GROUP, principal.removeprefix("User:"), True, principal, AclOperation.READ))
    if role.transactional:
        cluster = f"{configuration.kafka.cluster_id}-"
        for operation in (AclOperation.WRITE, AclOperation.DESCRIBE):
            found.append(_allow(ResourceType.TRANSACTIONAL_ID, cluster, True, principal, operation))
    return found


def _allow(
    resource: ResourceType, name: str, by_prefix: bool, principal: str, operation: AclOperation
) -> AclBinding:  # fmt: skip
    pattern = ResourcePatternType.PREFIXED if by_prefix else ResourcePatternType.LITERAL
    return AclBinding(resource, name, pattern, principal, "*", operation, AclPermissionType.ALLOW)


def create(client: ClientSettings, wanted: Sequence[AclBinding]) -> int:
    """Creates the ACLs; existing ones are left as they are. Returns how many are in force.

    Raises Unavailable when the cluster refuses, for example because it has no authorizer.
    """
    admin = AdminClient(admin_config(client))
    for binding, future in admin.create_acls(list(wanted)).items():
        try:
            future.result(TIMEOUT_SECONDS)
        except Exception as error:
            raise Unavailable(f"ACL for {binding.principal} on {binding.name}: {error}") from error
    return len(wanted)


def as_command(binding: AclBinding) -> str:
    """The same as a line for Kafka's own tool."""
    kind = {
        ResourceType.TOPIC: "--topic",
        ResourceType.GROUP: "--group",
        ResourceType.TRANSACTIONAL_ID: "--transactional-id",
    }[ResourceType(binding.restype)]
    pattern = (
        "--resource-pattern-type prefixed " if binding.resource_pattern_type is ResourcePatternType.PREFIXED else ""
    )
    return (
        f"kafka-acls.sh --bootstrap-server $SERVERS --add --allow-principal {binding.principal}"
        f" --operation {AclOperation(binding.operation).name.title()} {pattern}{kind} {binding.name}"
    )
