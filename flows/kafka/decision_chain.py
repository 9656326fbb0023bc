"""The value of a decision record, and the check that committed ones form one chain."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import msgspec

from flows.errors import DivergedFromLog
from flows.kafka.watermarks import Channel
from schemas.decision import GENESIS, Envelope


class _Written(msgspec.Struct, frozen=True):
    body: msgspec.Raw
    hash: str
    envelope: Envelope


class _Link(msgspec.Struct, frozen=True):
    """The fields of a body that chain it."""

    previous: str
    sequence: int


def decision_value(body: bytes, body_hash: str, envelope: Envelope) -> bytes:
    """One journal line without its line end: ``{"body":<body verbatim>,"hash":...,"envelope":{...}}``."""
    return msgspec.json.encode(_Written(msgspec.Raw(body), body_hash, envelope))


class ChainInspector:
    """Looks at committed records in log order: decisions must continue each other; returns digests.

    The digest of a decision is the SHA-256 of its body, since its envelope may differ between two runs of the same
    log; that of any other record is the SHA-256 of its value.

    Args:
        portfolio: whose records they are.
        decisions: where decisions lie; all other channels hold orders.
        last_hash: hash of the decision before the first one, None where there is none.
        first_sequence: sequence of a portfolio's very first decision.
        committed: told (sequence, key id of the signature or None) of each decision.
    """

    def __init__(
        self,
        portfolio: str,
        decisions: Channel,
        last_hash: str | None,
        first_sequence: int,
        committed: Callable[[int, str | None], None] = lambda _sequence, _key_id: None,
    ) -> None:
        self._portfolio = portfolio
        self._decisions = decisions
        self._previous = last_hash or GENESIS
        self._sequence = None if last_hash else first_sequence
        self._committed = committed

    def __call__(self, channel: Channel, offset: int, value: bytes) -> str:
        """Digest of the record.

        Raises:
            DivergedFromLog: a decision does not continue the one before, or is none.
        """
        if channel != self._decisions:
            return hashlib.sha256(value).hexdigest()
        where = f"portfolio {self._portfolio}: topic {channel.topic} partition {channel.partition} offset {offset}"
        try:
            written = msgspec.json.decode(value, type=_Written)
            link = msgspec.json.decode(written.body, type=_Link)
        except msgspec.DecodeError as error:
            raise DivergedFromLog(f"{where} is no decision ({error}); nothing else may write this key here") from error
        digest = hashlib.sha256(written.body).hexdigest()
        expected = link.sequence if self._sequence is None else self._sequence
        if (written.hash, link.previous, link.sequence) != (digest, self._previous, expected):
            raise DivergedFromLog(
                f"{where}: decision {link.sequence} (previous {link.previous}) does not continue the log, where "
                f"{expected} (previous {self._previous}) is expected; see what differs with: weir verify, weir diff"
            )
        self._previous, self._sequence = digest, link.sequence + 1
        self._committed(link.sequence, written.envelope.key_id)
        return digest
