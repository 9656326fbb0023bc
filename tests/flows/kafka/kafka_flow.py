"""A small flow for crash tests: one decision and one order for each market record, from Kafka to Kafka.

Run as a program it reads all there is and ends in order. Arguments: a JSON object with bootstrap, market, decisions,
orders, recovery, batch.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig
from bytewax.testing import run_main

from flows.errors import WeirError
from flows.exit_codes import FlowStopped, exit_code_of
from flows.kafka.settings import ClientSettings
from flows.kafka.sink import KafkaDecisionSink
from flows.kafka.source import KafkaSource
from operators.frames import Beat, OutputBlock, RecordBlock
from schemas.decision import GENESIS, Envelope

PORTFOLIO = "alpha"


@dataclass
class State:
    next_position: int = 0
    counter: int = 0
    sequence: int = 0
    previous: str = GENESIS


def step(state: State | None, block: RecordBlock) -> tuple[State, list[OutputBlock | Beat]]:
    """One decision for each record; the chain shows any record that is lost or comes twice."""
    state = state or State()
    assert block.start == state.next_position, f"block from {block.start} comes where {state.next_position} is expected"
    if not block.payloads:
        return state, [Beat("market")]
    first, bodies, hashes = state.sequence + 1, [], []
    for payload in block.payloads:
        state.sequence += 1
        body = {"market": payload.decode(), "previous": state.previous, "sequence": state.sequence}
        bodies.append(json.dumps(body).encode())
        state.previous = hashlib.sha256(bodies[-1]).hexdigest()
        hashes.append(state.previous)
    counter, state.counter, state.next_position = state.counter, state.counter + 1, block.next
    cycles = list(range(first, first + len(bodies)))
    orders = [b'{"order":%d}' % cycle for cycle in cycles]
    out = OutputBlock(
        PORTFOLIO, counter, cycles[-1], first, cycles, bodies, hashes, orders, list(range(len(orders)))
    )  # fmt: skip
    return state, [out]


def build(client: ClientSettings, market: str, decisions: str, orders: str, batch: int) -> Dataflow:
    """The flow; it drains when it has read everything."""
    unread: list[int] = []

    def on_lag(role: str, partition: int, lag: int) -> None:
        unread.append(lag)

    def drain() -> bool:
        return bool(unread) and unread[-1] == 0

    flow = Dataflow("crash_test")
    source = KafkaSource("market", market, [0], client, batch=batch, on_lag=on_lag, drain=drain)
    blocks = op.key_on("key", op.input("market", flow, source), lambda block: PORTFOLIO)
    out = op.stateful_flat_map("step", blocks, step)
    sink = KafkaDecisionSink(
        client, decisions, [PORTFOLIO], decisions, orders, lambda *_: Envelope(code_version="test")
    )  # fmt: skip
    op.output("decisions", out, sink)
    return flow


def main(argument: str) -> int:
    """Run once; returns the exit code."""
    told = json.loads(argument)
    client = {"bootstrap.servers": told["bootstrap"]}
    flow = build(client, told["market"], told["decisions"], told["orders"], told["batch"])
    recovery = RecoveryConfig(Path(told["recovery"]))  # type: ignore[no-untyped-call]
    try:
        run_main(flow, epoch_interval=timedelta(milliseconds=20), recovery_config=recovery)  # type: ignore[no-untyped-call]
    except (WeirError, FlowStopped) as error:
        print(error, file=sys.stderr)
        return int(exit_code_of(error))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
