"""Signatures are made at the edge: they change no decision, name their key, and mark where another one takes over."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from flows.dump.file_sink import FileDecisionSink, part_folder
from flows.errors import InvalidInput
from flows.journal.digest import decisions_sha256
from flows.journal.findings import Verdict
from flows.journal.keys import (
    HmacKey,
    KeyRing,
    auditor_document,
    keys_from_environment,
    load_keys,
    new_key_file,
)
from flows.journal.line import parse_line
from flows.journal.signing import Signer, envelopes, signature_of, unsigned_envelope
from flows.journal.verify import Demands, Outcome, verify
from operators.frames import OutputBlock
from tests.decision_records import Chain, ChainBuilder, two_portfolios
from tests.signed_journals import AUDITOR, ring, secret, segments, sign, signed_chain

SIGNED = Demands(signatures=True)
ONE = KeyRing((HmacKey("k0", secret("k0")),))
#: The key file after a rotation: both keys, the newer one last.
BOTH = KeyRing((HmacKey("k0", secret("k0")), HmacKey("k1", secret("k1"))))


def block(chain: Chain, first: int, count: int) -> OutputBlock:
    lines = [parse_line(raw) for raw in chain.lines[first - 1 : first - 1 + count]]
    return OutputBlock(
        portfolio="main", counter=first, to_cycle=lines[-1].cycle, first_sequence=first,
        cycles=[line.cycle for line in lines], bodies=[line.raw for line in lines],
        hashes=[line.hash for line in lines], orders=[], order_decisions=[],
    )  # fmt: skip


def written(out: Path, keys: KeyRing | None, *blocks: OutputBlock, recovery: bool = True) -> Path:
    """What a run with these keys appends; without a snapshot it repeats what is there and skips it."""
    sink = FileDecisionSink(
        out, ["main"], {"code_version": "1"}, recovery=recovery, signer=None if keys is None else Signer(keys, "1")
    )
    part = sink.build_part("decisions", "main", None)
    part.write_batch(list(blocks))
    part.close()
    return part_folder(out, "main") / "decisions.jsonl"


def test_signing_changes_no_decision(tmp_path: Path) -> None:
    chain = two_portfolios(20)
    plain, signed = chain.write(tmp_path / "plain"), Chain(sign(chain.lines, Signer(ONE, "test")))
    assert decisions_sha256(plain) == decisions_sha256(signed.write(tmp_path / "signed"))


def test_what_is_signed_can_be_made_with_a_hash_function_alone() -> None:
    """The documented construction, step by step, for whoever checks it without Weir."""
    line = json.loads(sign(ChainBuilder().build(1).lines, Signer(ONE, "test"))[0])
    envelope = {key: value for key, value in sorted(line["envelope"].items()) if key != "signature"}
    content = "\n".join(["weir-decision-v1", line["hash"], json.dumps(envelope, separators=(",", ":"))]).encode()
    key = secret("k0").ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in key) + content).digest()
    assert line["envelope"]["signature"] == hashlib.sha256(bytes(b ^ 0x5C for b in key) + inner).hexdigest()


def test_an_unsigned_run_is_recognisable(tmp_path: Path) -> None:
    run = two_portfolios(5).write(tmp_path)
    found = verify(run)
    assert (found.outcome, found.signed, found.unsigned) == (Outcome.OK, 0, 10)
    asked = verify(run, keys=ONE, demands=SIGNED)
    assert [(f.verdict, f.sequence) for f in asked.findings] == [(Verdict.UNSIGNED, 1), (Verdict.UNSIGNED, 1)]


def test_signed_decisions_need_a_key_to_be_believed(tmp_path: Path) -> None:
    run = signed_chain(ONE, 5).write(tmp_path)
    assert verify(run, demands=SIGNED).outcome is Outcome.UNUSABLE
    assert verify(run, keys=ONE, demands=SIGNED).verified == 5


def test_another_secret_under_the_same_name_is_the_wrong_key(tmp_path: Path) -> None:
    run = signed_chain(ONE, 5).write(tmp_path)
    found = verify(run, keys=KeyRing((HmacKey("k0", secret("other")),)), demands=SIGNED)
    assert [(f.verdict, f.sequence) for f in found.findings] == [(Verdict.WRONG_KEY, 1)]


def test_keys_rotate_by_event_time_within_a_file(tmp_path: Path) -> None:
    keys = ring(4, 9)
    found = verify(signed_chain(keys, 12).write(tmp_path), keys=keys, demands=SIGNED)
    assert found.outcome is Outcome.OK
    assert found.keys == {"main": [(1, "k0"), (4, "k1"), (9, "k2")]}


def test_a_restart_with_another_key_marks_the_first_decision_that_it_signs(tmp_path: Path) -> None:
    chain = ChainBuilder().build(10)
    path = written(tmp_path, ONE, block(chain, 1, 4))
    written(tmp_path, BOTH, block(chain, 1, 6), block(chain, 7, 4))
    lines = [parse_line(raw) for raw in path.read_bytes().splitlines()]
    assert [line.sequence for line in lines if line.envelope.key_change is not None] == [5]
    found = verify(path, keys=BOTH, demands=SIGNED)
    assert (found.outcome, found.keys) == (Outcome.OK, {"main": [(1, "k0"), (5, "k1")]})


def test_a_run_may_become_signed_and_says_from_where(tmp_path: Path) -> None:
    chain = ChainBuilder().build(10)
    written(tmp_path, None, block(chain, 1, 4))
    path = written(tmp_path, ONE, block(chain, 1, 10))
    found = verify(path, keys=ONE)
    assert (found.outcome, found.keys) == (Outcome.OK, {"main": [(1, None), (5, "k0")]})
    assert [f.sequence for f in verify(path, keys=ONE, demands=SIGNED).findings] == [1]


def test_signatures_that_end_are_a_fault(tmp_path: Path) -> None:
    chain = ChainBuilder().build(10)
    written(tmp_path, ONE, block(chain, 1, 4))
    found = verify(written(tmp_path, None, block(chain, 1, 10)), keys=ONE)
    assert [(f.verdict, f.sequence) for f in found.findings] == [(Verdict.UNSIGNED, 5)]


def test_a_known_key_cannot_take_over_without_the_former_one(tmp_path: Path) -> None:
    """Somebody with a retired key of the auditor's file signs from decision 5 on, and says so."""
    chain = ChainBuilder().build(10)
    written(tmp_path, ONE, block(chain, 1, 4))
    path = written(tmp_path, KeyRing((HmacKey("k1", secret("k1")),)), block(chain, 1, 10))
    found = verify(path, keys=BOTH, demands=SIGNED)
    assert [(f.verdict, f.sequence) for f in found.findings] == [(Verdict.WRONG_KEY, 5)]
    assert "handover" in found.findings[0].text


