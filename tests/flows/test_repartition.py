"""``weir state repartition`` through real recovery folders: a dump cut in time, its second half in other partitions."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from typer.testing import CliRunner

from flows.cli.app import app
from flows.dump.layout import Dump
from flows.dump.manifest import Manifest
from flows.dump.records import Records
from flows.errors import InvalidInput, SnapshotIncompatible
from flows.exit_codes import ExitCode
from flows.process.recovery_folder import RecoveryFolder
from flows.process.rewrite import read_states
from flows.process.snapshot_rows import describe
from flows.repartition import dead_letter_states, repartition
from flows.replay import ReplayOptions, ReplayResult, replay
from tests.flows.dump.samples import write_dump
from tests.regrouping import (
    BORDER,
    CUT,
    HOURS,
    Rows,
    comparable,
    comparable_order,
    configuration,
    control,
    market,
)

LAST = HOURS - 1
BAD = (0, BORDER, b"no json")


def write(folder: Path, markets: dict[int, Rows], side: Rows) -> Dump:
    parts = {("market", p): rows for p, rows in markets.items()} | {("control", 0): side}
    records = {
        place: Records.of([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows])
        for place, rows in parts.items()
    }
    return write_dump(folder, records, manifest=Manifest())


def settings(folder: Path, partitions: int) -> Path:
    path = folder / f"{partitions}.yaml"
    path.write_text(yaml.safe_dump(configuration(partitions).model_dump(mode="json")))
    return path


def run(folder: Path, dump: str, partitions: int, out: str, recovery: str | None) -> ReplayResult:
    options = ReplayOptions(
        recovery=None if recovery is None else folder / recovery, clickhouse=False, report=False, slab_records=400
    )
    return replay(folder / dump, configuration(partitions), folder / out, options)


def lines(out: Path, name: str) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in (out / f"{name}.jsonl").read_bytes().splitlines()]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run that was never cut in ``unsplit``, and its first half in ``out``, stopped at the border."""
    folder = tmp_path_factory.mktemp("repartition")
    write(folder / "whole", market(4, 0, LAST), control())
    first = market(4, 0, CUT)
    first[1] = [BAD, *((offset + 1, ts, payload) for offset, ts, payload in first[1])]
    write(folder / "first", first, control()[:2])
    run(folder, "whole", 4, "unsplit", None)
    run(folder, "first", 4, "out", "recovery")
    return folder


@pytest.mark.parametrize("partitions", [2, 6])
def test_the_second_half_in_other_partitions_decides_as_if_nothing_had_happened(
    stopped: Path, tmp_path: Path, partitions: int
) -> None:
    write(stopped / f"second-{partitions}", market(partitions, CUT + 1, LAST), control())
    done = repartition(stopped / "recovery", tmp_path / "new", settings(tmp_path, partitions))
    assert (done.border, done.partitions_before, done.partitions_after) == (BORDER, 4, partitions)
    # A copy: what the first case writes beyond the border, the second would have to repeat.
    out = shutil.copytree(stopped / "out", tmp_path / "out")
    options = ReplayOptions(recovery=tmp_path / "new", clickhouse=False, report=False, slab_records=400)
    halves = replay(stopped / f"second-{partitions}", configuration(partitions), out, options)
    _assert_same(stopped / "unsplit", out, halves)


def _assert_same(unsplit: Path, out: Path, halves: ReplayResult) -> None:
    whole, found = lines(unsplit, "decisions"), lines(out, "decisions")
    assert [d["body"]["sequence"] for d in found] == list(range(1, len(whole) + 1))
    assert [comparable(d["body"]) for d in found] == [comparable(d["body"]) for d in whole]
    assert [d["body"]["previous"] for d in found[1:]] == [d["hash"] for d in found[:-1]]
    hashes = {(d["body"]["cycle"] > BORDER, d["body"]["config_hash"]) for d in found}
    assert len(hashes) == 2 and (True, halves.config_hash) in hashes
    assert [comparable_order(o) for o in lines(out, "orders")] == [
        comparable_order(o) for o in lines(unsplit, "orders")
    ]
    assert halves.dead_letters_by_reason == {"INPUT_NOT_JSON": 1}
    assert halves.open_cycles == []


