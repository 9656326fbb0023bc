"""Decisions in ClickHouse: verbatim, never twice in a view, never with a gap, repairable after every failure."""

from __future__ import annotations

from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from flows.clickhouse.errors import DecisionsMissing
from flows.clickhouse.writer import DecisionWriter
from flows.errors import DivergedFromLog
from flows.journal.line import parse_line
from tests.decision_records import ChainBuilder, body_of, two_portfolios

VIEWS = ("decisions", "intents", "targets", "clips", "orders", "cancels", "fills", "transitions", "pod_metrics")


def counts(client: Client) -> dict[str, int]:
    return {view: int(client.query(f"SELECT count() FROM {view}").result_rows[0][0]) for view in VIEWS}


def write(client: Client, lines: list[bytes], batch_rows: int = 1000) -> DecisionWriter:
    writer = DecisionWriter(client, batch_rows=batch_rows)
    writer.write(lines)
    writer.flush()
    return writer


def test_bodies_come_back_byte_for_byte_in_chain_order(client: Client) -> None:
    chain = two_portfolios(60)
    write(client, chain.lines)
    lines = sorted((parse_line(line) for line in chain.lines), key=lambda line: (line.portfolio, line.sequence))
    rows = client.query("SELECT body, hash FROM decisions ORDER BY portfolio, sequence").result_rows
    assert [(str(body).encode(), body_hash) for body, body_hash in rows] == [(line.raw, line.hash) for line in lines]


def test_child_rows_are_the_body_s_tables(client: Client) -> None:
    chain = ChainBuilder().build(70)
    write(client, chain.lines, batch_rows=16)
    bodies = [body_of(line) for line in chain.lines]
    orders = client.query("SELECT sequence, client_order_id, quantity, position_before FROM orders ORDER BY sequence")
    expected = [
        (body.sequence, *row)
        for body in bodies
        if body.orders is not None
        for row in zip(body.orders.client_order_id, body.orders.quantity, body.orders.position, strict=True)
    ]
    assert [tuple(row) for row in orders.result_rows] == expected
    features = client.query("SELECT features FROM intents ORDER BY sequence").result_rows
    assert [row[0] for row in features] == [body.intents.features[0] for body in bodies if body.intents is not None]
    clips = sum(len(body.clips.reason) for body in bodies if body.clips is not None)
    assert counts(client)["clips"] == clips > 0
    inputs = client.query("SELECT inputs FROM decisions ORDER BY sequence LIMIT 1").result_rows[0][0]
    assert inputs == [{"topic": "market", "partition": 0, "first_offset": 0, "last_offset": 2}]


def test_writing_again_doubles_nothing(client: Client) -> None:
    chain = ChainBuilder().build(40)
    write(client, chain.lines, batch_rows=7)
    before = counts(client)
    write(client, chain.lines, batch_rows=11)
    write(client, chain.lines[25:])
    assert counts(client) == before
    assert before["decisions"] == 40


@pytest.mark.parametrize("fails_at", range(1, 10))
def test_a_failed_insert_is_repeated_from_where_it_failed(client: Client, fails_at: int) -> None:
    chain = ChainBuilder(cancels=True).build(60)
    writer = DecisionWriter(_FailsOnce(client, fails_at))  # type: ignore[arg-type]  # stands in for a client
    for line in chain.lines:
        writer.take(line)
    with pytest.raises(DatabaseError):
        writer.flush()
    assert writer.pending
    writer.flush()
    assert not writer.pending
    assert counts(client) == counts_of_fresh(client, chain.lines)


def test_a_decision_that_can_be_seen_has_its_children(client: Client) -> None:
    """The process dies after any table of a batch: the next one writes the batch anew, and nothing is missing."""
    chain = ChainBuilder(cancels=True).build(60)
    for fails_at in range(1, 10):
        writer = DecisionWriter(_FailsOnce(client, fails_at))  # type: ignore[arg-type]  # stands in for a client
        for line in chain.lines:
            writer.take(line)
        with pytest.raises(DatabaseError):
            writer.flush()
        assert counts(client)["decisions"] == 0
    write(client, chain.lines)
    assert counts(client) == counts_of_fresh(client, chain.lines)


