"""Signed journals for tests: chains of :mod:`tests.decision_records` behind the real signer and the real export."""

from __future__ import annotations

from pathlib import Path

from flows.dump.decision_lines import decision_line
from flows.journal.export import ExportOptions, export
from flows.journal.keys import HmacKey, KeyRing, SealKey
from flows.journal.line import parse_line
from flows.journal.seals import public_part
from flows.journal.signing import EnvelopeOf, Signer
from schemas.canonical import canonical_json, sha256_hex
from tests.decision_records import HOUR, START, Chain, ChainBuilder

_PRIVATE = bytes(range(32))
SEAL = SealKey("seal-1", public_part(_PRIVATE), _PRIVATE)
#: What an auditor without HMAC secrets has.
AUDITOR = KeyRing(seals=(SealKey("seal-1", SEAL.public),))


def secret(name: str) -> bytes:
    """A key's secret, the same in every run."""
    return bytes.fromhex(sha256_hex(name.encode()))


def ring(*rotations: int) -> KeyRing:
    """Keys k0, k1, …, of which each takes over at the given hour after the chains' start."""
    keys = [HmacKey("k0", secret("k0"))]
    keys += [HmacKey(f"k{n}", secret(f"k{n}"), START + hour * HOUR) for n, hour in enumerate(rotations, 1)]
    return KeyRing(tuple(keys), (SEAL,))


def sign(lines: list[bytes], signer: EnvelopeOf) -> list[bytes]:
    """The same decisions with signed envelopes, as a sink writes them."""
    signed: list[bytes] = []
    used: dict[str, str | None] = {}
    for raw in lines:
        line = parse_line(raw)
        envelope = signer(line.portfolio, line.sequence, line.hash, line.cycle, used.get(line.portfolio))
        used[line.portfolio] = envelope.key_id
        signed.append(decision_line(line.raw, line.hash, canonical_json(envelope))[:-1])
    return signed


def signed_chain(keys: KeyRing, cycles: int, portfolios: tuple[str, ...] = ("main",), seed: int = 7) -> Chain:
    """Chains of several portfolios, interleaved, signed."""
    chain = Chain()
    builders = [ChainBuilder(name, seed + 4 * n) for n, name in enumerate(portfolios)]
    for _ in range(cycles):
        for builder in builders:
            builder.build(1, chain)
    return Chain(sign(chain.lines, Signer(keys, "test")), chain.orders)


def segments(folder: Path, keys: KeyRing, chain: Chain, compression: str = "") -> Path:
    """The chain as a folder of daily segments."""
    export(chain.lines, folder, keys, ExportOptions(compression=compression))
    return folder
