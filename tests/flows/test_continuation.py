"""Recovery folders over a change of configuration: what they keep, what they refuse, and a crash in between."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from flows import replay as replay_module
from flows.continuation import begin
from flows.errors import SnapshotIncompatible
from flows.process import drain
from flows.process.kept_configuration import read_kept
from flows.process.recovery_folder import RecoveryFolder
from flows.process.rewrite import read_states
from flows.replay import ReplayOptions, ReplayResult, replay
from flows.settings import DumpInput, FilesOutput, FlowSettings
from schemas.configuration import Configuration, config_hash, parse_configuration
from tests.processes.market import document, write_market

Document = dict[str, Any]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_market(tmp_path_factory.mktemp("market") / "dump", cycles=120)


def parsed(made: Document) -> Configuration:
    return parse_configuration(made)


def run(market: Path, folder: Path, made: Document, stop_after_slabs: int | None = None) -> ReplayResult:
    """A replay in this process, drained after so many polls of the sources where that is said."""
    options = ReplayOptions(recovery=folder / "recovery", clickhouse=False, report=False, slab_records=40)
    with pytest.MonkeyPatch.context() as patched:
        if stop_after_slabs is not None:
            polls = iter(range(5 * stop_after_slabs))
            patched.setattr(drain, "requested", lambda: next(polls, None) is None)
        return replay_module.replay(market, parsed(made), folder / "out", options)


@pytest.fixture(scope="module")
def stopped(market: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a replay that was stopped in the middle."""
    folder = tmp_path_factory.mktemp("stopped")
    result = run(market, folder, document(), stop_after_slabs=4)
    whole = replay(market, parsed(document()), folder / "whole", ReplayOptions(clickhouse=False, report=False))
    assert 0 < result.decisions < whole.decisions
    return folder


@pytest.fixture
def folder(stopped: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(stopped, tmp_path / "own")
    return tmp_path / "own"


def without_reversion() -> Document:
    made = document()
    made["portfolios"][0]["pods"].pop(1)
    return made


def settings(folder: Path) -> FlowSettings:
    return FlowSettings(configuration={}, source=DumpInput(path=""), sink=FilesOutput(out=""), code_version="code")


def test_the_folder_keeps_the_configuration_that_its_state_belongs_to(folder: Path, market: Path) -> None:
    kept = read_kept(folder / "recovery")
    assert kept is not None and config_hash(parsed(kept.document)) == kept.config_hash
    result = run(market, folder, without_reversion())
    after = read_kept(folder / "recovery")
    assert after is not None and after.config_hash == result.config_hash != kept.config_hash
    assert [(r.portfolio, r.pod) for r in after.retired] in ([], [("alpha", "reversion")])
    assert sorted(p.name for p in (folder / "recovery").iterdir()) == [
        "cluster.lock", "configuration.json", "run.json", "snapshots",
    ]  # fmt: skip


def test_the_same_configuration_rewrites_nothing(folder: Path) -> None:
    before = read_states(folder / "recovery")
    with RecoveryFolder(folder / "recovery", 4) as recovery:
        made = settings(folder)
        assert begin(recovery, made, parsed(document()), "test").retired == []
    assert read_states(folder / "recovery").keys() == before.keys()


def test_a_crash_between_the_two_renames_is_finished_by_the_next_start(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(_: RecoveryFolder) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, RecoveryFolder(folder / "recovery", 4) as recovery:
        patched.setattr(RecoveryFolder, "_finish_adoption", dies)
        with pytest.raises(KeyboardInterrupt):
            begin(recovery, settings(folder), parsed(without_reversion()), "test")
    assert not (folder / "recovery" / "snapshots").exists()
    with RecoveryFolder(folder / "recovery", 4) as recovery:
        marker = recovery.marker()
        assert marker is not None and marker.clean
        assert marker.config_hash == config_hash(parsed(without_reversion()))
        begin(recovery, settings(folder), parsed(without_reversion()), "test")
    assert "portfolio-alpha" in read_states(folder / "recovery")["weir.portfolio"]


def test_a_crash_before_that_leaves_the_old_state(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(_: RecoveryFolder) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, RecoveryFolder(folder / "recovery", 4) as recovery:
        patched.setattr(RecoveryFolder, "adopt_next", dies)
        with pytest.raises(KeyboardInterrupt):
            begin(recovery, settings(folder), parsed(without_reversion()), "test")
    with RecoveryFolder(folder / "recovery", 4) as recovery:
        begin(recovery, settings(folder), parsed(document()), "test")
        marker = recovery.marker()
        assert marker is not None and marker.config_hash == config_hash(parsed(document()))


def test_a_refused_change_leaves_the_folder_as_it_is(folder: Path) -> None:
    made = document()
    made["portfolios"][0]["base_currency"] = "EUR"
    with RecoveryFolder(folder / "recovery", 4) as recovery:
        with pytest.raises(SnapshotIncompatible, match=r"portfolios\.alpha\.base_currency: it was USD, now EUR"):
            begin(recovery, settings(folder), parsed(made), "weir.yaml")
        marker = recovery.marker()
        assert marker is not None and marker.clean and marker.config_hash == config_hash(parsed(document()))


def test_a_folder_that_does_not_say_what_it_belongs_to_is_started_as_it_was_first(folder: Path) -> None:
    (folder / "recovery" / "configuration.json").unlink()
    with RecoveryFolder(folder / "recovery", 4) as recovery:
        with pytest.raises(SnapshotIncompatible, match="does not say which configuration its state belongs to"):
            begin(recovery, settings(folder), parsed(without_reversion()), "test")
        begin(recovery, settings(folder), parsed(document()), "test")
        recovery.end()
        begin(recovery, settings(folder), parsed(without_reversion()), "test")
