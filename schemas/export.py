"""Exports every contract as JSON Schema, and the table of reason codes (spec 1)."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import msgspec

from schemas import messages
from schemas.configuration import Configuration
from schemas.decision import DecisionBody, DecisionRecord
from schemas.reasons import Reason

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_SUFFIX: Final = ".schema.json"

#: Every message and contract, by the name of its file.
MESSAGES: Final[dict[str, type[msgspec.Struct]]] = {
    "bar": messages.Bar,
    "quote": messages.Quote,
    "trade": messages.Trade,
    "clock_tick": messages.ClockTick,
    "corporate_action": messages.CorporateAction,
    "symbol_event": messages.SymbolEvent,
    "signal_envelope": messages.SignalEnvelope,
    "execution_report": messages.ExecutionReport,
    "position_report": messages.PositionReport,
    "overlay_update": messages.OverlayUpdate,
    "control_command": messages.ControlCommand,
    "order": messages.Order,
    "cancel": messages.Cancel,
    "cycle_end": messages.CycleEnd,
    "halt": messages.Halt,
    "dead_letter": messages.DeadLetter,
    "lifecycle_event": messages.LifecycleEvent,
    "telemetry_event": messages.TelemetryEvent,
    "feature_vector": messages.FeatureVector,
    "strategy_definition": messages.StrategyDefinition,
    "strategy_intent": messages.StrategyIntent,
    "portfolio_intent": messages.PortfolioIntent,
    "order_intent": messages.OrderIntent,
    "decision_body": DecisionBody,
    "decision_record": DecisionRecord,
}

#: First number of each hundred of reason codes, and what it covers.
_AREAS: Final = {
    0: "None",
    1: "Input (dead letters)",
    2: "Data quality",
    3: "Strategies",
    4: "Aggregation",
    5: "Leverage and capital",
    6: "Guards",
    7: "Routing",
    8: "Control",
    9: "State",
}


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema documents by name: every message, each topic's union, the decision and the configuration."""
    documents = {name: msgspec.json.schema(kind) for name, kind in MESSAGES.items()}
    for topic, union in messages.TOPIC_MESSAGES.items():
        documents[f"topic_{topic}"] = msgspec.json.schema(union)
    documents["configuration"] = Configuration.model_json_schema()
    return {name: {"$schema": _DIALECT, **document} for name, document in sorted(documents.items())}


def schema_text(document: dict[str, Any]) -> str:
    """The text of a schema file: sorted keys, two spaces, a newline at the end."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def export_schemas(folder: Path) -> list[Path]:
    """Writes every schema as ``<name>.schema.json``, takes away those that no longer exist, and gives the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, document in schemas().items():
        path = folder / f"{name}{_SUFFIX}"
        path.write_text(schema_text(document), encoding="utf-8")
        written.append(path)
    for stale in set(folder.glob(f"*{_SUFFIX}")) - set(written):
        stale.unlink()
    return written


def reason_table() -> str:
    """``docs/reason_codes.md``: every reason code by area, with what it means."""
    parts = [
        "# Reason codes",
        "",
        (
            "Generated from `schemas/reasons.py` by `weir schemas export`: do not edit. Journals, messages and metrics"
            " carry"
        ),
        "the code's name; a name is never changed once it is out.",
    ]
    for area, members in groupby(sorted(Reason), key=lambda reason: reason.value // 100):
        parts += ["", f"## {_AREAS.get(area, f'{area}00')}", "", "| Code | Meaning |", "|---|---|"]
        parts += [f"| `{reason.name}` | {reason.explanation.replace('|', chr(92) + '|')} |" for reason in members]
    return "\n".join(parts) + "\n"


def write_reason_table(path: Path) -> Path:
    """Writes :func:`reason_table` to ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(reason_table(), encoding="utf-8")
    return path
