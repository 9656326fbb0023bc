"""What one run of a dataflow is told, as plain JSON values, so that every process of a cluster reads the same file.

The configuration document says what decisions depend on; :class:`FlowSettings` adds where this run reads and writes.
None of what stands beside ``configuration`` may change a decision, except ``quarantined``, which is itself taken from
the log (design, "Overrun and hang").
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from schemas.configuration import Configuration, parse_configuration
from schemas.configuration.retired import Retired

#: Recovery partitions of a new recovery folder; fixed, so that any worker count up to it shares the writing.
RECOVERY_PARTITIONS = 4


class DumpInput(Struct, frozen=True, kw_only=True, tag="dump", tag_field="kind"):
    """Read a topic dump.

    Attributes:
        path: the dump folder.
        batch: at most this many records in one block.
        ragged: block sizes to use in turn instead, for tests that cut unevenly.
        slab_records: records of all partitions together in one slab of event time, which is one epoch.
    """

    path: str
    batch: int = 10_000
    ragged: list[int] = []
    slab_records: int = 40_000


class KafkaInput(Struct, frozen=True, kw_only=True, tag="kafka", tag_field="kind"):
    """Read the topics that the configuration's ``kafka`` and ``topics`` sections name."""


class FilesOutput(Struct, frozen=True, kw_only=True, tag="files", tag_field="kind"):
    """Write ``decisions``, ``orders`` and ``dead_letters`` as JSON lines into ``out``; ``zst`` compresses them."""

    out: str
    zst: bool = False


class KafkaOutput(Struct, frozen=True, kw_only=True, tag="kafka", tag_field="kind"):
    """Write to the orders, decisions and dead-letter topics of the configuration's ``kafka`` section."""


class Recovery(Struct, frozen=True, kw_only=True):
    """Where snapshots live; ``epoch_seconds`` 0 ends an epoch with every slab of a dump."""

    directory: str
    partitions: int = RECOVERY_PARTITIONS
    epoch_seconds: float = 1.0


class Quarantine(Struct, frozen=True, kw_only=True):
    """Schedule ``schedule`` of ``portfolio`` hung: it is out of the netting from ``first_cycle`` (UTC ns) on."""

    schedule: str
    first_cycle: int
    portfolio: str = ""


class Shadow(Struct, frozen=True, kw_only=True):
    """A shadow candidate: its resolved configuration document, and the generation of its state (part of its step ids:
    state of a generation that missed any input is never taken up again)."""

    configuration: dict[str, Any]
    generation: int = 1


class FlowSettings(Struct, frozen=True, kw_only=True):
    """One run of the trading flow.

    Attributes:
        configuration: the *resolved* configuration document (no ``from_dump`` left), as plain JSON values.
        source: where inputs come from.
        sink: where decisions and orders go.
        recovery: where snapshots go; None runs without.
        quarantined: schedules that hung in an earlier run.
        processes: processes of the cluster; 1 is a cluster of one.
        workers: worker threads in each process.
        code_version: digest of the installed sources, for the envelope of decisions.
        hang_seconds: wall seconds after which one evaluation counts as hung.
        once: stop as soon as a cycle has been decided (audit).
        run: id of this start of the cluster, the same in all its processes (Kafka's progress topic).
        retired: what pods still hold of what an earlier configuration traded; kept in the recovery folder.
        shadow: a candidate that runs beside the live configuration; None runs without.
    """

    configuration: dict[str, Any]
    source: DumpInput | KafkaInput
    sink: FilesOutput | KafkaOutput
    recovery: Recovery | None = None
    quarantined: list[Quarantine] = []
    processes: int = 1
    workers: int = 1
    code_version: str = ""
    hang_seconds: float = 30.0
    once: bool = False
    run: str = ""
    retired: list[Retired] = []
    shadow: Shadow | None = None

    def parsed(self) -> Configuration:
        """The configuration as its model; raises ConfigurationError with every fault."""
        return parse_configuration(self.configuration, "flow settings")

    def metrics_address(self) -> str | None:
        """``runtime.metrics_address`` of the configuration."""
        address: str | None = self.configuration.get("runtime", {}).get("metrics_address")
        return address


def write_settings(settings: FlowSettings, path: Path) -> None:
    """Writes settings as one JSON document."""
    path.write_bytes(msgspec.json.encode(settings))


def read_settings(path: Path) -> FlowSettings:
    """Reads what :func:`write_settings` wrote; raises msgspec.ValidationError for anything else."""
    return msgspec.json.decode(path.read_bytes(), type=FlowSettings)
