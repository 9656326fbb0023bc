"""1,000 random single corruptions of signed journals: all are found where they are; clean ones are never accused.

The journals have keys that rotate within a file and several portfolios in one file.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from flows.dump.decision_lines import decision_line
from flows.journal.anchors import Anchor
from flows.journal.findings import Finding, Verdict
from flows.journal.keys import HmacKey, KeyRing
from flows.journal.line import JournalLine, parse_line
from flows.journal.segment import is_footer
from flows.journal.signing import Signer
from flows.journal.verify import Demands, Outcome, Verification, verify
from schemas.canonical import canonical_json, sha256_hex
from tests.signed_journals import ring, secret, segments, signed_chain

CYCLES = 40  # hours: two UTC days, so two segments
KEYS = ring(13, 31)
STRICT = Demands(signatures=True, footers=True)
FEW = [("main",), ("main", "hedge"), ("alpha", "beta", "main")]
Place = tuple[str, int]


@dataclass(frozen=True)
class Original:
    """A clean journal: one file of two segments, its lines, where each decision stands, and anchored heads."""

    lines: list[bytes]
    anchors: list[Anchor]

    def decision(self, at: int) -> JournalLine | None:
        """The decision in a line, None for a footer."""
        return None if is_footer(self.lines[at]) else parse_line(self.lines[at])

    def place(self, at: int) -> Place | None:
        """(portfolio, sequence) of a line; None for a footer."""
        line = self.decision(at)
        return None if line is None else (line.portfolio, line.sequence)


def original(folder: Path, portfolios: tuple[str, ...], seed: int) -> Original:
    chain = signed_chain(KEYS, CYCLES, portfolios, seed)
    files = sorted(segments(folder, KEYS, chain).glob("journal-*"))
    lines = [line for file in files for line in file.read_bytes().splitlines()]
    heads = {line.portfolio: line for line in map(parse_line, chain.lines)}
    anchors = [Anchor(cycle=h.cycle, hash=h.hash, portfolio=h.portfolio, sequence=h.sequence) for h in heads.values()]
    return Original(lines, anchors)


def read(folder: Path, content: bytes, anchors: list[Anchor] | None = None) -> Verification:
    path = folder / "journal.jsonl"
    path.write_bytes(content)
    return verify(path, keys=KEYS, demands=STRICT, anchors=anchors or [])


def joined(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


# ---------------------------------------------------------------- corruptions: (bytes, the first bad place or None)
Corruption = Callable[[Original, random.Random], tuple[bytes, Place | None]]


def pick(journal: Original, chance: random.Random) -> int:
    """A line that holds a decision."""
    while True:
        at = chance.randrange(len(journal.lines))
        if journal.place(at) is not None:
            return at


def flip_byte(journal: Original, chance: random.Random) -> tuple[bytes, Place | None]:
    """Any byte of the file, line ends and footers too."""
    content = bytearray(joined(journal.lines))
    at = chance.randrange(len(content))
    line = bytes(content[:at]).count(b"\n")
    content[at] ^= chance.randint(1, 255)
    return bytes(content), journal.place(line)


def drop_line(journal: Original, chance: random.Random) -> tuple[bytes, Place | None]:
    at = chance.randrange(len(journal.lines))
    return joined(journal.lines[:at] + journal.lines[at + 1 :]), journal.place(at)


def swap_lines(journal: Original, chance: random.Random) -> tuple[bytes, Place | None]:
    one, other = sorted(chance.sample(range(len(journal.lines)), 2))
    lines = list(journal.lines)
    lines[one], lines[other] = lines[other], lines[one]
    return joined(lines), journal.place(one) if journal.place(other) is not None else None


def swap_neighbours(journal: Original, chance: random.Random) -> tuple[bytes, Place | None]:
    at = chance.randrange(len(journal.lines) - 1)
    lines = list(journal.lines)
    lines[at], lines[at + 1] = lines[at + 1], lines[at]
    return joined(lines), journal.place(at) if journal.place(at + 1) is not None else None


def duplicate_line(journal: Original, chance: random.Random) -> tuple[bytes, Place | None]:
    """A line is put a second time to any place, before or after itself."""
    at, to = pick(journal, chance), chance.randrange(len(journal.lines))
    return joined([*journal.lines[:to], journal.lines[at], *journal.lines[to:]]), journal.place(at)


def sign_with_wrong_key(journal: Original, chance: random.Random) -> tuple[bytes, Place | None]:
    """Under its own name, or as the key that was in force."""
    at = pick(journal, chance)
    line = parse_line(journal.lines[at])
    name = chance.choice(["k0", "k1", "k2", "stranger", line.envelope.key_id or ""])
    signer = Signer(KeyRing((HmacKey(name, secret("stranger")),)), line.envelope.code_version)
    envelope = signer(line.portfolio, line.sequence, line.hash, line.cycle, name)
    return replaced(journal, at, decision_line(line.raw, line.hash, canonical_json(envelope))[:-1]), journal.place(at)


def sign_with_key_out_of_turn(journal: Original, chance: random.Random) -> tuple[bytes, Place | None]:
    """A known key that was not in force there."""
    at = pick(journal, chance)
    line = parse_line(journal.lines[at])
    name = chance.choice([key for key in ("k0", "k1", "k2") if key != line.envelope.key_id])
    signer = Signer(KeyRing((HmacKey(name, secret(name)),)), line.envelope.code_version)
    envelope = signer(line.portfolio, line.sequence, line.hash, line.cycle, name)
    return replaced(journal, at, decision_line(line.raw, line.hash, canonical_json(envelope))[:-1]), journal.place(at)


def edit_body_without_key(journal: Original, chance: random.Random) -> tuple[bytes, Place | None]:
    """Somebody changes a figure and hashes the body anew, but cannot sign it."""
    at = pick(journal, chance)
    line = parse_line(journal.lines[at])
    body = canonical_json(msgspec.structs.replace(line.body(), equity=chance.uniform(1.0, 2e6)))
    digest = sha256_hex(body)
    return replaced(journal, at, decision_line(body, digest, line.envelope_raw)[:-1]), journal.place(at)


def strip_signature(journal: Original, chance: random.Random) -> tuple[bytes, Place | None]:
    at = pick(journal, chance)
    line = parse_line(journal.lines[at])
    envelope = canonical_json({"code_version": line.envelope.code_version})
    return replaced(journal, at, decision_line(line.raw, line.hash, envelope)[:-1]), journal.place(at)


def add_to_envelope(journal: Original, chance: random.Random) -> tuple[bytes, Place | None]:
    """A field that nobody signed."""
    at = pick(journal, chance)
    line = parse_line(journal.lines[at])
    envelope = line.envelope_raw[:-1] + b',"approved_by":"nobody"}'
    return replaced(journal, at, decision_line(line.raw, line.hash, envelope)[:-1]), journal.place(at)


def replaced(journal: Original, at: int, line: bytes) -> bytes:
    return joined([*journal.lines[:at], line, *journal.lines[at + 1 :]])


#: How often each is tried, and what may be said of it. A flip may hit a key id, which then says another thing.
CORRUPTIONS: list[tuple[Corruption, int, set[Verdict]]] = [
    (flip_byte, 400, {Verdict.FLIPPED, Verdict.BAD_SIGNATURE, Verdict.WRONG_KEY, Verdict.UNSIGNED}),
    (drop_line, 80, {Verdict.DROPPED}),
    (swap_lines, 80, {Verdict.REORDERED, Verdict.DROPPED}),
    (swap_neighbours, 60, {Verdict.REORDERED, Verdict.DROPPED}),
    (duplicate_line, 80, {Verdict.REPEATED}),
    (sign_with_wrong_key, 60, {Verdict.WRONG_KEY, Verdict.BAD_SIGNATURE}),
    (sign_with_key_out_of_turn, 40, {Verdict.WRONG_KEY}),
    (edit_body_without_key, 60, {Verdict.BAD_SIGNATURE}),
    (strip_signature, 20, {Verdict.UNSIGNED}),
    (add_to_envelope, 20, {Verdict.BAD_SIGNATURE}),
]
TRUNCATIONS = 100


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory) -> list[Original]:
    return [original(tmp_path_factory.mktemp("clean"), portfolios, 7 * n) for n, portfolios in enumerate(FEW)]


def test_a_thousand_corruptions_are_counted() -> None:
    assert sum(count for _, count, _ in CORRUPTIONS) + TRUNCATIONS == 1_000


@pytest.mark.parametrize(
    ("corrupt", "count", "verdicts"), CORRUPTIONS, ids=lambda value: getattr(value, "__name__", "")
)
def test_every_corruption_is_found_at_its_sequence(
    journals: list[Original], tmp_path: Path, corrupt: Corruption, count: int, verdicts: set[Verdict]
) -> None:
    for number in range(count):
        journal = journals[number % len(journals)]
        content, place = corrupt(journal, random.Random(number))
        result = read(tmp_path, content)
        assert result.outcome is Outcome.BROKEN, f"corruption {number} was not found"
        if place is not None:
            said = {finding.verdict for finding in result.findings if (finding.portfolio, finding.sequence) == place}
            assert said, f"corruption {number}: {place} is not in {result.findings}"
            assert said <= verdicts, f"corruption {number}: {result.findings}"


def test_every_truncation_is_found_at_its_sequence(journals: list[Original], tmp_path: Path) -> None:
    """Cut at any byte. With heads that were anchored elsewhere, the first missing decision of each chain is named."""
    for number in range(TRUNCATIONS):
        journal = journals[number % len(journals)]
        content = joined(journal.lines)
        at = random.Random(number).randrange(1, len(content))
        result = read(tmp_path, content[:at], journal.anchors)
        assert result.outcome in (Outcome.BROKEN, Outcome.UNUSABLE)
        whole = content[:at].count(b"\n")
        left = [place for n in range(whole, len(journal.lines)) if (place := journal.place(n)) is not None]
        missing = {name: min(s for p, s in left if p == name) for name, _ in left}
        assert set(missing.items()) <= places(result.findings), f"cut {number} at {at}"
        assert result.findings


def places(findings: list[Finding]) -> set[tuple[str, int | None]]:
    return {(finding.portfolio, finding.sequence) for finding in findings}


@pytest.mark.parametrize("seed", range(40))
def test_a_clean_journal_is_never_accused(tmp_path: Path, seed: int) -> None:
    """One to five portfolios, no to three key changes within a file, plain, .gz or .zst, whole or without its end."""
    chance = random.Random(seed)
    names = tuple(f"p{n}" for n in range(chance.randint(1, 5)))
    keys = ring(*sorted(chance.sample(range(2, 50), chance.randint(0, 3))))
    chain = signed_chain(keys, chance.randint(1, 60), names, seed)
    compression = chance.choice(["", ".gz", ".zst"])
    folder = segments(tmp_path / "segments", keys, chain, compression)
    result = verify(folder, keys=keys, demands=STRICT)
    assert (result.outcome, result.findings) == (Outcome.OK, [])
    assert result.verified == result.decisions == len(chain.lines)
    assert {head: h.sequence for head, h in result.heads.items()} == dict.fromkeys(
        names, len(chain.lines) // len(names)
    )
    plain = chain.write(tmp_path / "run")
    found = verify(plain, keys=keys, demands=Demands(signatures=True))
    assert (found.outcome, found.findings) == (Outcome.OK, [])
