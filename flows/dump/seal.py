"""``weir seal``: ends a dump with ClockTicks, so that a replay closes its last cycles (design, "Punctuation")."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
from msgspec import Struct

from flows.dump.importer import clock_tick
from flows.dump.intervals import NS
from flows.dump.layout import Dump
from flows.dump.manifest import Manifest
from flows.dump.records import Records
from flows.dump.writer import DumpWriter, Form
from flows.errors import InvalidInput
from operators.frames import BEGINNING

#: An event time further ahead of its record timestamp than this is a wrong clock (design, "Bad clocks").
MAX_FUTURE_SECONDS = 60


class _Timed(Struct):
    ts: int


_DECODE = msgspec.json.Decoder(_Timed).decode


def seal(
    dump_in: Dump,
    dump_out: Path,
    *,
    cycle_seconds: int | None = None,
    max_future_seconds: int = MAX_FUTURE_SECONDS,
    form: Form = "parquet",
) -> int:
    """Copies a dump and ends every partition of every topic with a ClockTick; returns its event time in ns.

    The tick's time is the largest event time of all partitions, rounded up to the cycle border where the cycle is known
    (from ``cycle_seconds`` or the manifest). Messages that cannot be read or whose clock is wrong do not count. Raises
    InvalidInput when the dump is sealed already, or holds no message with an event time.
    """
    if dump_in.manifest.sealed:
        raise InvalidInput(f"{dump_in.folder} is sealed already")
    cycle = cycle_seconds or dump_in.manifest.cycle_seconds
    old = dump_in.manifest
    manifest = Manifest(
        cycle_seconds=cycle, interval=old.interval, partitioner=old.partitioner, source=old.source, sealed=True
    )
    if dump_out.exists() and (not dump_out.is_dir() or any(dump_out.iterdir())):
        raise InvalidInput(f"{dump_out} is not empty; a dump is written to a new folder")
    unfinished = dump_out.with_name(dump_out.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    names = {role: topic.topic for role, topic in old.topics.items()}
    writer = DumpWriter(unfinished, manifest, form=form, topics=names)
    latest = BEGINNING
    for role in dump_in.roles:
        for partition in range(len(dump_in.partitions(role))):
            for records in dump_in.read(role, partition):
                latest = max(latest, latest_event(records, max_future_seconds * NS))
                writer.append(role, partition, records)
    if latest == BEGINNING:
        raise InvalidInput(f"{dump_in.folder}: not one message with an event time (ts); there is nothing to seal")
    sealed_at = latest if cycle is None else -(-latest // (cycle * NS)) * cycle * NS
    for role in dump_in.roles:
        for partition, info in enumerate(dump_in.partitions(role)):
            tick = Records.of([info.next_offset], [sealed_at], [clock_tick(sealed_at)])
            writer.append(role, partition, tick)
    writer.close(dump_in.instruments() or None)
    if dump_out.exists():
        dump_out.rmdir()
    unfinished.rename(dump_out)
    return sealed_at


def latest_event(records: Records, max_future: int) -> int:
    """Largest event time (ns) of messages at most ``max_future`` ns ahead of their record; BEGINNING without any."""
    latest = BEGINNING
    for payload, recorded in zip(records.payloads, records.timestamps.tolist(), strict=True):
        if payload is None:
            continue
        try:
            ts = _DECODE(payload).ts
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if latest < ts <= recorded + max_future:
            latest = ts
    return latest


#: The name under which record and publish know it.
_latest_event = latest_event
