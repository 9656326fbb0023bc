"""``dump.json`` and ``instruments.json``: what a dump says of itself."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct, field

from flows.errors import MalformedDump
from schemas.partitioning import Partitioner

FORMAT = 1
MANIFEST = "dump.json"
INSTRUMENTS = "instruments.json"


class PartitionInfo(Struct, kw_only=True):
    """One partition file.

    Attributes:
        file: path relative to the dump's folder.
        records: how many records it holds.
        first_offset: log position at which it begins; next_offset: the one after its end.
        min_ts: smallest record timestamp in ns (0 when empty); max_ts: the largest.
        stride: every how many records ``passed`` was sampled.
        passed: largest record timestamp among the first ``stride``, ``2 * stride``, ... records: where slabs are cut.
    """

    file: str
    records: int = 0
    first_offset: int = 0
    next_offset: int = 0
    min_ts: int = 0
    max_ts: int = 0
    stride: int = 1
    passed: list[int] = field(default_factory=list)


class TopicInfo(Struct, kw_only=True):
    """One topic of a dump: its broker name and its partitions, in order."""

    topic: str
    partitions: list[PartitionInfo]


class Manifest(Struct, kw_only=True):
    """What ``dump.json`` holds.

    Attributes:
        format: version of the layout.
        cycle_seconds: the cycle that the recorded flow ran with, or that the data suggests; None: unknown.
        interval: bar interval such as "1h"; None: unknown or several.
        partitioner: rule by which symbols were placed; None: unknown.
        source: where the data is from, for people.
        sealed: every partition ends with a ClockTick at the dump's last event time.
        topics: by role.
        fingerprint: of the foreign files that this dump was split from, else empty.
    """

    format: int = FORMAT
    cycle_seconds: int | None = None
    interval: str | None = None
    partitioner: Partitioner | None = "murmur2"
    source: str = ""
    sealed: bool = False
    topics: dict[str, TopicInfo] = field(default_factory=dict)
    fingerprint: str = ""


class Instrument(Struct, kw_only=True):
    """What is known of a symbol from its first bars alone.

    Attributes:
        tick: price step; lot: size step; both in the instrument's own units.
        interval: bar interval.
        listed_from: event time (close, ns) of the first bar.
        participation: False where the data has no volume, so that no guard may count on one.
        currency: quote asset as guessed from the symbol.
        venue: None: unknown.
    """

    symbol: str
    tick: float
    lot: float
    interval: str
    listed_from: int
    participation: bool
    currency: str
    venue: str | None = None


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a dump in normal layout; raises MalformedDump when it is not one of this format."""
    path = folder / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedDump(f"{path}: {error}; make the dump anew") from error
    if manifest.format != FORMAT:
        raise MalformedDump(f"{path}: format {manifest.format} is unknown, this version reads {FORMAT}")
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes ``dump.json``; written last, it marks a dump as whole."""
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest) + b"\n")


def read_instruments(folder: Path) -> list[Instrument]:
    """The dump's instruments, sorted by symbol; empty when it has no ``instruments.json``."""
    path = folder / INSTRUMENTS
    if not path.exists():
        return []
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Instrument])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedDump(f"{path}: {error}") from error


def write_instruments(folder: Path, instruments: list[Instrument]) -> None:
    """Writes ``instruments.json``, sorted by symbol."""
    ordered = sorted(instruments, key=lambda instrument: instrument.symbol)
    (folder / INSTRUMENTS).write_bytes(msgspec.json.format(msgspec.json.encode(ordered), indent=1) + b"\n")
