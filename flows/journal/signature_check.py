"""Are decisions signed, by the key that was in force? Tells unsigned, wrong key and bad signature apart (spec 11)."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, replace

from flows.journal.findings import Finding, Verdict
from flows.journal.keys import HmacKey, KeyRing
from flows.journal.line import JournalLine
from flows.journal.signing import handover_of, signature_of, unsigned_envelope

#: A fault of a line: its verdict and what is wrong.
Fault = tuple[Verdict, str]


@dataclass(slots=True)
class _Tried:
    good: int = 0
    bad: int = 0


class SignatureCheck:
    """Takes intact lines in file order; each portfolio has a key in force of its own.

    Args:
        keys: HMAC keys; without any, signatures are counted and key changes looked at, but nothing is verified.
        required: an unsigned decision is a fault.
        partial: the journal may begin within a chain, under any key.
    """

    def __init__(self, keys: KeyRing, *, required: bool, partial: bool = False) -> None:
        self.signed = 0
        self.unsigned = 0
        self.verified = 0
        #: key ids by portfolio in the order of their use, with the first sequence of each
        self.used: dict[str, list[tuple[int, str | None]]] = {}
        self._keys = keys
        self._required = required
        self._partial = partial
        self._tried: dict[str, _Tried] = {}

    def begin(self, portfolio: str, sequence: int, key_id: str | None) -> None:
        """The key in force after ``sequence`` is known from elsewhere."""
        self.used[portfolio] = [(sequence, key_id)]

    def check(self, line: JournalLine) -> Fault | None:
        """What is wrong with a line's signature; None when nothing is."""
        envelope = line.envelope
        used = self.used.setdefault(line.portfolio, [])
        before = used[-1][1] if used else None
        first = not used
        if first or envelope.key_id != before:
            used.append((line.sequence, envelope.key_id))
        if envelope.key_id is None or envelope.signature is None:
            return self._unsigned(line, None if first else before)
        self.signed += 1
        fault = self._key_change(line, before, first) or self._in_force(line)
        return fault or self._signature(line, envelope.key_id, envelope.signature)

    def settle(self, findings: Iterable[Finding]) -> list[Finding]:
        """Findings with what only the whole journal tells: a key that verifies nothing at all is the wrong one."""
        return [self._settled(finding) for finding in findings]

    def _settled(self, finding: Finding) -> Finding:
        tried = self._tried.get(finding.key_id)
        if finding.verdict is not Verdict.BAD_SIGNATURE or tried is None or tried.good:
            return finding
        text = f"{finding.text}; no decision under {finding.key_id!r} fits: its secret here is another one"
        return replace(finding, verdict=Verdict.WRONG_KEY, text=text)

    def _unsigned(self, line: JournalLine, before: str | None) -> Fault | None:
        self.unsigned += 1
        envelope = line.envelope
        if envelope.key_id is not None:
            return Verdict.UNSIGNED, f"it names key {envelope.key_id!r} and has no signature"
        if envelope.signature is not None:
            return Verdict.WRONG_KEY, "it has a signature and names no key"
        if before is not None:
            return Verdict.UNSIGNED, f"it has no signature, while those before are signed with {before!r}"
        return (Verdict.UNSIGNED, "it has no signature") if self._required else None

    def _key_change(self, line: JournalLine, before: str | None, first: bool) -> Fault | None:
        """A new key must be announced, and by the old one's holder where there was one."""
        envelope, change = line.envelope, line.envelope.key_change
        key_id = envelope.key_id or ""
        if change is None:
            if first or envelope.key_id == before:
                return None
            return Verdict.WRONG_KEY, f"the key is {key_id!r} instead of {before!r}, and no key change says so"
        if not first and change.previous_key_id != before:
            return (
                Verdict.WRONG_KEY,
                f"it changes the key from {change.previous_key_id!r}, while {before!r} is in force",
            )
        if first and not self._partial and line.sequence == 1:
            return Verdict.WRONG_KEY, "a key change in a chain's first decision"
        if change.previous_key_id is None:
            return None
        previous = self._keys.hmac_key(change.previous_key_id)
        if previous is None:
            if self._keys.hmac and not first:
                return Verdict.WRONG_KEY, f"key {change.previous_key_id!r}, which hands over, is not in the key file"
            return None
        wanted = handover_of(previous, line.portfolio, line.sequence, line.hash, key_id)
        if change.handover is None or not _same(change.handover, wanted):
            text = f"the key changes from {change.previous_key_id!r} to {key_id!r} without a handover by the former"
            return Verdict.WRONG_KEY, text
        return None

    def _in_force(self, line: JournalLine) -> Fault | None:
        key = self._keys.hmac_key(line.envelope.key_id)
        if key is not None and key.since is not None and line.cycle < key.since:
            return Verdict.WRONG_KEY, f"key {key.id!r} is in force from {key.since} on, the cycle is {line.cycle}"
        return None

    def _signature(self, line: JournalLine, key_id: str, signature: str) -> Fault | None:
        if not self._keys.hmac:
            return None
        content = unsigned_envelope(line.envelope_raw)
        key = self._keys.hmac_key(key_id)
        if key is not None and _fits(key, line, content, signature):
            self.verified += 1
            self._tried.setdefault(key_id, _Tried()).good += 1
            return None
        if key is None:
            return Verdict.WRONG_KEY, f"it is signed with key {key_id!r}, which is not in the key file"
        self._tried.setdefault(key_id, _Tried()).bad += 1
        other = next((k for k in self._keys.hmac if k is not key and _fits(k, line, content, signature)), None)
        if other is not None:
            return Verdict.WRONG_KEY, f"it says key {key_id!r}, and is signed with {other.id!r}"
        text = f"the signature is not that of key {key_id!r} over this hash and envelope"
        return Verdict.BAD_SIGNATURE, text


def _fits(key: HmacKey, line: JournalLine, content: bytes, signature: str) -> bool:
    return _same(signature_of(key, line.hash, content), signature)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