def test_a_signature_covers_the_envelope_and_the_hash() -> None:
    line = parse_line(sign(ChainBuilder().build(1).lines, Signer(ONE, "test"))[0])
    content = unsigned_envelope(line.envelope_raw)
    assert signature_of(ONE.hmac[0], line.hash, content) == line.envelope.signature
    assert signature_of(ONE.hmac[0], line.hash, content.replace(b"test", b"tess")) != line.envelope.signature
    assert signature_of(ONE.hmac[0], "0" * 64, content) != line.envelope.signature


def test_without_a_key_in_force_nothing_is_signed_silently() -> None:
    signer = Signer(KeyRing((HmacKey("late", secret("late"), 10),)), "1")
    with pytest.raises(InvalidInput, match="no journal key is in force at cycle 9"):
        signer("main", 1, "0" * 64, 9, None)


def test_no_hmac_key_means_unsigned_envelopes() -> None:
    assert envelopes(AUDITOR, "1")("main", 1, "0" * 64, 1, None).signature is None


# ---------------------------------------------------------------- keys
def test_a_new_key_file_is_its_owners_alone_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keys = new_key_file(path, "a", "b")
    assert path.stat().st_mode & 0o077 == 0
    assert load_keys(path) == keys
    with pytest.raises(InvalidInput, match="never overwritten"):
        new_key_file(path, "a", "b")


def test_an_auditor_gets_no_secret(tmp_path: Path) -> None:
    keys = new_key_file(tmp_path / "keys.json", "a", "b")
    document = auditor_document(keys)
    assert keys.hmac[0].secret.hex().encode() not in document
    assert (keys.seals[0].private or b"").hex().encode() not in document
    (tmp_path / "auditor.json").write_bytes(document)
    auditor = load_keys(tmp_path / "auditor.json")
    assert (auditor.sealing_key(), auditor.seals[0].public) == (None, keys.seals[0].public)


def test_keys_come_from_a_file_or_from_variables(tmp_path: Path) -> None:
    assert keys_from_environment({}) is None
    new_key_file(tmp_path / "keys.json", "a", "b")
    both = keys_from_environment(
        {"WEIR_JOURNAL_KEYS": str(tmp_path / "keys.json"), "WEIR_JOURNAL_KEY_ID": "c", "WEIR_JOURNAL_KEY": "ab" * 32}
    )
    assert both is not None
    assert [key.id for key in both.hmac] == ["a", "c"]
    assert "ab" * 32 not in repr(both)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"hmac": [{"id": "a", "secret": "xyz"}]}, "hmac key 'a': the secret is not hexadecimal"),
        ({"hmac": [{"id": "a", "secret": "abcd"}]}, "has 2 bytes, at least 32"),
        ({"hmac": [{"id": "a", "secret": "ab" * 32}] * 2}, "each key needs an id of its own"),
        ({"hmac": [{"id": "a", "secret": "ab" * 32, "from": "2026-01-01T00:00:00"}]}, "has no zone"),
        ({"hmac": [{"id": "a", "secret": "ab" * 32, "from": "soon"}]}, "is no ISO 8601 time"),
        ({"ed25519": [{"id": "a"}]}, "give either private or public"),
        ({"ed25519": [{"id": "a", "public": "ab" * 33}]}, "has 33 bytes, an Ed25519 key has 32"),
        ({"keys": []}, "unknown field"),
    ],
)
def test_a_bad_key_file_names_file_key_and_fix(tmp_path: Path, document: object, words: str) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(msgspec.json.encode(document))
    with pytest.raises(InvalidInput, match=r"keys\.json") as caught:
        load_keys(path)
    assert words in str(caught.value)


def test_half_a_key_in_the_environment_is_refused() -> None:
    with pytest.raises(InvalidInput, match="set both or none"):
        keys_from_environment({"WEIR_JOURNAL_KEY_ID": "a"})


# ---------------------------------------------------------------- alone
def test_verification_stands_alone(tmp_path: Path) -> None:
    """Neither Kafka nor ClickHouse nor the flow is loaded to verify (spec 11: offline)."""
    folder = segments(tmp_path / "segments", ring(5), signed_chain(ring(5), 30))
    script = (
        "import sys; from pathlib import Path; from flows.journal.verify import verify, Demands;"
        f"found = verify(Path({str(folder)!r}), demands=Demands(footers=True));"
        "foreign = {'confluent_kafka', 'clickhouse_connect', 'chdb', 'bytewax', 'numba', 'numpy', 'pyarrow'};"
        "print(found.outcome.value, sorted(foreign & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "ok []"
