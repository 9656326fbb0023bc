"""Files hold every decision and order exactly once, whatever byte a crash stopped at."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
import zstandard
from bytewax import operators as op
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSource

from flows.dump.dead_letter_sink import FileDeadLetterSink, dead_letter_key
from flows.dump.decision_lines import decision_line, envelope_json, split_line
from flows.dump.file_sink import FileDecisionSink, SinkState, part_folder
from flows.dump.finish import finish
from flows.errors import DivergedFromLog, InvalidInput, SnapshotIncompatible
from operators.frames import DeadLetterRow, DeadLetters, OutputBlock
from tests.flows.dump.samples import run_flow

ENVELOPE = {"code_version": "1", "key_id": None}


def block(first: int, count: int, portfolio: str = "p", salt: str = "") -> OutputBlock:
    """Decisions ``first`` to ``first + count - 1``; number n has n % 3 orders."""
    bodies = [json.dumps({"sequence": n, "salt": salt}).encode() for n in range(first, first + count)]
    places = [i for i in range(count) for _ in range((first + i) % 3)]
    return OutputBlock(
        portfolio=portfolio,
        counter=first,
        to_cycle=first + count,
        first_sequence=first,
        cycles=list(range(first, first + count)),
        bodies=bodies,
        hashes=[hashlib.sha256(body).hexdigest() for body in bodies],
        orders=[b'{"order":"%d.%d%s"}' % (first + at, number, salt.encode()) for number, at in enumerate(places)],
        order_decisions=places,
    )


#: Three epochs; orders are numbered within their block, so the cut into blocks is part of the input here.
EPOCHS = [[block(1, 3)], [block(4, 2), block(6, 1)], [block(7, 3)]]


def sink(out: Path, recovery: bool = True) -> FileDecisionSink:
    """A sink of one portfolio."""
    return FileDecisionSink(out, ["p"], ENVELOPE, recovery=recovery)


def write(out: Path, epochs: list[list[OutputBlock]], state: SinkState | None = None) -> list[SinkState]:
    """Writes epochs and gives the snapshot after each."""
    part = sink(out).build_part("out", "p", state)
    snapshots: list[SinkState] = []
    for epoch in epochs:
        part.write_batch(epoch)
        snapshots.append(part.snapshot())
    part.close()
    return snapshots


def content(out: Path) -> dict[str, bytes]:
    """Both files of the portfolio."""
    folder = part_folder(out, "p")
    return {name: (folder / f"{name}.jsonl").read_bytes() for name in ("decisions", "orders")}


def truncate(out: Path, name: str, size: int) -> None:
    """What a crash leaves when it stops a write at ``size`` bytes."""
    os.truncate(part_folder(out, "p") / f"{name}.jsonl", size)


def test_a_line_holds_body_hash_and_envelope(tmp_path: Path) -> None:
    write(tmp_path, EPOCHS)
    lines = content(tmp_path)["decisions"].splitlines()
    assert [json.loads(line)["body"]["sequence"] for line in lines] == list(range(1, 10))
    body, digest = split_line(lines[4])
    assert body == block(4, 2).bodies[1]
    assert digest == hashlib.sha256(body).hexdigest() == json.loads(lines[4])["hash"]
    assert json.loads(lines[4])["envelope"] == ENVELOPE


def test_a_resume_repeats_nothing_at_whatever_byte_the_crash_came(tmp_path: Path) -> None:
    snapshots = write(tmp_path, EPOCHS)
    whole = content(tmp_path)
    known = snapshots[0]
    for size in range(known["decisions_end"], len(whole["decisions"]) + 1):
        truncate(tmp_path, "decisions", size)
        # Orders come after their decisions are durable: those of undurable decisions cannot be there.
        truncate(tmp_path, "orders", known["orders_end"])
        write(tmp_path, EPOCHS[1:], known)
        assert content(tmp_path) == whole
    for size in range(known["orders_end"], len(whole["orders"]) + 1):
        truncate(tmp_path, "orders", size)
        write(tmp_path, EPOCHS[1:], known)
        assert content(tmp_path) == whole


def test_without_a_snapshot_all_that_is_there_is_compared(tmp_path: Path) -> None:
    write(tmp_path, EPOCHS)
    whole = content(tmp_path)
    truncate(tmp_path, "orders", len(whole["orders"]) - 3)
    write(tmp_path, EPOCHS)
    assert content(tmp_path) == whole


def test_a_snapshot_in_the_middle_of_what_is_repeated_stands_at_what_was_repeated(tmp_path: Path) -> None:
    first = write(tmp_path, EPOCHS)
    whole = content(tmp_path)
    again = write(tmp_path, EPOCHS)
    assert again == first
    write(tmp_path, EPOCHS[2:], again[1])
    assert content(tmp_path) == whole


def test_a_different_decision_ends_the_run(tmp_path: Path) -> None:
    snapshots = write(tmp_path, EPOCHS)
    with pytest.raises(DivergedFromLog, match="portfolio p: decision 4"):
        write(tmp_path, [[block(4, 2, salt="changed")]], snapshots[0])


def test_a_different_order_ends_the_run(tmp_path: Path) -> None:
    snapshots = write(tmp_path, EPOCHS)
    other = block(4, 2)
    other.orders[0] = b'{"order":"other"}'
    with pytest.raises(DivergedFromLog, match="order of decision 4"):
        write(tmp_path, [[other]], snapshots[0])


def test_a_changed_body_beyond_the_snapshot_is_found(tmp_path: Path) -> None:
    snapshots = write(tmp_path, EPOCHS)
    path = part_folder(tmp_path, "p") / "decisions.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"sequence": 7', b'"sequence": 9'))
    with pytest.raises(DivergedFromLog, match="the body of decision"):
        write(tmp_path, EPOCHS[2:], snapshots[1])


def test_a_file_shorter_than_the_snapshot_is_not_continued(tmp_path: Path) -> None:
    snapshots = write(tmp_path, EPOCHS)
    truncate(tmp_path, "decisions", 10)
    with pytest.raises(DivergedFromLog, match="ends at byte 0"):
        write(tmp_path, EPOCHS[2:], snapshots[1])


@pytest.mark.parametrize("first", [2, 8, 11])
def test_a_gap_or_repetition_in_the_sequence_ends_the_run(tmp_path: Path, first: int) -> None:
    part = sink(tmp_path).build_part("out", "p", None)
    if first != 2:
        part.write_batch([block(1, 9)])
    with pytest.raises(DivergedFromLog, match="no gaps"):
        part.write_batch([block(first, 2)])


def test_decisions_are_on_disk_before_an_order_is_visible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        files = content(tmp_path)
        seen.append((files["decisions"].count(b"\n"), files["orders"].count(b"\n")))

    part = sink(tmp_path).build_part("out", "p", None)
    monkeypatch.setattr("flows.dump.line_file.os.fsync", fsync)
    part.write_batch([block(1, 3)])
    part.write_batch([block(4, 3)])
    assert seen == [(3, 0), (6, 3)], "one a batch, before the batch's orders"


def test_without_recovery_nothing_is_forced_to_disk_and_files_are_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, EPOCHS)
    monkeypatch.setattr("flows.dump.line_file.os.fsync", lambda descriptor: pytest.fail("forced to disk"))
    part = sink(tmp_path, recovery=False).build_part("out", "p", None)
    part.write_batch([block(1, 3)])
    part.snapshot()
    assert content(tmp_path)["decisions"].count(b"\n") == 3


@pytest.mark.parametrize("change", [{"version": 99}, {"portfolio": "q"}])
def test_a_snapshot_that_does_not_fit_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    state = write(tmp_path, EPOCHS)[-1]
    with pytest.raises(SnapshotIncompatible, match="sink snapshot"):
        sink(tmp_path).build_part("out", "p", state | change)


def letters(partition: int, offsets: list[int], payload: bytes = b"bad") -> DeadLetters:
    """Dead letters of one market partition."""
    rows = [DeadLetterRow("market", partition, o, 5, "DECODE_INVALID", "why", payload) for o in offsets]
    return DeadLetters("market", partition, 0, rows)


def test_a_run_of_several_portfolios_is_merged_in_order(tmp_path: Path) -> None:
    flow = Dataflow("write")
    blocks = [("b/2", block(1, 2, "b/2")), ("a", block(1, 3, "a")), ("b/2", block(3, 2, "b/2"))]
    bad = [letters(10, [4]), letters(2, [7, 9], b"\xff")]
    op.output(
        "out",
        op.input("in", flow, TestingSource(blocks)),
        FileDecisionSink(tmp_path, ["b/2", "a"], ENVELOPE, recovery=False),
    )
    op.output(
        "bad",
        op.input("bad_in", flow, TestingSource([(dead_letter_key(one.topic, one.partition), one) for one in bad])),
        FileDeadLetterSink(tmp_path, [("market", p) for p in range(12)], recovery=False),
    )
    run_flow(flow)

    summary = finish(tmp_path, ["b/2", "a"], [("market", p) for p in range(12)])

    bodies = [*block(1, 3, "a").bodies, *block(1, 4, "b/2").bodies]
    lines = (tmp_path / "decisions.jsonl").read_bytes().splitlines()
    assert [split_line(line)[0] for line in lines] == bodies
    assert summary.decisions_sha256 == hashlib.sha256(b"".join(body + b"\n" for body in bodies)).hexdigest()
    assert summary.orders_sha256 == hashlib.sha256((tmp_path / "orders.jsonl").read_bytes()).hexdigest()
    assert (summary.decisions, summary.orders, summary.dead_letters) == (7, 7, 3)
    dead = [json.loads(line) for line in (tmp_path / "dead_letters.jsonl").read_bytes().splitlines()]
    assert [(row["partition"], row["offset"]) for row in dead] == [(2, 7), (2, 9), (10, 4)]
    assert (dead[0]["payload_base64"], dead[2]["payload"]) == ("/w==", "bad")

    compressed = finish(tmp_path, ["b/2", "a"], [], compressed=True)
    assert (compressed.decisions_sha256, compressed.orders_sha256) == (summary.decisions_sha256, summary.orders_sha256)
    assert not (tmp_path / "decisions.jsonl").exists()
    packed = (tmp_path / "decisions.jsonl.zst").read_bytes()
    with zstandard.ZstdDecompressor().stream_reader(packed) as reader:
        assert reader.read().splitlines() == lines


def test_a_run_that_wrote_nothing_has_empty_files(tmp_path: Path) -> None:
    summary = finish(tmp_path, ["p"], [("market", 0)])
    assert (summary.decisions, summary.orders, summary.dead_letters) == (0, 0, 0)
    assert (tmp_path / "orders.jsonl").read_bytes() == b""


def test_dead_letters_beyond_a_snapshot_are_written_again(tmp_path: Path) -> None:
    made = FileDeadLetterSink(tmp_path, [("market", 0)], recovery=True)
    key = dead_letter_key("market", 0)
    part = made.build_part("bad", key, None)
    part.write_batch([letters(0, [1])])
    state = part.snapshot()
    part.write_batch([letters(0, [2, 3])])
    part.close()
    os.truncate(tmp_path / "parts" / "dead_letters-market-00000.jsonl", state["end"] + 20)
    part = made.build_part("bad", key, state)
    part.write_batch([letters(0, [2, 3])])
    part.close()
    assert finish(tmp_path, ["p"], [("market", 0)]).dead_letters == 3
    with pytest.raises(SnapshotIncompatible, match="dead letter snapshot"):
        made.build_part("bad", key, state | {"version": 99})


def test_an_unknown_key_is_refused_and_not_sent_somewhere(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="not among"):
        sink(tmp_path).part_fn("q")
    with pytest.raises(InvalidInput, match="not among"):
        FileDeadLetterSink(tmp_path, [("market", 0)], recovery=False).part_fn("market-1")
    with pytest.raises(InvalidInput, match="each once"):
        FileDecisionSink(tmp_path, ["p", "p"], ENVELOPE, recovery=False)


def test_a_body_may_contain_what_looks_like_a_hash() -> None:
    body = b'{"a":",\\"hash\\":\\"x\\",\\"envelope\\":{}"}'
    line = decision_line(body, "0" * 64, envelope_json({"trace": '","envelope":'}))
    assert split_line(line.rstrip(b"\n")) == (body, "0" * 64)
    with pytest.raises(ValueError, match="not free"):
        envelope_json({"envelope": 1})
