"""A flow for the tests of ``replay``: the real dump source and file sinks around a step that decides by rote.

For every market record of partition 0 it makes the next decision of :class:`tests.decision_records.ChainBuilder`.
"""

from __future__ import annotations

from pathlib import Path

import bytewax.operators as op
import msgspec
from bytewax.dataflow import Dataflow

from flows.dump.decision_lines import split_line
from flows.dump.file_sink import FileDecisionSink
from flows.dump.layout import open_dump
from flows.dump.slabs import slab_borders
from flows.dump.source import DumpSource
from flows.process import drain, outcome
from flows.settings import DumpInput, FilesOutput, FlowSettings
from operators.frames import OutputBlock, RecordBlock
from tests.decision_records import ChainBuilder, body_of


def build(settings: FlowSettings) -> Dataflow:
    """The flow of ``settings``."""
    assert isinstance(settings.source, DumpInput)
    assert isinstance(settings.sink, FilesOutput)
    dump = open_dump(Path(settings.source.path))
    borders = slab_borders(dump.manifest, settings.source.slab_records)
    source = DumpSource(dump, "market", borders, batch=settings.source.batch, drain=drain.requested)
    flow = Dataflow("replayed")
    blocks = op.map("count", op.input("market", flow, source), _count)
    keyed = op.key_on("portfolio", op.filter("first", blocks, lambda b: b.partition == 0), lambda _: "main")
    decided = op.stateful_map("decide", keyed, _decide)
    portfolios = [portfolio.id for portfolio in settings.parsed().portfolios]
    envelope = {"code_version": settings.code_version}
    recovery = settings.recovery is not None
    op.output("out", decided, FileDecisionSink(Path(settings.sink.out), portfolios, envelope, recovery=recovery))
    return flow


def _count(block: RecordBlock) -> RecordBlock:
    outcome.count("bars", len(block.payloads))
    if len(block.payloads) == 0:
        outcome.left_open(f"market-{block.partition}", 1, 2, 1, "a beat")
    return block


def _decide(made: int | None, block: RecordBlock) -> tuple[int, OutputBlock]:
    first = made or 0
    count = first + len(block.payloads)
    chain = ChainBuilder(sequence=1).build(count)
    parts = [split_line(line) for line in chain.lines[first:]]
    decisions = [body_of(line).decision_id for line in chain.lines[first:]]
    orders = [(msgspec.json.decode(order)["decision_id"], order) for order in chain.orders]
    own = [(decisions.index(decision), order) for decision, order in orders if decision in decisions]
    made_block = OutputBlock(
        portfolio="main",
        counter=0,
        to_cycle=0,
        first_sequence=first + 1,
        cycles=[0] * len(parts),
        bodies=[body for body, _ in parts],
        hashes=[digest for _, digest in parts],
        orders=[order for _, order in own],
        order_decisions=[index for index, _ in own],
    )
    return count, made_block