def test_only_the_market_is_read_anew(stopped: Path, tmp_path: Path) -> None:
    repartition(stopped / "recovery", tmp_path / "new", settings(tmp_path, 2))
    old, new = read_states(stopped / "recovery"), read_states(tmp_path / "new")
    assert "weir.market" in old and "weir.market" not in new
    assert (len(old["weir.group"]), len(new["weir.group"])) == (4, 2)
    assert sorted(new["weir.dead_letters"]) == ["control-00000", "market-00000", "market-00001"]
    assert new["weir.dead_letters"]["market-00001"] == old["weir.dead_letters"]["market-00001"]
    assert new["weir.control"]["control-0"]["index"] == old["weir.control"]["control-0"]["index"] == 2
    assert new["weir.decisions"] == old["weir.decisions"]
    marker = describe(tmp_path / "new").marker
    assert (marker["market_partitions"], marker["clean"]) == (2, True)


def test_a_configuration_that_leaves_its_partitions_to_the_dump_takes_them_from_the_new_one(
    stopped: Path, tmp_path: Path
) -> None:
    dump = write(tmp_path / "three", market(3, CUT + 1, LAST), control())
    document = configuration(2).model_dump(mode="json")
    document["topics"]["market"] = {}
    (tmp_path / "from_dump.yaml").write_text(yaml.safe_dump(document))
    done = repartition(stopped / "recovery", tmp_path / "new", tmp_path / "from_dump.yaml", dump.folder)
    assert done.partitions_after == 3


def test_a_folder_that_does_not_stand_at_a_border_is_left_alone(tmp_path: Path) -> None:
    first = market(4, 0, 40)
    first[3] = market(4, 0, 39)[3]
    write(tmp_path / "first", first, control()[:2])
    run(tmp_path, "first", 4, "out", "recovery")
    with pytest.raises(SnapshotIncompatible, match="the market partitions have closed different cycles"):
        repartition(tmp_path / "recovery", tmp_path / "new", settings(tmp_path, 2))
    assert not (tmp_path / "new").exists()


def test_an_unclean_stop_and_foreign_folders_are_refused(stopped: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is no recovery folder"):
        repartition(tmp_path, tmp_path / "new", settings(tmp_path, 2))
    with RecoveryFolder(tmp_path / "unclean", 2) as folder:
        folder.begin("configuration", "code", 4)
    with pytest.raises(SnapshotIncompatible, match="was not stopped cleanly"):
        repartition(tmp_path / "unclean", tmp_path / "new", settings(tmp_path, 2))
    with RecoveryFolder(tmp_path / "empty", 2) as folder:
        folder.begin("configuration", "code", 4)
        folder.end()
    with pytest.raises(InvalidInput, match=r"has no states of weir\.group"):
        repartition(tmp_path / "empty", tmp_path / "new", settings(tmp_path, 2))


def test_the_command_says_what_it_did_and_how_to_go_on(stopped: Path, tmp_path: Path) -> None:
    arguments = ["state", "repartition", str(stopped / "recovery"), str(tmp_path / "new")]
    done = CliRunner().invoke(app, [*arguments, "--config", str(settings(tmp_path, 6)), "--json"])
    assert done.exit_code == 0, done.output
    result = msgspec.json.decode(done.stdout.splitlines()[-1])
    assert (result["border"], result["partitions_before"], result["partitions_after"]) == (BORDER, 4, 6)
    again = CliRunner().invoke(app, [*arguments, "--config", str(settings(tmp_path, 6)), "--json"])
    assert again.exit_code == ExitCode.USAGE
    assert "is not empty" in again.output


def kafka_state(end: int | None, counter: int | None) -> dict[str, Any]:
    return {"topic": "dead_letters", "partition": 0, "end": end, "counter": counter, "version": 1}


def test_in_kafka_a_partition_that_comes_anew_begins_behind_everything_that_was_written() -> None:
    old = {"market-00000": kafka_state(7, 3), "market-00001": kafka_state(12, 2), "control-00000": kafka_state(None, 0)}
    fewer = dead_letter_states(old, 1)
    assert fewer == {"market-00000": kafka_state(12, 3), "control-00000": kafka_state(12, 0)}
    assert dead_letter_states(fewer, 2)["market-00001"] == kafka_state(12, None)


def test_files_of_dead_letters_are_continued_by_partition_number() -> None:
    old = {f"market-0000{n}": {"version": 1, "part": f"market-0000{n}", "end": 10 * n} for n in range(2)}
    assert dead_letter_states(old, 1) == {"market-00000": old["market-00000"]}
    assert dead_letter_states(old, 3) == old
