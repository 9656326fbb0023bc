"""Explain: from an order back to what its strategies saw, also when the intent is older than the order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from clickhouse_connect.driver.client import Client
from rich.console import Console

from flows.clickhouse.client import connect
from flows.clickhouse.sink import load_decisions
from flows.journal.explain import OrderUnknown, explain_order
from flows.journal.explanation import OrderExplanation
from flows.journal.show import explanation_tree
from schemas.configuration import parse_configuration
from schemas.configuration.document import ClickHouse
from schemas.reasons import Reason
from tests.decision_records import CONFIG_HASH, Chain, ChainBuilder, body_of, two_portfolios


@pytest.fixture(scope="module")
def chain() -> Chain:
    return two_portfolios(40)


@pytest.fixture(scope="module")
def run(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chain.write(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def loaded(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    client = connect(ClickHouse(path=str(tmp_path_factory.mktemp("clickhouse"))))
    load_decisions(run, client)
    yield client
    client.close()


def order_of(chain: Chain, portfolio: str, decision: int) -> str:
    for order in map(msgspec.json.decode, chain.orders):
        if (order["type"], order["portfolio"], order["decision_sequence"]) == ("order", portfolio, decision):
            return str(order["client_order_id"])
    raise AssertionError(f"no order in decision {decision}")


def explained(chain: Chain, run: Path, decision: int) -> OrderExplanation:
    return explain_order(run, order_of(chain, "main", decision))


def test_an_order_leads_back_to_decision_inputs_and_configuration(chain: Chain, run: Path) -> None:
    order = explained(chain, run, 9)
    assert (order.decision.sequence, order.decision.config_hash) == (9, CONFIG_HASH)
    assert [(i.topic, i.first_offset, i.last_offset) for i in order.decision.inputs] == [("market", 24, 26)]
    assert order.quantity == abs(order.approved - order.position_before - order.pending_before)
    assert order.attribution == {"trend": 1.0}
    assert order.attribution_from == "order"


def test_intents_of_the_pods_that_stood_still_are_found_in_earlier_decisions(chain: Chain, run: Path) -> None:
    """In decision 9 pod trend acts on SOLUSDT; the target of pod reversion stands since decision 6."""
    order = explained(chain, run, 9)
    assert {(i.pod, i.sequence) for i in order.intents} == {("trend", 9), ("reversion", 6)}
    assert {(t.pod, t.sequence) for t in order.targets} == {("trend", 9), ("reversion", 6)}


def test_the_target_chain_is_that_of_the_body(chain: Chain, run: Path) -> None:
    order = explained(chain, run, 9)
    main = [body for body in map(body_of, chain.lines) if body.portfolio == "main"]
    table = main[8].targets
    assert table is not None
    target = next(t for t in order.targets if t.pod == "trend")
    assert (target.net, target.weight, target.units) == (table.net[0], table.weight[0], table.units[0])


def test_every_clip_comes_with_what_its_reason_means(chain: Chain, run: Path) -> None:
    clipped = next(b.sequence for b in map(body_of, chain.lines) if b.portfolio == "main" and b.clips is not None)
    clip = explained(chain, run, clipped).clips[-1]
    assert (clip.reason, clip.sequence) == ("LEVERAGE_POD_SYMBOL", clipped)
    assert clip.explanation == Reason.LEVERAGE_POD_SYMBOL.explanation


def test_fills_are_found_in_later_decisions(chain: Chain, run: Path) -> None:
    order = explained(chain, run, 9)
    assert [(fill.sequence, abs(fill.quantity)) for fill in order.fills] == [(10, order.quantity)]
    assert explained(chain, run, 40).fills == [], "the last order is not filled yet"


@pytest.mark.parametrize("decision", [1, 9, 23, 40])
def test_clickhouse_explains_as_the_files_do(chain: Chain, run: Path, loaded: Client, decision: int) -> None:
    order_id = order_of(chain, "main", decision)
    from_files, from_clickhouse = explain_order(run, order_id), explain_order(loaded, order_id)
    assert from_clickhouse.attribution == from_files.attribution
    same = {"wire": None, "attribution_from": "targets"}
    assert msgspec.structs.replace(from_files, **same) == from_clickhouse


def test_a_configuration_names_strategies_and_parameters(chain: Chain, run: Path) -> None:
    configuration = parse_configuration(
        {
            "portfolios": [
                {
                    "id": "main",
                    "pods": [
                        {
                            "id": "reversion",
                            "schedules": [
                                {"id": "reversion-hourly", "strategy": "sma_cross@1.0.0", "parameters": {"fast": 10}}
                            ],
                        }
                    ],
                }
            ]
        }
    )
    names = {"reversion-hourly": ["sma_fast", "sma_slow"]}
    order_id = order_of(chain, "main", 9)
    order = explain_order(run, order_id, configuration=configuration, feature_names=names)
    intent = next(i for i in order.intents if i.pod == "reversion")
    assert (intent.strategy, intent.parameters) == ("sma_cross@1.0.0", {"fast": 10})
    assert list(intent.features) == ["sma_fast", "sma_slow"]


def test_a_cancel_is_found_in_a_later_decision(tmp_path: Path) -> None:
    chain = ChainBuilder(cancels=True).build(10)
    order = explain_order(chain.write(tmp_path), order_of(chain, "main", 6))
    assert [(cancel.sequence, cancel.reason) for cancel in order.cancels] == [(7, "GUARD_HALTED")]
    assert order.fills == []


def test_an_unknown_order_says_where_ids_stand(run: Path) -> None:
    with pytest.raises(OrderUnknown, match=r"order nothing: .*orders\.jsonl"):
        explain_order(run, "nothing")


def test_the_tree_reads_from_the_order_to_its_inputs(chain: Chain, run: Path) -> None:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(explanation_tree(explained(chain, run, 9)))
    text = capture.get()
    for part in ("SOLUSDT", "Attribution", "reversion-hourly", "stands since decision 6", "input market/0", "Fills"):
        assert part in text


def test_an_explanation_is_json(chain: Chain, run: Path) -> None:
    order = explained(chain, run, 9)
    assert msgspec.json.decode(msgspec.json.encode(order), type=OrderExplanation) == order
