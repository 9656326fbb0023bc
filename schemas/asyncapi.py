"""Generates ``docs/asyncapi.yaml``: the topics of a deployment as AsyncAPI 3.0, for whoever stands at their other end.

Every channel has its messages with their JSON Schemas, its key, and what its reader has to keep to (spec 8,
"execution contract").
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from schemas.access import ROLES
from schemas.export import MESSAGES

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "asyncapi.yaml"

#: Topic role: message names, record key, who reads and writes, in words.
CHANNELS: Final[dict[str, tuple[tuple[str, ...], str, str]]] = {
    "market": (
        ("bar", "quote", "trade", "corporate_action", "symbol_event", "clock_tick"),
        "symbol",
        "Market data. A symbol belongs to the partition that the configured partitioner gives its key.",
    ),
    "signals": (("signal_envelope", "clock_tick"), "symbol", "Views of outside models."),
    "fills": (
        ("execution_report", "position_report", "clock_tick"),
        "portfolio",
        (
            "What an execution service reports. A fill carries quantity, price, fee and an execution_id that is never"
            " used twice; position reports reconcile at the start and whenever they come."
        ),
    ),
    "overlay": (("overlay_update", "clock_tick"), "portfolio", "Budgets, caps and regime labels."),
    "control": (("control_command", "clock_tick"), "portfolio", "Commands of operators. Unlimited retention."),
    "orders": (
        ("order", "cancel", "cycle_end"),
        "portfolio",
        (
            "Orders, exactly once. Read with isolation.level=read_committed; be idempotent by client_order_id; sequence"
            " has no gap within a portfolio (a cycle_end repeats the last one); ignore types and fields that you do not"
            " know; obey halts at once."
        ),
    ),
    "halts": (("halt",), "portfolio", "Obeyed at once, whatever the flow is doing. Unlimited retention."),
    "decisions": (("decision_record",), "portfolio", "Why each order is as it is; hash-chained within a portfolio."),
    "telemetry": (("telemetry_event",), "portfolio", "Events for operators and tools, at least once; see operations."),
    "dead_letters": (("dead_letter",), "source", "Messages that could not be used, with the reason and their bytes."),
}


def asyncapi_document() -> dict[str, Any]:
    """The document; raises KeyError when a channel names a message that is not exported."""
    schemas: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for name in sorted({m for names, _, _ in CHANNELS.values() for m in names}):
        (reference,), components = msgspec.json.schema_components(
            [MESSAGES[name]], ref_template="#/components/schemas/{name}"
        )
        schemas |= components
        messages[name] = {"name": name, "contentType": "application/json", "payload": reference}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Weir",
            "version": "1.0.0",
            "description": "Topics of a Weir deployment, by role; kafka.topics of its configuration gives their names.",
        },
        "defaultContentType": "application/json",
        "channels": {role: _channel(role) for role in CHANNELS},
        "operations": _operations(),
        "components": {"messages": messages, "schemas": dict(sorted(schemas.items()))},
    }


def _channel(role: str) -> dict[str, Any]:
    names, key, text = CHANNELS[role]
    return {
        "address": role,
        "description": text,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {"kafka": {"topic": role, "bindingVersion": "0.5.0"}},
        "x-record-key": key,
    }


def _operations() -> dict[str, Any]:
    """What each role does, as in the ACLs."""
    found: dict[str, Any] = {}
    for name, role in ROLES.items():
        for action, topics in (("receive", role.reads), ("send", role.writes)):
            for topic in topics:
                if topic in CHANNELS:
                    found[f"{name}_{action}_{topic}"] = {
                        "action": action,
                        "channel": {"$ref": f"#/channels/{topic}"},
                        "summary": role.purpose,
                    }
    return found


def asyncapi_text() -> str:
    """The text of the page."""
    head = "# Generated from the message structs by `python -m schemas.asyncapi`: do not edit.\n"
    return head + yaml.safe_dump(asyncapi_document(), sort_keys=False, width=120, allow_unicode=True)


def write_asyncapi(path: Path = PAGE) -> Path:
    """Writes the page."""
    path.write_text(asyncapi_text(), encoding="utf-8")
    return path


if __name__ == "__main__":
    write_asyncapi()
