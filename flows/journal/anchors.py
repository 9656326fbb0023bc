"""Anchors: chain heads written to a second place, so that nobody can cut off a journal's end or rewrite it unseen.

An anchor file has one line an anchor, ``{"anchor":{...},"key_id":...,"signature":...}``, signed by Ed25519 where there
is a private key. What makes it worth something is that it lies where the journal's owner cannot write.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from flows.journal.keys import KeyRing
from flows.journal.reader import JournalUnusable, TruncatedStream, raw_lines, read_decisions
from flows.journal.seals import is_signed, sign
from schemas.canonical import canonical_json

if TYPE_CHECKING:
    from schemas.configuration import Configuration

#: How long a topic may take to have an anchor.
DELIVERY_SECONDS: Final = 30.0
_PURPOSE: Final = b"weir-anchor-v1"


class Anchor(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A decision that is known to exist: ``hash`` is its body's, ``cycle`` UTC ns."""

    cycle: int
    hash: str
    portfolio: str
    sequence: int
    v: int = 1


class _Stamped(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    anchor: msgspec.Raw
    key_id: str | None = None
    signature: str | None = None


class _Stamp(Struct, frozen=True):
    anchor: msgspec.Raw
    key_id: str | None
    signature: str | None


def anchor_line(anchor: Anchor, keys: KeyRing) -> bytes:
    """An anchor's line without its newline; it is also what the value of a Kafka record holds."""
    raw, key = canonical_json(anchor), keys.sealing_key()
    if key is None:
        return canonical_json(_Stamp(msgspec.Raw(raw), None, None))
    return canonical_json(_Stamp(msgspec.Raw(raw), key.id, sign(key, _PURPOSE, raw)))


def append_anchors(path: Path, anchors: Sequence[Anchor], keys: KeyRing) -> int:
    """Appends the anchors that the file does not hold yet, durably; returns how many.

    Raises:
        JournalUnusable: the file holds something else, or another hash for a sequence of these.
    """
    known = {(a.portfolio, a.sequence): a.hash for a in read_anchors(path, keys)} if path.exists() else {}
    new: list[Anchor] = []
    for anchor in anchors:
        found = known.get((anchor.portfolio, anchor.sequence))
        if found not in (None, anchor.hash):
            raise JournalUnusable(
                f"{path}: decision {anchor.sequence} of portfolio {anchor.portfolio} is anchored with hash {found}, the"
                f" journal has {anchor.hash}: it was rewritten, or belongs to another run"
            )
        if found is None:
            new.append(anchor)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(b"".join(anchor_line(anchor, keys) + b"\n" for anchor in new))
        file.flush()
        os.fsync(file.fileno())
    return len(new)


def head_anchors(journal: Path) -> list[Anchor]:
    """The last decision of each portfolio; raises as :func:`flows.journal.reader.read_decisions`."""
    heads: dict[str, Anchor] = {}
    for line in read_decisions(journal):
        heads[line.portfolio] = Anchor(
            cycle=line.cycle, hash=line.hash, portfolio=line.portfolio, sequence=line.sequence
        )
    return [head for _, head in sorted(heads.items())]


def publish_anchors(configuration: Configuration, topic: str, anchors: Sequence[Anchor], keys: KeyRing) -> int:
    """Writes anchors to a Kafka topic, keyed by portfolio, durably; returns how many.

    Raises:
        Unavailable: a record could not be delivered.
    """
    from confluent_kafka import KafkaError, Message, Producer

    from flows.exit_codes import Unavailable
    from flows.kafka.settings import producer_config
    from flows.topics import client_settings

    failed: list[str] = []

    def on_delivery(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            failed.append(error.str())

    producer = Producer(producer_config(client_settings(configuration)))
    for anchor in anchors:
        producer.produce(topic, anchor_line(anchor, keys), anchor.portfolio.encode(), on_delivery=on_delivery)
    left = producer.flush(DELIVERY_SECONDS)
    if failed or left:
        raise Unavailable(f"topic {topic}: {failed[0] if failed else f'{left} anchors not delivered'}")
    return len(anchors)


def read_anchors(path: Path, keys: KeyRing) -> list[Anchor]:
    """The anchors of a file; where public keys are known, each must be signed by one.

    Raises:
        JournalUnusable: a line is no anchor, or its signature is not that of a known key; names file and line.
    """
    anchors: list[Anchor] = []
    try:
        for number, line in enumerate(raw_lines(path), 1):
            anchors.append(parse_anchor(line, keys, f"{path} line {number}"))
    except TruncatedStream as error:
        raise JournalUnusable(f"{error}; an anchor file ends with a whole line") from None
    return anchors


def parse_anchor(line: bytes, keys: KeyRing, where: str) -> Anchor:
    """One anchor; ``where`` is what errors call it; raises :class:`JournalUnusable` as :func:`read_anchors`."""
    try:
        stamped = msgspec.json.decode(line, type=_Stamped)
        raw = bytes(stamped.anchor)
        anchor = msgspec.json.decode(raw, type=Anchor)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise JournalUnusable(f"{where} is no anchor: {error}") from None
    if keys.seals:
        key = keys.seal(stamped.key_id)
        if key is None or stamped.signature is None:
            raise JournalUnusable(f"{where}: signed by {stamped.key_id!r}, which is not in the key file")
        if not is_signed(key, _PURPOSE, raw, stamped.signature):
            raise JournalUnusable(f"{where}: the signature is not that of key {stamped.key_id!r}")
    return anchor