def test_a_gap_stops_the_copy(client: Client) -> None:
    chain = ChainBuilder().build(10)
    write(client, chain.lines[:4])
    with pytest.raises(DecisionsMissing, match=r"decision 7 of portfolio main follows 4: 2 decision\(s\) are missing"):
        write(client, chain.lines[6:])


def test_a_chain_that_does_not_begin_at_its_beginning_is_refused(client: Client) -> None:
    with pytest.raises(DecisionsMissing, match="not the first of its chain"):
        write(client, ChainBuilder().build(10).lines[3:])


def test_another_run_of_the_portfolio_is_refused(client: Client) -> None:
    write(client, ChainBuilder(seed=1).build(10).lines)
    with pytest.raises(DivergedFromLog, match=r"decision 1 .* different runs; use another clickhouse\.database"):
        write(client, ChainBuilder(seed=2).build(10).lines)
    with pytest.raises(DivergedFromLog, match="predecessor"):
        write(client, ChainBuilder(seed=2).build(11).lines[10:])


def test_what_is_no_intact_decision_is_kept_with_its_reason(client: Client) -> None:
    chain = ChainBuilder().build(3)
    flipped = chain.lines[1].replace(b'"confidence":[0.65]', b'"confidence":[0.66]')
    writer = DecisionWriter(client)
    lines = [chain.lines[0], b"\xff not json", b"{}", flipped, chain.lines[1], chain.lines[2]]
    writer.write(lines, "decisions", 4, offsets=[10, 11, 12, 13, 14, 15])
    writer.flush()
    assert (writer.decisions, writer.rejected) == (3, 3)
    rows = client.query("SELECT topic, partition, offset, error FROM rejected_records ORDER BY offset").result_rows
    assert [tuple(row[:3]) for row in rows] == [("decisions", 4, 11), ("decisions", 4, 12), ("decisions", 4, 13)]
    assert "hash" in rows[2][3]


def test_prepared_views_answer_common_questions(client: Client) -> None:
    write(client, ChainBuilder().build(60).lines)
    curve = client.query("SELECT equity, drawdown FROM equity_curve ORDER BY sequence").result_rows
    assert len(curve) == 60 and min(row[1] for row in curve) >= 0 and max(row[1] for row in curve) > 0
    reasons = client.query("SELECT reason, clips FROM clip_counts").result_rows
    assert [row[0] for row in reasons] == ["LEVERAGE_POD_SYMBOL"]
    unfilled = client.query("SELECT count() FROM order_fills WHERE filled_at IS NULL").result_rows[0][0]
    assert unfilled == 1, "only the last order waits for its fill"


def counts_of_fresh(client: Client, lines: list[bytes]) -> dict[str, int]:
    """What the views must count, from the bodies themselves."""
    bodies = [body_of(line) for line in lines]
    return {
        "decisions": len(bodies),
        "intents": sum(len(b.intents.pod) for b in bodies if b.intents),
        "targets": sum(len(b.targets.pod) for b in bodies if b.targets),
        "clips": sum(len(b.clips.pod) for b in bodies if b.clips),
        "orders": sum(len(b.orders.symbol) for b in bodies if b.orders),
        "cancels": sum(len(b.cancels or ()) for b in bodies),
        "fills": sum(len(b.fills.symbol) for b in bodies if b.fills),
        "transitions": sum(len(b.transitions or ()) for b in bodies),
        "pod_metrics": sum(len(b.pods.pod) for b in bodies),
    }


class _FailsOnce:
    """A client whose n-th insert fails as when the server goes away."""

    def __init__(self, client: Client, fails_at: int) -> None:
        self._client = client
        self._left = fails_at

    def query(self, *args: Any, **kwargs: Any) -> Any:
        return self._client.query(*args, **kwargs)

    def insert_arrow(self, table: str, arrow_table: Any) -> None:
        self._left -= 1
        if self._left == 0:
            raise DatabaseError("connection reset by peer")
        self._client.insert_arrow(table, arrow_table)
