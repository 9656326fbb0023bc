"""What is written to a dump comes back; what is no dump is refused by file and line."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.dump.envelope import decode_line, encode_lines, headers_of, key_of, payload_of, records_of, timestamp_ns
from flows.dump.layout import open_dump
from flows.dump.manifest import Manifest
from flows.dump.records import Records
from flows.dump.writer import ROW_GROUP, DumpWriter, Form
from flows.errors import InvalidInput, MalformedDump
from tests.flows.dump.samples import AWKWARD, FORMS, any_records, counted, plain, read_all, write_dump

#: As kcat 1.7 prints two records: one with headers, one tombstone without a key.
KCAT = (
    b'{"topic":"bars","partition":1,"offset":7,"tstype":"create","ts":1700000000123,"broker":1,'
    b'"headers":["trace","x","trace","y"],"key":"BTCUSDT","payload":"{\\"ts\\":1}"}\n'
    b'{"topic":"bars","partition":1,"offset":8,"tstype":"create","ts":1700000000124,"broker":1,"key":null,"payload":null}\n'
)


@pytest.mark.parametrize("form", FORMS)
def test_a_dump_gives_back_what_was_written(tmp_path: Path, form: Form) -> None:
    dump = write_dump(tmp_path / "dump", {("market", 0): AWKWARD, ("control", 0): counted([1, 2])}, form)
    assert read_all(dump, "market", 0) == plain(AWKWARD)
    assert dump.roles == ["market", "control"]
    assert dump.records() == 7
    info = dump.partitions("market")[0]
    assert (info.first_offset, info.next_offset, info.min_ts) == (5, 12, 0)


@pytest.mark.parametrize("form", FORMS)
def test_reading_begins_at_any_record(tmp_path: Path, form: Form) -> None:
    records = counted(list(range(ROW_GROUP + 10)))
    dump = write_dump(tmp_path / "dump", {("market", 0): records}, form)
    whole = plain(records)
    for start in (0, 1, ROW_GROUP - 1, ROW_GROUP, ROW_GROUP + 9, ROW_GROUP + 10):
        assert read_all(dump, "market", 0, start) == whole[start:]


@given(records=any_records())
@settings(max_examples=60, deadline=None)
def test_an_envelope_keeps_every_byte(records: Records) -> None:
    lines = [decode_line(line) for line in encode_lines("t", 3, records).splitlines()]
    back = plain(records_of(lines))
    assert back == [(o, ts, p, k, h or None) for o, ts, p, k, h in plain(records)]


@given(records=any_records())
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_parquet_keeps_every_byte(records: Records, tmp_path_factory: pytest.TempPathFactory) -> None:
    dump = write_dump(tmp_path_factory.mktemp("d") / "dump", {("fills", 0): records})
    assert read_all(dump, "fills", 0) == plain(records)


def test_kcat_lines_are_understood() -> None:
    first, tombstone = (decode_line(line) for line in KCAT.splitlines())
    assert payload_of(first) == b'{"ts":1}'
    assert timestamp_ns(first) == 1_700_000_000_123_000_000
    assert headers_of(first) == [("trace", b"x"), ("trace", b"y")]
    assert (payload_of(tombstone), key_of(tombstone), headers_of(tombstone)) == (None, None, None)


def test_a_record_in_whole_milliseconds_is_written_as_kcat_does() -> None:
    line = encode_lines("bars", 1, Records.of([8], [1_700_000_000_124_000_000], [None]))
    assert line == KCAT.splitlines(keepends=True)[1].replace(b'"broker":1', b'"broker":0')


def test_raw_bytes_that_kcat_prints_into_the_string_survive() -> None:
    line = KCAT.splitlines()[0].replace(b'{\\"ts\\":1}', b"\xff\\n\xc3\xa9")
    assert payload_of(decode_line(line)) == b"\xff\n\xc3\xa9"
    assert headers_of(decode_line(line)) == [("trace", b"x"), ("trace", b"y")]


def foreign(folder: Path, content: bytes, name: str = "all.jsonl") -> Path:
    """A folder as a kcat user leaves it."""
    folder.mkdir(exist_ok=True)
    packers: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".zst": zstandard.compress}
    pack = packers.get(Path(name).suffix, bytes)
    (folder / name).write_bytes(pack(content))
    return folder


def mixed() -> bytes:
    """Lines of two topics and three partitions, interleaved."""
    market = [encode_lines("bars", p, Records.of([o], [o], [b"%d" % o])) for o in range(4) for p in (0, 2)]
    control = [encode_lines("control", 0, Records.of([o], [o], [b"c%d" % o])) for o in range(4)]
    return b"".join(line for pair in zip(market, control + [b""] * 4, strict=True) for line in pair)


@pytest.mark.parametrize("name", ["all.jsonl", "all.jsonl.gz", "all.jsonl.zst"])
def test_a_foreign_dump_is_split_into_roles_and_partitions(tmp_path: Path, name: str) -> None:
    path = foreign(tmp_path / "kcat", mixed(), name)
    dump = open_dump(path, tmp_path / "work", {"bars": "market"}, partitions={"market": 4})
    assert [info.records for info in dump.partitions("market")] == [4, 0, 4, 0]
    assert [row[2] for row in read_all(dump, "market", 2)] == [b"0", b"1", b"2", b"3"]
    assert [row[2] for row in read_all(dump, "control", 0)] == [b"c0", b"c1", b"c2", b"c3"]
    assert dump.manifest.topics["market"].topic == "bars"


def test_a_foreign_dump_is_split_once_and_again_when_it_changed(tmp_path: Path) -> None:
    path = foreign(tmp_path / "kcat", mixed())
    first = open_dump(path, tmp_path / "work", {"bars": "market"})
    assert open_dump(path, tmp_path / "work", {"bars": "market"}).folder == first.folder
    foreign(path, mixed() + encode_lines("bars", 0, Records.of([9], [9], [b"9"])))
    changed = open_dump(path, tmp_path / "work", {"bars": "market"})
    assert changed.folder != first.folder
    assert changed.records("market") == 9


def test_a_topic_without_a_role_is_refused_or_left_out_as_asked(tmp_path: Path) -> None:
    path = foreign(tmp_path / "kcat", mixed())
    with pytest.raises(InvalidInput, match="topic 'bars' has no role"):
        open_dump(path, tmp_path / "work")
    dump = open_dump(path, tmp_path / "work", {"bars": None})
    assert dump.roles == ["control"]


def test_two_topics_of_one_role_are_refused(tmp_path: Path) -> None:
    path = foreign(tmp_path / "kcat", mixed())
    with pytest.raises(InvalidInput, match="both have the role control"):
        open_dump(path, tmp_path / "work", {"bars": "control"})


def test_offsets_that_run_backwards_are_refused(tmp_path: Path) -> None:
    path = foreign(tmp_path / "kcat", mixed() + mixed())
    with pytest.raises(MalformedDump, match=r"all\.jsonl.*offset 0 stands after 3"):
        open_dump(path, tmp_path / "work", {"bars": "market"})


@pytest.mark.parametrize(
    "bad", [b"{}", b"nonsense", b'{"topic":"bars","partition":0,"offset":1,"key":null,"payload":""}']
)
def test_a_bad_line_is_named(tmp_path: Path, bad: bytes) -> None:
    path = foreign(tmp_path / "kcat", KCAT + bad + b"\n" + mixed())
    with pytest.raises(MalformedDump, match=r"all\.jsonl"):
        open_dump(path, tmp_path / "work", {"bars": "market"})


def test_a_bad_line_is_named_by_its_number(tmp_path: Path) -> None:
    path = foreign(tmp_path / "kcat", KCAT + b"nonsense\n" + mixed())
    with pytest.raises(MalformedDump, match=r"all\.jsonl:3: no kcat -J envelope"):
        open_dump(path, tmp_path / "work", {"bars": "market"})


def test_a_torn_tail_is_an_error_unless_tolerated(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = foreign(tmp_path / "kcat", KCAT[:-10])
    with pytest.raises(MalformedDump, match=r"all\.jsonl:2: .*--tolerate-torn-tail"):
        open_dump(path, tmp_path / "work", {"bars": "market"})
    with caplog.at_level(logging.WARNING):
        dump = open_dump(path, tmp_path / "work", {"bars": "market"}, tolerate_torn_tail=True)
    assert dump.records("market") == 1
    assert "torn last line left out" in caplog.text


@pytest.mark.parametrize("name", ["all.jsonl.gz", "all.jsonl.zst"])
def test_a_torn_compressed_file_is_an_error_unless_tolerated(tmp_path: Path, name: str) -> None:
    path = foreign(tmp_path / "kcat", mixed(), name)
    (path / name).write_bytes((path / name).read_bytes()[:-4])
    with pytest.raises(MalformedDump, match=rf"{name}: cannot be unpacked: .*end"):
        open_dump(path, tmp_path / "work", {"bars": "market"})


def test_what_can_be_read_of_a_torn_compressed_file_is_used_when_tolerated(tmp_path: Path) -> None:
    path = foreign(tmp_path / "kcat", mixed(), "all.jsonl.zst")
    whole = (path / "all.jsonl.zst").read_bytes()
    (path / "all.jsonl.zst").write_bytes(whole + zstandard.compress(b"cut off")[:-4])
    dump = open_dump(path, tmp_path / "work", {"bars": "market"}, tolerate_torn_tail=True)
    assert dump.records("market") == 8


@pytest.mark.parametrize("name", ["all.jsonl.gz", "all.jsonl.zst"])
def test_members_and_frames_that_follow_each_other_are_joined(tmp_path: Path, name: str) -> None:
    path = foreign(tmp_path / "kcat", KCAT, name)
    more = encode_lines("bars", 1, Records.of([9], [9], [b"x"]))
    packed = gzip.compress(more) if name.endswith(".gz") else zstandard.compress(more)
    (path / name).write_bytes((path / name).read_bytes() + packed)
    assert open_dump(path, tmp_path / "work", {"bars": "market"}).records("market") == 3


def test_text_that_no_log_can_hold_is_refused_by_file(tmp_path: Path) -> None:
    path = foreign(tmp_path / "kcat", KCAT.replace(b'"trace"', b'"\\ud800"'))
    with pytest.raises(MalformedDump, match=r"all\.jsonl"):
        open_dump(path, tmp_path / "work", {"bars": "market"})


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_no_changed_byte_makes_anything_but_a_record_or_a_named_error(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(KCAT + encode_lines("bars", 0, AWKWARD))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(
            st.binary(max_size=3) | st.sampled_from([b"9" * 20])
        )
    folder = tmp_path_factory.mktemp("fuzz")
    path = foreign(folder / "kcat", bytes(content))
    refused = ""
    try:
        dump = open_dump(path, folder / "work", {"bars": "market"})
        assert dump.records("market") <= 7
    except InvalidInput as error:
        refused = str(error)
    assert not refused or "all.jsonl" in refused


def test_what_is_no_dump_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="does not exist"):
        open_dump(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match="holds neither"):
        open_dump(tmp_path / "empty", tmp_path / "work")


def test_a_dump_of_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MalformedDump, match="format 99 is unknown"):
        write_dump(tmp_path / "dump", {("market", 0): counted([1])}, manifest=Manifest(format=99))


def test_a_dump_is_never_written_over_something(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InvalidInput, match="is not empty"):
        DumpWriter(tmp_path, Manifest())


def test_a_damaged_parquet_file_is_named(tmp_path: Path) -> None:
    dump = write_dump(tmp_path / "dump", {("market", 0): counted([1, 2])})
    (tmp_path / "dump" / "market" / "0.parquet").write_bytes(b"PAR1")
    with pytest.raises(MalformedDump, match=r"0\.parquet"):
        read_all(dump, "market", 0)


def test_a_missing_partition_file_is_named(tmp_path: Path) -> None:
    dump = write_dump(tmp_path / "dump", {("market", 0): counted([1]), ("market", 1): counted([1])})
    (dump.folder / "market" / "1.parquet").unlink()
    with pytest.raises(MalformedDump, match=r"1\.parquet is missing"):
        open_dump(tmp_path / "dump")


def test_instruments_beside_foreign_files_come_along(tmp_path: Path) -> None:
    path = foreign(tmp_path / "kcat", mixed())
    (path / "instruments.json").write_text(
        json.dumps([{"symbol": "A", "tick": 0.01, "lot": 1, "interval": "1h", "listed_from": 0, "participation": True,
                     "currency": "USD"}])
    )  # fmt: skip
    dump = open_dump(path, tmp_path / "work", {"bars": "market"})
    assert [instrument.symbol for instrument in dump.instruments()] == ["A"]
