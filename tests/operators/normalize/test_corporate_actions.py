"""Corporate actions are not applied, and nothing is traded through one: its symbol freezes until an operator acts."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from operators.frames import DeadLetterRow
from operators.pipeline import Pipeline
from operators.plan import compile_plan
from operators.strategy_evaluate.registry import default_registry
from schemas.configuration import parse_configuration
from tests.regrouping import HOUR, START, Rows, block, tick

#: Hour after whose bar the split is read.
SPLIT = 20
HOURS = 60


def market(split: dict[str, Any] | None) -> Rows:
    """Two symbols that go up and down together; AAA halves where the split is."""
    rows: list[tuple[int, bytes]] = []
    for hour in range(1, HOURS):
        wave = 100.0 + 10.0 * ((hour // 6) % 2) + hour % 6
        for symbol in ("AAA", "BBB"):
            price = wave / 2 if symbol == "AAA" and hour > SPLIT else wave
            message = {"type": "bar", "symbol": symbol, "interval": "1h", "ts": START + hour * HOUR, "volume": 1.0}
            message |= dict.fromkeys(("open", "high", "low", "close"), price)
            rows.append((START + hour * HOUR, msgspec.json.encode(message)))
        if hour == SPLIT and split is not None:
            rows.append((START + hour * HOUR, msgspec.json.encode(split)))
    return [(offset, ts, payload) for offset, (ts, payload) in enumerate(rows)]


def command(offset: int, hour: int, **fields: Any) -> tuple[int, int, bytes]:
    ts = START + hour * HOUR
    given = {"type": "control", "id": f"c{offset}", "operator": "ada", "portfolio": "main", "ts": ts, "note": "settled"}
    return offset, ts, msgspec.json.encode(given | {"target": {"scope": "symbol", "name": "AAA"}} | fields)


def ends(offset: int) -> tuple[int, int, bytes]:
    return offset, START + HOURS * HOUR, tick(START + HOURS * HOUR)


def played(rows: Rows, control: Rows, cuts: int = 1) -> tuple[list[dict[str, Any]], list[DeadLetterRow]]:
    schedule = {"id": "s", "strategy": "sma_cross", "parameters": {"fast": 2, "slow": 5}}
    document = {
        "time": {"cycle_seconds": 3600},
        "topics": {"market": {"partitions": 1}, "control": {}},
        "instruments": [{"symbol": s, "interval": "1h", "lot": 0.01} for s in ("AAA", "BBB")],
        "portfolios": [{"id": "main", "pods": [{"id": "p", "schedules": [schedule]}]}],
    }
    pipeline = Pipeline(compile_plan(parse_configuration(document), default_registry()))
    bodies: list[dict[str, Any]] = []
    letters: list[DeadLetterRow] = []
    size = -(-len(rows) // cuts)
    parts = [("control", control, 0)] + [("market", rows[at : at + size], at) for at in range(0, len(rows), size)]
    for topic, part, start in parts:
        outputs, refused = pipeline.feed(block(topic, 0, part, start))
        bodies += [json.loads(b) for o in outputs for b in o.bodies]
        letters += [row for one in refused for row in one.rows]
    return bodies, letters


def action(**fields: Any) -> dict[str, Any]:
    ts = START + SPLIT * HOUR
    return {"type": "corporate_action", "symbol": "AAA", "ts": ts, "action": "split", "ratio": 2.0} | fields


def orders(bodies: list[dict[str, Any]], symbol: str, after: int, until: int = HOURS) -> list[int]:
    """Hours in which ``symbol`` is ordered."""
    hours = [((b["cycle"] - START) // HOUR, b["orders"]["symbol"]) for b in bodies if b.get("orders")]
    return [h for h, symbols in hours if symbol in symbols and after < h <= until]


def test_its_symbol_is_frozen_and_the_others_trade_on() -> None:
    bodies, letters = played(market(action()), [ends(0)])
    assert [(row.reason, json.loads(row.payload)["ratio"]) for row in letters] == [("INPUT_CORPORATE_ACTION", 2.0)]
    assert orders(bodies, "AAA", 0, SPLIT) and not orders(bodies, "AAA", SPLIT)
    assert orders(bodies, "BBB", SPLIT)
    told = [(b, t) for b in bodies for t in b.get("transitions", []) if t["subject"] == "kill:symbol:AAA"]
    assert [t["reason"] for _, t in told] == ["QUALITY_CORPORATE_ACTION"]
    assert (told[0][0]["cycle"] - START) // HOUR in (SPLIT, SPLIT + 1)
    assert [e["symbol"] for e in told[0][0]["events"]] == ["AAA"]


@pytest.mark.parametrize("cuts", [2, 7, 119])
def test_when_it_freezes_does_not_depend_on_cuts(cuts: int) -> None:
    assert played(market(action()), [ends(0)], cuts) == played(market(action()), [ends(0)])


def test_an_operator_arms_it_again_or_sells() -> None:
    armed, _ = played(market(action()), [command(0, 30, command="arm"), ends(1)])
    assert not orders(armed, "AAA", SPLIT, 29) and orders(armed, "AAA", 29)
    sold, _ = played(market(action()), [command(0, 30, command="kill", body={"mode": "flatten"}), ends(1)])
    assert len(orders(sold, "AAA", SPLIT)) <= 1


def test_without_it_the_halved_price_is_traded() -> None:
    """What the freeze is there for."""
    bodies, _ = played(market(None), [ends(0)])
    assert orders(bodies, "AAA", SPLIT)


def test_of_another_symbol_or_partition_freezes_nothing() -> None:
    bodies, letters = played(market(action(symbol="ZZZ")), [ends(0)])
    assert [row.reason for row in letters] == ["INPUT_CORPORATE_ACTION"]
    assert bodies == played(market(None), [ends(0)])[0] or orders(bodies, "AAA", SPLIT)
