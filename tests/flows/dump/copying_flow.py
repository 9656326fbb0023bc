"""A dataflow from a dump to files that makes one decision and one order of each record; run as a process to be killed.

``python -m tests.flows.dump.copying_flow DUMP OUT RECOVERY WORKERS BATCH``
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import cluster_main

from flows.dump.file_sink import FileDecisionSink
from flows.dump.layout import Dump, open_dump
from flows.dump.slabs import slab_borders
from flows.dump.source import DumpSource
from operators.frames import OutputBlock, RecordBlock

# bytewax gives these no types.
_cluster_main: Callable[..., None] = cluster_main
_init_db_dir: Callable[..., None] = init_db_dir
_recovery_config: Callable[..., object] = RecoveryConfig

_State = tuple[int, int]


def decide(state: _State | None, block: RecordBlock) -> tuple[_State, OutputBlock]:
    """One decision a record, numbered within the partition; checks that the log is read without gaps."""
    sequence, position = state or (1, block.start)
    assert block.start == position, f"record {block.start} follows position {position}"
    bodies = [b'{"sequence":%d,"record":%s}' % (sequence + i, payload) for i, payload in enumerate(block.payloads)]
    output = OutputBlock(
        portfolio=portfolio(block.partition),
        counter=0,
        to_cycle=0,
        first_sequence=sequence,
        cycles=block.timestamps.tolist(),
        bodies=bodies,
        hashes=[hashlib.sha256(body).hexdigest() for body in bodies],
        orders=[b'{"order":%s}' % payload for payload in block.payloads],
        order_decisions=list(range(len(bodies))),
    )
    return (sequence + len(bodies), block.next), output


def portfolio(partition: int) -> str:
    """The portfolio that a partition's records go to."""
    return f"portfolio-{partition}"


def build(dump: Dump, out: Path, batch: int) -> Dataflow:
    """The flow."""
    flow = Dataflow("copying")
    source = DumpSource(dump, "market", slab_borders(dump.manifest, 500), batch=batch)
    blocks = op.key_on("key", op.input("in", flow, source), lambda block: portfolio(block.partition))
    portfolios = [portfolio(partition) for partition in range(len(dump.partitions("market")))]
    op.output("out", op.stateful_map("decide", blocks, decide), FileDecisionSink(out, portfolios, {}, recovery=True))
    return flow


def main() -> None:
    """Runs until the dump's end, or until something kills it."""
    dump, out, recovery = (Path(argument) for argument in sys.argv[1:4])
    workers, batch = int(sys.argv[4]), int(sys.argv[5])
    if not recovery.exists():
        recovery.mkdir()
        _init_db_dir(recovery, 2)
    _cluster_main(
        build(open_dump(dump), out, batch),
        [],
        0,
        worker_count_per_proc=workers,
        epoch_interval=timedelta(0),
        recovery_config=_recovery_config(str(recovery)),
    )


if __name__ == "__main__":
    main()
