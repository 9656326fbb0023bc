"""The AsyncAPI page is what the structs say, its references resolve, and real messages fit its payloads."""

from __future__ import annotations

from typing import Any

import msgspec
from jsonschema import Draft202012Validator

from schemas.access import ROLES, writers_of
from schemas.asyncapi import CHANNELS, PAGE, asyncapi_document, asyncapi_text
from schemas.messages import CycleEnd, Halt
from tests.decision_records import ChainBuilder


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [r for value in node.values() for r in references(value)]
    return [r for value in node for r in references(value)] if isinstance(node, list) else []


def test_the_page_is_generated() -> None:
    assert PAGE.read_text(encoding="utf-8") == asyncapi_text(), "run: python -m schemas.asyncapi"


def test_every_reference_resolves() -> None:
    document = asyncapi_document()
    for reference in references(document):
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_what_weir_writes_fits_the_payloads() -> None:
    document = asyncapi_document()
    chain = ChainBuilder().build(4)
    halt = Halt(
        halted=True, id="k", operator="ada", portfolio="*", reason="drill", scope="portfolio", name="", ts=1
    )  # fmt: skip
    end = CycleEnd(cycle=1, orders=0, portfolio="main", sequence=0)
    samples = [("order", msgspec.json.decode(o)) for o in chain.orders]
    samples += [("decision_record", msgspec.json.decode(line)) for line in chain.lines]
    samples += [("halt", msgspec.to_builtins(halt)), ("cycle_end", msgspec.to_builtins(end))]
    for name, value in samples:
        schema = document["components"]["messages"][name]["payload"] | {"components": document["components"]}
        Draft202012Validator(schema).validate(value)


def test_only_the_flow_writes_orders_and_decisions_and_only_operators_halts() -> None:
    assert writers_of("orders") == writers_of("decisions") == ("weir",)
    assert writers_of("halts") == ("operators",)
    assert "execution" not in writers_of("control")
    assert writers_of("fills") == ("clock", "execution", "paper_venue")


def test_every_role_names_topics_that_exist() -> None:
    known = {*CHANNELS, "progress"}
    assert {t for role in ROLES.values() for t in (*role.reads, *role.writes)} <= known
